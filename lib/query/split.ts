/** A large read in parts: which reads can be split, and where. */

import type { PlannedRoot } from "./plan.ts";
import type { PageRange, Read } from "./read_plan.ts";

/** All that a read may have for its rows to be the same whatever part of the table they come from. */
const PLAIN: readonly string[] = ["relation", "selection", "where", "range"];

/** Why a root field cannot be read in parts, as far as the query alone tells; null where it can. */
export function whyWhole(root: PlannedRoot | undefined): string | null {
  if (root?.kind === "search") return `${root.name} is searched for, as one`;
  if (root?.kind !== "rows") return "only a list of rows can be split";
  if (root.read.relation.isOfEvents) return `${root.name} is read from ClickHouse, as one`;
  // Whatever a read can have beside these, now or later, is about all of its rows together.
  const more = Object.entries(root.read).find(([key, value]) =>
    !PLAIN.includes(key) && isGiven(value)
  );
  if (!more) return null;
  return `${root.name} has ${
    SAID[more[0] as keyof Read] ?? more[0]
  }, which needs all rows together`;
}

const SAID: Partial<Record<keyof Read, string>> = {
  order: "an orderBy",
  limit: "a limit",
  offset: "an offset",
  distinctOn: "a distinctOn",
};

function isGiven(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== null && value !== undefined && value !== false;
}

/** As many ranges of about equal size; the last is open, since a table grows while it is read. */
export function pageRanges(pages: number, parts: number): PageRange[] {
  const start = (part: number) => Math.floor(pages * part / parts);
  return Array.from({ length: parts }, (_, part) => ({
    from: start(part),
    to: part === parts - 1 ? null : start(part + 1),
  }));
}
