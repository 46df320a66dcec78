/**
 * Rows as CSV: RFC 4180 with a header line, its lines ended by CR LF. A null is an empty field, an
 * empty text is `""`; arrays, objects and columns of json are JSON text.
 */

import type { ResultField } from "../lib/arrow/result_field.ts";
import type { RowFile } from "./to_file.ts";

/** Writes rows as CSV, from their JSON. */
export class CsvFile implements RowFile {
  /** Bytes of each `{"name":` and `,"name":` in a row's JSON. */
  private readonly keyBytes: readonly number[];
  private readonly isJson: readonly boolean[];
  private readonly hasJson: boolean;
  /** Of each json column of each row: bytes of its text, -1 where it is null. */
  private jsonBytes: number[] = [];

  constructor(private readonly fields: readonly ResultField[]) {
    this.keyBytes = fields.map(({ name }) => encoder.encode(JSON.stringify(name)).length + 2);
    this.isJson = fields.map((field) => field.kind === "scalar" && isJsonKind(field.type.kind));
    this.hasJson = this.isJson.includes(true);
  }

  head(): Uint8Array<ArrayBuffer> {
    const names = this.fields.map(({ name }) =>
      /^$|[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
    );
    return encoder.encode(`${names.join(",")}\r\n`);
  }

  /**
   * A column of json can hold any text that is JSON, spaces at its ends too, so its length is taken
   * from the row itself; and so a JSON null is told from no value.
   */
  row(bytes: Uint8Array, at: number): void {
    if (!this.hasJson) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let p = at + 7;
    for (const field of this.fields) {
      const length = view.getInt32(p);
      p += 4 + Math.max(0, length);
      if (field.kind !== "scalar" || !isJsonKind(field.type.kind)) continue;
      // jsonb is its text behind a byte for the version.
      this.jsonBytes.push(field.type.kind === "jsonb" && length > 0 ? length - 1 : length);
    }
  }

  write(json: Uint8Array<ArrayBuffer>, starts: readonly number[]): Uint8Array<ArrayBuffer> {
    // Every byte can become two, a quote in a text, and a field can get two quotes around it.
    const out = new Uint8Array(2 * json.length + starts.length * (2 * this.fields.length + 2));
    let o = 0;
    let nextJson = 0;
    for (const start of starts) {
      // Behind the comma between rows, on the object's brace.
      let p = json[start] === comma ? start + 1 : start;
      for (let i = 0; i < this.fields.length; i++) {
        if (i > 0) out[o++] = comma;
        p += this.keyBytes[i]!;
        if (this.isJson[i]) {
          const length = this.jsonBytes[nextJson++]!;
          const end = p + (length < 0 ? nullBytes : length);
          if (length >= 0) o = writeQuoted(out, o, json, p, end);
          p = end;
        } else if (json[p] === quote) {
          const end = textEnd(json, p);
          o = writeText(out, o, json, p + 1, end - 1);
          p = end;
        } else if (json[p] === letterN) {
          p += nullBytes;
        } else if (json[p] === brace || json[p] === bracket) {
          const end = nestedEnd(json, p);
          o = writeQuoted(out, o, json, p, end);
          p = end;
        } else {
          for (; json[p] !== comma && json[p] !== braceEnd; p++) out[o++] = json[p]!;
        }
      }
      out[o++] = carriageReturn;
      out[o++] = lineFeed;
    }
    this.jsonBytes = [];
    return out.subarray(0, o);
  }
}

const encoder = new TextEncoder();
const isJsonKind = (kind: string) => kind === "json" || kind === "jsonb";

const comma = 44;
const quote = 34;
const backslash = 92;
const brace = 123;
const braceEnd = 125;
const bracket = 91;
const bracketEnd = 93;
const letterN = 110;
const letterU = 117;
const lineFeed = 10;
const carriageReturn = 13;
const nullBytes = 4;

/** Behind the text whose first quote is at `p`. */
function textEnd(json: Uint8Array, p: number): number {
  for (p++; json[p] !== quote; p++) if (json[p] === backslash) p++;
  return p + 1;
}

/** Behind the object or array that begins at `p`. */
function nestedEnd(json: Uint8Array, p: number): number {
  for (let depth = 0;;) {
    const byte = json[p]!;
    if (byte === quote) p = textEnd(json, p);
    else p++;
    if (byte === brace || byte === bracket) depth++;
    else if ((byte === braceEnd || byte === bracketEnd) && --depth === 0) return p;
  }
}

/** Bytes in quotes, the quotes in them twice. */
function writeQuoted(out: Uint8Array, o: number, json: Uint8Array, p: number, end: number): number {
  out[o++] = quote;
  for (; p < end; p++) {
    const byte = json[p]!;
    if (byte === quote) out[o++] = quote;
    out[o++] = byte;
  }
  out[o++] = quote;
  return o;
}

/** A text without JSON's escapes, in quotes where CSV wants them and where it is empty. */
function writeText(out: Uint8Array, o: number, json: Uint8Array, p: number, end: number): number {
  let isPlain = end > p;
  for (let i = p; i < end && isPlain; i++) isPlain = json[i] !== comma && json[i] !== backslash;
  if (isPlain) {
    for (; p < end; p++) out[o++] = json[p]!;
    return o;
  }
  out[o++] = quote;
  while (p < end) {
    let byte = json[p++]!;
    if (byte === backslash) {
      byte = json[p++]!;
      if (byte === letterU) {
        // Control characters alone are written so.
        byte = parseInt(String.fromCharCode(json[p + 2]!, json[p + 3]!), 16);
        p += 4;
      } else byte = ESCAPED[byte] ?? byte;
      if (byte === quote) out[o++] = quote;
    }
    out[o++] = byte;
  }
  out[o++] = quote;
  return o;
}

/** What stands for what behind a backslash: b, f, n, r, t; others for themselves. */
const ESCAPED: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9 };
