/**
 * What the index of a month finds an event by. FTS5 knows tokens alone, so a field's value and a
 * value at a path of `data` are tokens too, beside the words of its texts: all conditions of that
 * kind are answered by one index, together, in the order of time.
 *
 * Words hold letters and digits alone, lower case. Every other token begins with another character
 * and is never taken for one.
 */

import { createHash } from "node:crypto";
import { eachValue } from "../data_values.ts";
import type { IndexedEvent, SearchField } from "../store.ts";
import { isFound } from "../values.ts";

/** Every event has it, so that something can be found without something else. */
export const EVERY = "*";

/** No event has it. */
export const NONE = "!";

/** Stands between texts, so that no phrase goes from one to the next. */
const GAP = "|";

/** A field whose values are tokens; `eventId` has a key of its own. */
export type TokenField = Exclude<SearchField, "eventId">;

const LETTERS: Readonly<Record<TokenField, string>> = {
  eventType: "a",
  entityType: "t",
  entityId: "e",
  userId: "u",
  orgId: "o",
};

/** Of a field's value. */
export function fieldToken(field: TokenField, value: string): string {
  return `=${LETTERS[field]}${valueToken(value)}`;
}

/**
 * The beginning of the tokens of values that begin so; `isWhole` where all of the value is in it, so
 * that no others begin like that.
 */
export function fieldPrefix(field: TokenField, value: string): { token: string; isWhole: boolean } {
  const token = `=${LETTERS[field]}${plainToken(value.slice(0, plainCharsMax))}`;
  return { token, isWhole: value.length <= plainCharsMax };
}

/** Of a field that is there; null: every event has it. */
export function presentToken(field: SearchField): string | null {
  return field === "userId" || field === "orgId" ? `?${LETTERS[field]}` : null;
}

/** Of any value at a path; keys with points in them are as two, as in Elasticsearch's `flattened`. */
export function pathPresentToken(path: readonly string[]): string {
  return `.${valueToken(path.join("."))}`;
}

/** Of a value at a path; null where it is too long to be found. */
export function pathToken(path: readonly string[], value: string): string | null {
  return isFound(value) ? `${pathPresentToken(path)}=${valueToken(value)}` : null;
}

/** All tokens of an event, as the text that FTS5 cuts at its spaces. */
export function tokenText(event: IndexedEvent): string {
  const { eventType, entityType, entityId, userId, orgId } = event;
  const tokens = new Set([
    EVERY,
    fieldToken("eventType", eventType),
    fieldToken("entityType", entityType),
    fieldToken("entityId", entityId),
  ]);
  if (userId !== null) tokens.add("?u").add(fieldToken("userId", userId));
  if (orgId !== null) tokens.add("?o").add(fieldToken("orgId", orgId));
  eachValue(event.data, ({ text }, path) => {
    if (!isFound(text)) return;
    const present = pathPresentToken(path);
    tokens.add(present).add(`${present}=${valueToken(text)}`);
  });
  return `${event.texts.join(` ${GAP} `)} ${GAP} ${[...tokens].join(" ")}`;
}

/**
 * ASCII that is part of tokens, besides letters and digits. `=` is written otherwise in values, so
 * that a path ends where it does.
 */
export const TOKEN_CHARS = "!#$%&()*+,-./:;<=>?@[]^_`{|}~";

/** As it is written in a query. */
export function quoted(token: string): string {
  return `"${token}"`;
}

/** A value without what would end a token or be taken for lower case; different ones stay so. */
function valueToken(value: string): string {
  if (value.length <= plainCharsMax) return plainToken(value);
  const hash = createHash("sha256").update(value).digest("hex");
  return `${plainToken(value.slice(0, plainCharsMax))}#${hash}`;
}

function plainToken(value: string): string {
  return awkward.test(value) ? value.replace(awkwardEach, written) : value;
}

/** Of a longer value only the beginning and a hash: the index would hold long texts twice. */
const plainCharsMax = 64;

/**
 * Written otherwise: white space, controls, quotes, capitals (FTS5 makes them small), `#` and `=`,
 * which mean something here, and the characters that these are written by.
 */
// deno-lint-ignore no-control-regex -- a value may hold them, a token may not
const awkward = /[\x00-\x20"'\\A-Z#=\x7f\ue000-\ue0ff]/;
const awkwardEach = new RegExp(awkward, "g");

function written(char: string): string {
  const code = char.charCodeAt(0);
  return code < 0x80 ? String.fromCharCode(0xe000 + code) : `\ue0ff${char}`;
}
