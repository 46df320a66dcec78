/** Answers in one form, so that equal ones are equal texts. */

import { Digits } from "./json.ts";
import type { LeafShape, Shape, Value } from "./shape.ts";

/** The text of a value; throws a sentence where it is not of the shape. */
export function canonical(shape: Shape, value: Value | undefined, place = "$"): string {
  if (value === undefined) throw new WrongForm(`${place} is not there`);
  if (value === null) {
    // JSON's own null is a value.
    const isJson = shape.kind === "leaf" && shape.form === "json";
    if (!shape.nullable && !isJson) throw new WrongForm(`${place} is null`);
    return "null";
  }
  switch (shape.kind) {
    case "leaf":
      return leaf(shape, value, place);
    case "list": {
      if (!Array.isArray(value)) throw new WrongForm(`${place} is no list`);
      const items = value.map((item, i) => canonical(shape.item, item, `${place}[${i}]`));
      return `[${(shape.ordered ? items : items.sort()).join(", ")}]`;
    }
    case "object": {
      if (typeof value !== "object" || Array.isArray(value) || value instanceof Digits) {
        throw new WrongForm(`${place} is no object`);
      }
      const object = value as { readonly [key: string]: Value };
      // The order of the fields is promised too.
      const names = Object.keys(object).join(" ");
      const wanted = shape.fields.map(({ name }) => name).join(" ");
      if (names !== wanted) throw new WrongForm(`${place} has ${names}, not ${wanted}`);
      const fields = shape.fields.map(({ name, shape }) =>
        `${name}: ${canonical(shape, object[name], `${place}.${name}`)}`
      );
      return `{ ${fields.join(", ")} }`;
    }
    default:
      return shape satisfies never;
  }
}

/** A value of another form than the documentation says. */
export class WrongForm extends Error {}

function leaf(shape: LeafShape, value: Value, place: string): string {
  const wrong = () => new WrongForm(`${place} is no ${shape.form}: ${JSON.stringify(value)}`);
  switch (shape.form) {
    case "json":
      return jsonText(value);
    case "boolean":
      if (typeof value !== "boolean") throw wrong();
      return String(value);
    case "number":
      if (!(value instanceof Digits)) throw wrong();
      return value.text;
    case "float":
      if (!(value instanceof Digits)) throw wrong();
      return shape.near ? near(Number(value.text)) : floatText(Number(value.text));
    case "string":
      if (typeof value !== "string") throw wrong();
      return JSON.stringify(value);
    case "cursor":
      if (typeof value !== "string" || value === "") throw wrong();
      return "a cursor"; // what it holds is the server's own
    default:
      return shape.form satisfies never;
  }
}

const floatText = (value: number) => Object.is(value, -0) ? "-0" : String(value);

/** Twelve digits, and no difference between tiny and nothing. */
function near(value: number): string {
  return Math.abs(value) < 1e-9 ? "0" : value.toPrecision(12);
}

/** Keys in order, since JSON's objects have none. */
function jsonText(value: Value): string {
  if (value instanceof Digits) return value.text;
  if (Array.isArray(value)) return `[${value.map((item) => jsonText(item)).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value as { readonly [key: string]: Value });
  return `{ ${
    entries.sort(([a], [b]) => a < b ? -1 : 1).map(([key, item]) =>
      `${JSON.stringify(key)}: ${jsonText(item)}`
    ).join(", ")
  } }`;
}
