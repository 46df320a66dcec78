/** `distinctOn` -> columns. */

import { AppError } from "../errors.ts";
import type { OrderTerm } from "./read_plan.ts";
import type { Column, Relation } from "./schema.ts";

/**
 * The columns of `distinctOn`. PostgreSQL takes the first row of each, so the order must begin with
 * them, in any sequence.
 */
export function toDistinct(
  names: readonly string[] | null | undefined,
  relation: Relation,
  order: readonly OrderTerm[],
): Column[] {
  const columns = [...new Set(names ?? [])].flatMap((name) => {
    const field = relation.fields.get(name);
    return field?.kind === "column" ? [field] : [];
  });
  const missing = new Set(columns);
  const fits = order.every(({ links, column }) => {
    if (missing.size === 0) return true;
    missing.delete(column);
    return links.length === 0 && columns.includes(column);
  });
  if (fits) return columns;
  const wanted = columns.map(({ name }) => name).join(", ");
  throw new AppError(
    "BAD_INPUT",
    `orderBy does not begin with the fields of distinctOn: ${wanted}`,
    {
      hint: "begin with them, each in the direction you like, and put the others behind",
    },
  );
}
