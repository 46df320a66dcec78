/** Removes old months where the server has no lifecycle policies. */

import { AppError } from "../errors.ts";
import type { Elasticsearch } from "./client.ts";
import { namesWith } from "./names.ts";

/**
 * Removes whole indices, of months that ended so long ago; gives their names. By the name, since
 * deleting by a query costs as much as writing.
 */
export async function sweepIndices(
  elasticsearch: Elasticsearch,
  now: Date,
  retentionDays: number,
  signal: AbortSignal,
): Promise<string[]> {
  const names = namesWith(elasticsearch.settings.prefix);
  const aliases = await elasticsearch.json<Record<string, unknown>>(
    "GET",
    `/${names.pattern}/_alias`,
    { signal },
  );
  const dueMs = now.getTime() - retentionDays * dayMs;
  const removed: string[] = [];
  for (const index of Object.keys(aliases).sort()) {
    const end = names.endOf(index);
    if (end === null || end.getTime() > dueMs) continue;
    try {
      await elasticsearch.json("DELETE", `/${index}`, { signal });
      removed.push(index);
    } catch (error) {
      // Another sink was quicker.
      if (!(error instanceof AppError && error.code === "NOT_FOUND")) throw error;
    }
  }
  return removed;
}

const dayMs = 86_400_000;
