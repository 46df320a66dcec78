/**
 * What the JSON answer must hold where Arrow holds a plain value (`read_arrow.ts`), by rules of its
 * own: dates by `Date`, nothing of the encoders' code.
 */

import type { ResultField } from "../../../lib/arrow/result_field.ts";
import type { Plain } from "./read_arrow.ts";

export function jsonOf(fields: readonly ResultField[], row: { [name: string]: Plain }): unknown {
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field, row[field.name]!)]));
}

function valueOf(field: ResultField, plain: Plain): unknown {
  if (plain === null) return null;
  switch (field.kind) {
    case "constant":
      return plain;
    case "object":
      return jsonOf(field.fields, plain as { [name: string]: Plain });
    case "list":
      return (plain as Plain[]).map((item) => valueOf(field.item, item));
    case "scalar":
      return scalarOf(field.type.kind, plain);
    default:
      return field satisfies never;
  }
}

function scalarOf(kind: string, plain: Plain): unknown {
  switch (kind) {
    case "float4":
      // Compared as a float: the JSON text is the shortest that reads back as one.
      return typeof plain === "number" ? plain : plain === "-0" ? -0 : null;
    case "float8":
      return typeof plain === "number" ? plain : plain === "-0" ? -0 : null;
    case "json":
    case "jsonb":
      return JSON.parse(plain as string);
    case "bytea":
      return Uint8Array.fromHex(plain as string).toBase64();
    case "date":
      return dayOf(BigInt(plain as number));
    case "time":
      return clockOf(BigInt(plain as string));
    case "timestamp":
    case "timestamptz": {
      const micros = BigInt(plain as string);
      const day = (micros - mod(micros, 86_400_000_000n)) / 86_400_000_000n;
      const clock = clockOf(mod(micros, 86_400_000_000n));
      return `${dayOf(day)}T${clock}${kind === "timestamptz" ? "Z" : ""}`;
    }
    default:
      return plain;
  }
}

function mod(a: bigint, b: bigint): bigint {
  return ((a % b) + b) % b;
}

/** `Date` reaches 270,000 years; 400 years have the same days again. */
function dayOf(days: bigint): string {
  const cycle = 146_097n;
  const inCycle = mod(days, cycle);
  const date = new Date(Number(inCycle) * 86_400_000);
  const year = BigInt(date.getUTCFullYear()) + (days - inCycle) / cycle * 400n;
  const rest = date.toISOString().slice(-20, -14);
  if (year >= 1n && year <= 9999n) return String(year).padStart(4, "0") + rest;
  return (year < 0n ? "-" : "+") + String(year < 0n ? -year : year).padStart(6, "0") + rest;
}

function clockOf(micros: bigint): string {
  const text = new Date(Number(micros / 1000n)).toISOString().slice(11, 19);
  const fraction = String(micros % 1_000_000n).padStart(6, "0").replace(/0+$/, "");
  return fraction === "" ? text : `${text}.${fraction}`;
}
