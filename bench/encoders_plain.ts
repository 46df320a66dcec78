/**
 * The plain form of the encoders, for comparison: a loop that asks each field for its type, and makes
 * a JavaScript value of each. Only what the benches' rows hold. `json` says what becomes of JSON.
 */

import type { ResultField } from "../lib/arrow/result_field.ts";

const decoder = new TextDecoder();

/** One row from `at` in a DataRow's columns as a JavaScript object. */
export function plainRow(
  fields: readonly ResultField[],
  bytes: Uint8Array,
  view: DataView,
  start: number,
  json: (text: string) => unknown,
): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  let at = start;
  for (const field of fields) {
    const length = view.getInt32(at);
    at += 4;
    row[field.name] = length < 0 ? null : plainValue(field, bytes, view, at, length, json);
    if (length > 0) at += length;
  }
  return row;
}

function plainValue(
  field: ResultField,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  length: number,
  json: (text: string) => unknown,
): unknown {
  if (field.kind === "constant") return field.value;
  if (field.kind === "object") {
    const row: Record<string, unknown> = {};
    let next = at + 4;
    for (const inner of field.fields) {
      const size = view.getInt32(next + 4);
      next += 8;
      row[inner.name] = size < 0 ? null : plainValue(inner, bytes, view, next, size, json);
      if (size > 0) next += size;
    }
    return row;
  }
  if (field.kind === "list") {
    const items: unknown[] = [];
    if (view.getInt32(at) === 0) return items;
    let next = at + 20;
    for (let left = view.getInt32(at + 12); left > 0; left--) {
      const size = view.getInt32(next);
      next += 4;
      items.push(size < 0 ? null : plainValue(field.item, bytes, view, next, size, json));
      if (size > 0) next += size;
    }
    return items;
  }
  switch (field.type.kind) {
    case "bool":
      return bytes[at] === 1;
    case "int4":
      return view.getInt32(at);
    case "int8":
      return view.getBigInt64(at).toString();
    case "float8":
      return view.getFloat64(at);
    case "uuid": {
      const hex = bytes.subarray(at, at + 16).toHex();
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    }
    case "timestamptz": {
      const micros = view.getBigInt64(at) + 946684800000000n;
      const fraction = String(micros % 1000000n).padStart(6, "0");
      return new Date(Number(micros / 1000n)).toISOString().replace(/\.\d+/, `.${fraction}`);
    }
    case "decimal": {
      const groups = view.getInt16(at);
      const weight = view.getInt16(at + 2);
      const scale = view.getInt16(at + 6);
      let digits = 0n;
      for (let i = 0; i < groups; i++) {
        digits = digits * 10000n + BigInt(view.getInt16(at + 8 + 2 * i));
      }
      const exponent = 4 * (weight - groups + 1) + scale;
      digits = exponent >= 0 ? digits * 10n ** BigInt(exponent) : digits / 10n ** BigInt(-exponent);
      const text = digits.toString().padStart(scale + 1, "0");
      return `${view.getUint16(at + 4) ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
    }
    case "jsonb":
      return json(decoder.decode(bytes.subarray(at + 1, at + length)));
    case "text":
    case "enum":
      return decoder.decode(bytes.subarray(at, at + length));
    default:
      throw new Error(`the benches' rows have no ${field.type.kind}`);
  }
}
