/** Rows as PostgreSQL sends them, made by hand: tests and benches need no server for them. */

import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";

/** A column's bytes, or null. */
export type Value = Uint8Array | null;

export function hex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function int16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

export function int32(value: number): Uint8Array {
  return Uint8Array.of(value >> 24, value >> 16, value >> 8, value);
}

export function int64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, value);
  return bytes;
}

export function float8(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

export function float4(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value);
  return bytes;
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** A numeric from its text, in PostgreSQL's groups of four digits. */
export function numeric(value: string): Uint8Array {
  const special = { NaN: 0xc000, Infinity: 0xd000, "-Infinity": 0xf000 }[value];
  if (special !== undefined) return concat(int16(0), int16(0), int16(special), int16(0));
  const [whole = "", fraction = ""] = value.replace("-", "").split(".");
  const left = whole.padStart(Math.ceil(whole.length / 4) * 4, "0");
  const right = fraction.padEnd(Math.ceil(fraction.length / 4) * 4, "0");
  let groups = ((left + right).match(/.{4}/g) ?? []).map(Number);
  let weight = left.length / 4 - 1;
  while (groups.length > 0 && groups[0] === 0) {
    groups = groups.slice(1);
    weight--;
  }
  while (groups.at(-1) === 0) groups.pop();
  if (groups.length === 0) weight = 0;
  const sign = value.startsWith("-") && groups.length > 0 ? 0x4000 : 0;
  return concat(
    int16(groups.length),
    int16(weight),
    int16(sign),
    int16(fraction.length),
    ...groups.map(int16),
  );
}

/** A value behind its length. */
function sized(value: Value): Uint8Array {
  return value === null ? int32(-1) : concat(int32(value.length), value);
}

/** The type of what is said to be none in particular: text. */
export const anyOid = 25;

/** An anonymous record. */
export function record(...values: Value[]): Uint8Array {
  return recordOf(...values.map((value) => [anyOid, value] as const));
}

/** An anonymous record whose attributes are of the types with these oids. */
export function recordOf(...values: (readonly [oid: number, value: Value])[]): Uint8Array {
  return concat(
    int32(values.length),
    ...values.flatMap(([oid, value]) => [int32(oid), sized(value)]),
  );
}

/** An array of one dimension; none without elements. */
export function array(...values: Value[]): Uint8Array {
  return arrayOf(anyOid, values);
}

/** An array whose elements are of the type with this oid. */
export function arrayOf(oid: number, values: readonly Value[]): Uint8Array {
  const nulls = int32(values.includes(null) ? 1 : 0);
  if (values.length === 0) return concat(int32(0), nulls, int32(oid));
  const head = [int32(1), nulls, int32(oid), int32(values.length), int32(1)];
  return joined([...head, ...values.map(sized)]);
}

/** One DataRow message. */
export function dataRow(...values: Value[]): Uint8Array<ArrayBuffer> {
  const body = concat(int16(values.length), ...values.map(sized));
  return concat(text("D"), int32(body.length + 4), body);
}

export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joined(parts);
}

/** The same for more parts than a call takes arguments. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Rows as one chunk, amid other bytes as in a socket's buffer. */
export function chunk(...rows: Uint8Array[]): RowChunk {
  const before = new Uint8Array(3).fill(0xee);
  const bytes = concat(before, ...rows, new Uint8Array(5).fill(0xdd));
  return { statement: 0, bytes, start: before.length, end: bytes.length - 5 };
}

/** Chunks that are overwritten when the next one is asked for, as a socket's buffer is. */
export async function* chunks(...all: RowChunk[]): AsyncGenerator<RowChunk> {
  for (const one of all) {
    const copy = { ...one, bytes: one.bytes.slice() };
    await Promise.resolve();
    yield copy;
    copy.bytes.fill(0x99);
  }
}
