/**
 * The members of a JSON object as spans of its bytes: values that nobody looks into are neither
 * parsed nor copied, so that a number keeps all its digits.
 */

export type JsonKind = "text" | "object" | "array" | "number" | "boolean" | "null";

export interface JsonMember {
  readonly kind: JsonKind;
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
}

/**
 * The members by key; a sentence where the bytes are no JSON object, or a key comes twice. Values
 * that are objects or arrays are followed by their brackets and texts alone.
 */
export function jsonMembers(bytes: Uint8Array): Map<string, JsonMember> | string {
  const members = new Map<string, JsonMember>();
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== openBrace) return "no JSON object";
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === closeBrace) return endsAt(bytes, at + 1) ? members : "text behind the object";
  for (;;) {
    const keyEnd = textEnd(bytes, at);
    if (keyEnd < 0) return "broken JSON: a key is expected";
    const key = readText(bytes.subarray(at, keyEnd));
    if (key === null) return "broken JSON: a key is no text";
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== colon) return `broken JSON behind the key ${JSON.stringify(key)}`;
    const start = skipSpace(bytes, at + 1);
    const kind = kindOf(bytes[start]);
    const end = kind === null ? -1 : valueEnd(bytes, start, kind);
    if (kind === null || end < 0) return `broken JSON at ${JSON.stringify(key)}`;
    if (members.has(key)) return `${JSON.stringify(key)} is given twice`;
    members.set(key, { kind, start, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === comma) at = skipSpace(bytes, at + 1);
    else if (bytes[at] !== closeBrace) return `broken JSON behind ${JSON.stringify(key)}`;
    else return endsAt(bytes, at + 1) ? members : "text behind the object";
  }
}

/** The items of a JSON array, as spans; a sentence where the bytes are none. */
export function jsonItems(bytes: Uint8Array): JsonMember[] | string {
  const items: JsonMember[] = [];
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== openBracket) return "no JSON array";
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === closeBracket) return endsAt(bytes, at + 1) ? items : "text behind the array";
  for (;;) {
    const kind = kindOf(bytes[at]);
    const end = kind === null ? -1 : valueEnd(bytes, at, kind);
    if (kind === null || end < 0) return `broken JSON at item ${items.length}`;
    items.push({ kind, start: at, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === comma) at = skipSpace(bytes, at + 1);
    else if (bytes[at] !== closeBracket) return `broken JSON behind item ${items.length - 1}`;
    else return endsAt(bytes, at + 1) ? items : "text behind the array";
  }
}

/** The text that a JSON string stands for, quotes included in the bytes; null where it is none. */
export function readText(quoted: Uint8Array): string | null {
  try {
    const text = decoder.decode(quoted);
    // Plain ones are most, and need no parser.
    // deno-lint-ignore no-control-regex -- a JSON text may hold none of them
    if (!/[\\\u0000-\u001f]/.test(text)) return text.slice(1, -1);
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : null;
  } catch {
    return null; // no UTF-8, or an escape that does not exist
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;) {
    byte = bytes[++at];
  }
  return at;
}

function endsAt(bytes: Uint8Array, at: number): boolean {
  return skipSpace(bytes, at) === bytes.length;
}

function kindOf(byte: number | undefined): JsonKind | null {
  if (byte === undefined) return null;
  if (byte === quote) return "text";
  if (byte === openBrace) return "object";
  if (byte === openBracket) return "array";
  if (byte === 0x74 || byte === 0x66) return "boolean";
  if (byte === 0x6e) return "null";
  return byte === 0x2d || (byte >= 0x30 && byte <= 0x39) ? "number" : null;
}

/** Behind the value; -1 where it does not end or is none. */
function valueEnd(bytes: Uint8Array, start: number, kind: JsonKind): number {
  switch (kind) {
    case "text":
      return textEnd(bytes, start);
    case "object":
    case "array":
      return nestedEnd(bytes, start);
    case "number":
    case "boolean":
    case "null": {
      let end = start;
      while (end < bytes.length && isWordByte(bytes[end] ?? 0)) end++;
      const word = decoder.decode(bytes.subarray(start, end));
      return /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/.test(word) ? end : -1;
    }
    default:
      return kind satisfies never;
  }
}

function isWordByte(byte: number): boolean {
  return byte === 0x2b || byte === 0x2d || byte === 0x2e ||
    (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a);
}

function textEnd(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== quote) return -1;
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    if (byte === backslash) at++;
  }
  return -1;
}

function nestedEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) {
      const end = textEnd(bytes, at);
      if (end < 0) return -1;
      at = end - 1;
    } else if (byte === openBrace || byte === openBracket) depth++;
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return at + 1;
  }
  return -1;
}
