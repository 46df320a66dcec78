/**
 * Makes a failing case smaller, as long as it fails in the same way.
 *
 * It knows nothing of schemas and queries: a case is plain data, and leaving out any element of any
 * list, or putting null for a part, gives another case. Most are none at all, and do not fail in
 * that way.
 */

type Plain = null | boolean | number | string | readonly Plain[] | {
  readonly [key: string]: Plain;
};

/**
 * The smallest that was found. `fails` tells whether a case still fails in the same way; it is asked
 * at most `triesMax` times.
 */
export async function shrink<Item>(
  start: Item,
  fails: (item: Item) => Promise<boolean>,
  triesMax: number,
): Promise<Item> {
  let smallest = start as unknown as Plain;
  let tries = 0;
  for (let isSmaller = true; isSmaller;) {
    isSmaller = false;
    for (const next of smaller(smallest)) {
      if (++tries > triesMax) return smallest as unknown as Item;
      if (!await fails(next as unknown as Item)) continue;
      smallest = next;
      isSmaller = true;
      break;
    }
  }
  return smallest as unknown as Item;
}

/** Everything that is one step smaller, the largest steps first. */
export function* smaller(value: Plain): Generator<Plain> {
  if (Array.isArray(value)) {
    const list = value as readonly Plain[];
    for (let size = list.length; size > 0; size = Math.floor(size / 2)) {
      for (let at = 0; at < list.length; at += size) {
        yield [...list.slice(0, at), ...list.slice(at + size)];
      }
    }
    for (const [i, item] of list.entries()) {
      for (const next of smaller(item)) yield list.with(i, next);
    }
  } else if (typeof value === "object" && value !== null) {
    const object = value as { readonly [key: string]: Plain };
    // An operand is one value in two forms.
    if ("input" in object) return;
    // A condition in a condition may do alone.
    if (object.item) yield object.item;
    if (Array.isArray(object.items)) yield* object.items as readonly Plain[];
    for (const [name, item] of Object.entries(object)) {
      if (name === "kind" || name === "name") continue;
      const isPart = typeof item === "object" && !Array.isArray(item);
      if (item !== null && (isPart || typeof item === "string")) yield { ...object, [name]: null };
      for (const next of smaller(item)) yield { ...object, [name]: next };
    }
  } else if (typeof value === "number" && value > 0) {
    yield 0;
    if (value > 1) yield Math.floor(value / 2);
    if (value > 2) yield value - 1;
  } else if (value === true) yield false;
}
