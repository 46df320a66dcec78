/** Which relations a read touches, wherever they stand in it: nested, in a condition, in an order. */

import type { Relation } from "./schema.ts";

/**
 * Every relation of `known` that a plan's part holds. It walks the plan by itself and not by its
 * kinds, so that no kind of read, condition or order can be forgotten: too many relations only mean
 * that a result is not kept, one too few would keep what must not be.
 */
export function relationsOf(part: unknown, known: ReadonlySet<unknown>): Set<Relation> {
  const found = new Set<Relation>();
  const seen = new Set<unknown>();
  const rest: unknown[] = [part];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next !== "object" || next === null || seen.has(next)) continue;
    seen.add(next);
    // Not into it: it leads along its links to every other.
    if (known.has(next)) found.add(next as Relation);
    else if (next instanceof Map || next instanceof Set) rest.push(...next.values());
    else rest.push(...Object.values(next));
  }
  return found;
}
