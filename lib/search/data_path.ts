/** One value of an event's `data`, as it is written there. */

import {
  closeBrace,
  closeBracket,
  comma,
  openBrace,
  openBracket,
  skipSpace,
  textEnd,
  textOf,
  valueEnd,
} from "./json_text.ts";

/**
 * The JSON at a path of keys and array indexes, which may count from the end; null where nothing is.
 * A key of digits is an index where the value before it is an array, as in PostgreSQL.
 */
export function dataAt(data: string, path: readonly string[]): string | null {
  let start = skipSpace(data, 0);
  for (const key of path) {
    const found = inside(data, start, key);
    if (found === null) return null;
    start = found;
  }
  return data.slice(start, valueEnd(data, start));
}

/** Where the value of a key or index begins. */
function inside(data: string, start: number, key: string): number | null {
  switch (data.charCodeAt(start)) {
    case openBrace:
      return ofKey(data, start, key);
    case openBracket:
      return /^-?\d{1,9}$/.test(key) ? ofIndex(data, start, Number(key)) : null;
    default:
      return null;
  }
}

/** Of a key that comes twice the last one counts, as for JSON.parse and jsonb. */
function ofKey(data: string, start: number, key: string): number | null {
  let found: number | null = null;
  for (let at = skipSpace(data, start + 1); data.charCodeAt(at) !== closeBrace;) {
    const keyEnd = textEnd(data, at);
    const value = skipSpace(data, skipSpace(data, keyEnd) + 1);
    if (textOf(data, at, keyEnd) === key) found = value;
    at = behind(data, value);
    if (at >= data.length) break;
  }
  return found;
}

function ofIndex(data: string, start: number, index: number): number | null {
  const items: number[] = [];
  for (let at = skipSpace(data, start + 1); data.charCodeAt(at) !== closeBracket;) {
    items.push(at);
    // Counted from the end, all of them must be known.
    if (items.length - 1 === index) break;
    at = behind(data, at);
    if (at >= data.length) break;
  }
  return items.at(index) ?? null;
}

/** The next key or element behind a value, or the closing bracket. */
function behind(data: string, value: number): number {
  const at = skipSpace(data, valueEnd(data, value));
  return data.charCodeAt(at) === comma ? skipSpace(data, at + 1) : at;
}
