/**
 * The words of a ClickHouse statement, as the engine's own lexer divides them, or a refusal where
 * the two could come to differ: what is checked must be what runs.
 */

import { syntaxError } from "./clickhouse_fault.ts";

export type TokenKind = "word" | "quoted" | "string" | "number" | "mark";

export interface Token {
  readonly kind: TokenKind;
  /** A word or mark as it stands; a quoted name without its quotes. */
  readonly text: string;
  /** Where it stands: `[start, end)`. */
  readonly start: number;
  readonly end: number;
}

/** One token after the other, without comments; lazily, since data may follow a statement. */
export function* tokensOf(sql: string): Generator<Token, undefined> {
  for (let at = 0; at < sql.length;) {
    const first = sql[at] ?? "";
    if (/\s/.test(first)) {
      at++;
      continue;
    }
    const skipped = commentEnd(sql, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const token = tokenAt(sql, at, first);
    yield token;
    at = token.end;
  }
  return undefined;
}

function tokenAt(sql: string, start: number, first: string): Token {
  switch (first) {
    case "'":
      return { kind: "string", text: "", start, end: quoteEnd(sql, start) };
    case "`":
    case '"': {
      const end = quoteEnd(sql, start);
      const text = sql.slice(start + 1, end - 1);
      // An escape could write a refused name in other letters, and no name needs one.
      if (text.includes("\\") || text.includes(first)) {
        throw syntaxError("quoted names with escapes are not supported by the embedded engine");
      }
      return { kind: "quoted", text, start, end };
    }
    case "$": {
      const tag = /^\$\w*\$/.exec(sql.slice(start, start + heredocTagMax))?.[0];
      if (tag === undefined) break;
      const close = sql.indexOf(tag, start + tag.length);
      if (close < 0) throw syntaxError(`${tag} is not closed`);
      return { kind: "string", text: "", start, end: close + tag.length };
    }
  }
  word.lastIndex = start;
  const found = word.exec(sql)?.[0];
  if (found !== undefined) {
    const kind = /^\d/.test(found) ? "number" : "word";
    return { kind, text: found, start, end: start + found.length };
  }
  // The engine knows typographic quotes, and ends at a NUL: nobody writes either by intention.
  if (/[^\x20-\x7e]/.test(first)) {
    const code = first.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
    throw syntaxError(`character U+${code} outside of a text`);
  }
  return { kind: "mark", text: first, start, end: start + 1 };
}

const word = /[A-Za-z0-9_$]+/y;
const heredocTagMax = 130;

/** Behind the closing quote; doubled quotes and backslashes escape one. */
function quoteEnd(sql: string, start: number): number {
  const quote = sql[start];
  for (let at = start + 1; at < sql.length; at++) {
    if (sql[at] === "\\") at++;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  throw syntaxError(`${quote} is not closed`);
}

/** Behind a comment that begins here; `at` itself where none does. */
function commentEnd(sql: string, at: number): number {
  const two = sql.slice(at, at + 2);
  if (two === "/*") {
    const end = sql.indexOf("*/", at + 2);
    // Whether comments nest is a matter of the engine's version.
    if (end < 0 || sql.slice(at + 2, end).includes("/*")) {
      throw syntaxError("a comment is not closed, or stands in another");
    }
    return end + 2;
  }
  if (two !== "--" && two !== "# " && two !== "#!") return at;
  const end = sql.indexOf("\n", at);
  return end < 0 ? sql.length : end + 1;
}
