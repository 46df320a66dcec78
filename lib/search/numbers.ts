/** The numbers of an event at the configured columns. */

import type { SearchColumn } from "../search_columns.ts";
import { eachValue } from "./data_values.ts";

/** The least and the greatest finite number at each column, where there is any. */
export function numbersOf(
  data: string,
  columns: readonly SearchColumn[],
): Record<string, readonly [least: number, greatest: number]> {
  if (columns.length === 0) return {};
  // A plain object has a `constructor` before anything is put into it, and so a column's name.
  const numbers = new Map<string, readonly [number, number]>();
  eachValue(data, ({ kind, text }, path) => {
    if (kind !== "number") return;
    const value = Number(text);
    if (!Number.isFinite(value)) return;
    for (const { name, path: wanted } of columns) {
      if (wanted.length !== path.length || !wanted.every((key, i) => key === path[i])) continue;
      const [least, greatest] = numbers.get(name) ?? [value, value];
      numbers.set(name, [Math.min(least, value), Math.max(greatest, value)]);
    }
  });
  return Object.fromEntries(numbers);
}
