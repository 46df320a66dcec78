/** Whether three answers are one. */

import type { Answer } from "./answers.ts";
import { canonical, WrongForm } from "./canonical.ts";
import { type ArrowField, arrowField, type ObjectShape, type Shape, type Value } from "./shape.ts";

/** What is wrong; cases with one `kind` are taken for one fault by the shrinker. */
export interface Fault {
  readonly kind: string;
  readonly message: string;
}

/** Null where all agree. `flat` is how a root aggregate lies in columns. */
export function compare(
  shape: Shape,
  wanted: Answer,
  http: Answer,
  flight: Answer,
  isFlat: boolean,
): Fault | null {
  return compareOne("HTTP", wanted, http, shape, (value) => value) ??
    compareOne(
      "Flight",
      wanted,
      flight,
      rowsShape(shape, isFlat),
      (value) => toRows(value, isFlat),
    ) ?? compareSchema(shape, flight, isFlat);
}

function compareOne(
  name: "HTTP" | "Flight",
  wanted: Answer,
  got: Answer,
  shape: Shape,
  form: (value: Value) => Value,
): Fault | null {
  if (wanted.kind === "refused" || got.kind === "refused") {
    const code = (answer: Answer) => answer.kind === "refused" ? answer.code : "rows";
    if (code(wanted) === code(got)) return null;
    return {
      kind: `${name} ${code(got)}, wanted ${code(wanted)}`,
      message: got.kind === "refused" ? got.message : JSON.stringify(got.value),
    };
  }
  try {
    const mine = canonical(shape, got.value);
    const theirs = canonical(shape, form(wanted.value));
    if (mine === theirs) return null;
    return { kind: `${name} differs`, message: `${name}   ${mine}\noracle ${theirs}` };
  } catch (error) {
    if (!(error instanceof WrongForm)) throw error;
    return { kind: `${name} has another form`, message: error.message };
  }
}

/** Flight has rows: those of a list, or the object alone. */
function rowsShape(shape: Shape, isFlat: boolean): Shape {
  const item = rowShape(shape, isFlat);
  return {
    kind: "list",
    item,
    ordered: shape.kind !== "list" || shape.ordered,
    nullable: false,
  };
}

function rowShape(shape: Shape, isFlat: boolean): ObjectShape {
  const item = shape.kind === "list" ? shape.item : shape;
  if (item.kind !== "object") throw new Error("rows are objects");
  if (!isFlat) return { ...item, nullable: false };
  const fields = item.fields.flatMap(({ name, shape }) =>
    shape.kind === "object"
      ? shape.fields.map((field) => ({ ...field, name: flatName(name, field.name) }))
      : [{ name, shape }]
  );
  return { ...item, fields };
}

/** A group's fields have their own names, `sum { total }` is `sum_total`. */
function flatName(outer: string, inner: string): string {
  return outer === "group" ? inner : `${outer}_${inner}`;
}

function toRows(value: Value, isFlat: boolean): Value {
  const rows = Array.isArray(value) ? value : value === null ? [] : [value];
  return isFlat ? rows.map((row) => flatten(row as Readonly<Record<string, Value>>)) : rows;
}

function flatten(row: Readonly<Record<string, Value>>): Value {
  return Object.fromEntries(
    Object.entries(row).flatMap(([name, value]): [string, Value][] =>
      name === "count" ? [[name, value]] : Object.entries(value as Record<string, Value>).map((
        [inner, item],
      ) => [flatName(name, inner), item])
    ),
  );
}

function compareSchema(shape: Shape, flight: Answer, isFlat: boolean): Fault | null {
  if (flight.kind === "refused") return null;
  const wanted = showFields(rowShape(shape, isFlat).fields.map(arrowField));
  const got = showFields(flight.schema ?? []);
  if (wanted === got) return null;
  return { kind: "Arrow schema", message: `Flight has ${got}\nwanted     ${wanted}` };
}

function showFields(fields: readonly ArrowField[]): string {
  return fields.map(([name, type, nullable, inner]) =>
    `${name}: ${type}${inner.length > 0 ? `<${showFields(inner)}>` : ""}${
      nullable ? "" : " not null"
    }`
  ).join(", ");
}
