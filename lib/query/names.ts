/** How PostgreSQL's names become GraphQL's. (only door to npm:pluralize) */

import pluralize from "pluralize";

/**
 * `order_items` -> `orderItems`. Inner capitals stay (`createdAt`), and what GraphQL does not allow
 * in a name is a word boundary.
 *
 * @example
 * ```ts
 * import { equal } from "node:assert/strict";
 * equal(camelCase("order_items"), "orderItems");
 * equal(camelCase("2nd Größe"), "_2ndGrosse");
 * ```
 */
export function camelCase(name: string): string {
  const leading = /^_?/.exec(name)?.[0] ?? "";
  const words = ascii(name).split(/[^A-Za-z0-9]+/).filter((word) => word);
  const joined = words.map((word, index) =>
    index === 0
      ? lowerFirst(word)
      : upperFirst(word === word.toUpperCase() ? word.toLowerCase() : word)
  ).join("");
  if (joined === "") return "_";
  return leading || /^\d/.test(joined) ? `_${joined}` : joined;
}

/** Letters without their marks, since GraphQL's names are ASCII. */
function ascii(name: string): string {
  return name.replaceAll("ß", "ss").normalize("NFKD").replaceAll(/\p{M}/gu, "");
}

/** `order_items` -> `OrderItems`. */
export function pascalCase(name: string): string {
  const camel = camelCase(name);
  return camel.startsWith("_") ? `_${upperFirst(camel.slice(1))}` : upperFirst(camel);
}

/** The last word of a camelCase name made singular: `orderItems` -> `orderItem`. */
export function singular(camel: string): string {
  return lastWord(camel, pluralize.singular);
}

/** The last word of a camelCase name made plural: `orderItem` -> `orderItems`. */
export function plural(camel: string): string {
  // A letter alone is no word that could have a plural of its own.
  if (/[A-Z]\d*$/.test(camel)) return `${camel}s`;
  return lastWord(camel, pluralize.plural);
}

function lastWord(camel: string, change: (word: string) => string): string {
  const at = camel.search(/[A-Z]?[a-z]+\d*$/);
  if (at < 0) return camel;
  const word = camel.slice(at);
  // pluralize takes "data" for the plural of "datum"; nobody names a table so.
  return /^data$/i.test(word) ? camel : camel.slice(0, at) + change(word);
}

function lowerFirst(word: string): string {
  return word === word.toUpperCase()
    ? word.toLowerCase()
    : word.charAt(0).toLowerCase() + word.slice(1);
}

function upperFirst(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** A set of taken names that finds the next free one: `total`, `total_2`, `total_3`. */
export class Names {
  #taken: Set<string>;

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  has(name: string): boolean {
    return this.#taken.has(name);
  }

  add(...names: readonly string[]): void {
    for (const name of names) this.#taken.add(name);
  }

  /** The name, or with the first number that makes it free; taken from then on. */
  take(name: string): string {
    let free = name;
    // `_` would become `__2`, and GraphQL keeps names that begin so to itself.
    const stem = name === "_" ? "" : name;
    for (let i = 2; this.#taken.has(free); i++) free = `${stem}_${i}`;
    this.#taken.add(free);
    return free;
  }
}
