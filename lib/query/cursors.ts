/** Relay's cursors: a row's place in an order, as a text that clients keep and give back. */

import { createHash } from "node:crypto";
import { AppError } from "../errors.ts";
import type { Cursor, OrderTerm } from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Relation } from "./schema.ts";

/** Pages need a key, so that each row has one place in every order. */
export function hasPages(relation: Relation): boolean {
  return relation.rowField !== null &&
    relation.key.every(({ type }) => type.kind === "leaf" && type.orderable);
}

/** The terms of an order, and the key's columns that are not among them, for the ties. */
export function completeOrder(terms: readonly OrderTerm[], relation: Relation): OrderTerm[] {
  const own = new Set(terms.filter(({ links }) => links.length === 0).map(({ column }) => column));
  const ties = relation.key.filter((column) => !own.has(column));
  return [
    ...terms,
    ...ties.map((column): OrderTerm => ({ links: [], column, direction: "ASC" })),
  ];
}

/** What tells orders apart, so that a cursor of one is not taken for one of another. */
export function orderDigest(relation: Relation, order: readonly OrderTerm[]): string {
  const words = order.map(({ links, column, direction }) => [
    ...links.map(({ name }) => name),
    column.name,
    direction,
  ]);
  const text = JSON.stringify([relation.schema, relation.name, ...words]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 8);
}

/** Reads what `cursorSql` made; `BAD_INPUT` for anything else, and for another order's. */
export function decodeCursor(
  text: string,
  place: string,
  relation: Relation,
  order: readonly OrderTerm[],
): Cursor {
  const [digest, ...values] = cursorParts(text);
  const isOfThisOrder = digest === orderDigest(relation, order) && values.length === order.length &&
    values.every((value) => value === null || typeof value === "string");
  if (isOfThisOrder) return { values: values as (string | null)[], place };
  throw new AppError("BAD_INPUT", `${place}: ${short(text)} is no cursor of this list and order`, {
    hint: "give a cursor that the same field gave with the same orderBy",
  });
}

/** The values in a cursor; none where it is no cursor of ours. */
export function cursorParts(text: string): readonly unknown[] {
  if (!/^[\w-]*$/.test(text)) return [];
  try {
    const bytes = Uint8Array.from(
      atob(text.replaceAll("-", "+").replaceAll("_", "/")),
      (letter) => letter.charCodeAt(0),
    );
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return Array.isArray(value) ? value : [];
  } catch {
    return []; // whatever it is, it is none of ours
  }
}
