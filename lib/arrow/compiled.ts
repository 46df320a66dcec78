/** Keeps the code made for shapes of results, since making it and warming it up cost milliseconds. */

import type { ResultField } from "./result_field.ts";

/**
 * Shapes kept in each encoder: a server's clients ask a few hundred different queries, and one shape
 * takes some tens of kilobytes.
 */
const shapesMax = 1000;

type Unrepresentable = "error" | "null";

/** A `make` that remembers: by the fields themselves, or else by what they say. */
export function compiled<Code>(
  make: (fields: readonly ResultField[], unrepresentable: Unrepresentable) => Code,
): (fields: readonly ResultField[], unrepresentable: Unrepresentable) => Code {
  const byFields = {
    error: new WeakMap<readonly ResultField[], Code>(),
    null: new WeakMap<readonly ResultField[], Code>(),
  };
  const byText = new Map<string, Code>();
  return (fields, unrepresentable) => {
    const known = byFields[unrepresentable].get(fields);
    if (known !== undefined) return known;
    const text = unrepresentable + JSON.stringify(fields);
    const code = byText.get(text) ?? make(fields, unrepresentable);
    // The one used last stands last; the first is the one not used for longest.
    byText.delete(text);
    byText.set(text, code);
    if (byText.size > shapesMax) byText.delete(byText.keys().next().value!);
    byFields[unrepresentable].set(fields, code);
    return code;
  };
}
