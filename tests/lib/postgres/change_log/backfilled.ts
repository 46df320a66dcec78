/** A back-fill of a scene's table, with small chunks where a test wants them. */

import { type Limits, limits } from "../../../../lib/limits.ts";
import {
  backfill,
  type Backfilled,
  type BackfillOptions,
  type BackfillProgress,
} from "../../../../lib/postgres/change_log/backfill.ts";
import { findTable } from "../../../../lib/postgres/change_log/find_tables.ts";
import { connect } from "../../../../lib/postgres/connection.ts";

export interface BackfillHow extends Partial<Pick<BackfillOptions, "retentionDays" | "signal">> {
  readonly some?: Partial<Limits>;
  /** Called with each step; the next chunk waits for nothing. */
  readonly onProgress?: (progress: BackfillProgress) => void;
}

/** Back-fills the table on a connection of its own. */
export async function backfilled(
  url: string,
  table: string,
  { some, onProgress = () => {}, ...how }: BackfillHow = {},
): Promise<Backfilled> {
  const connection = await connect({ url });
  try {
    return await backfill({
      connection,
      table: await findTable(connection, table, ["public"]),
      limits: limits(some),
      retentionDays: 90,
      signal: new AbortController().signal,
      onProgress,
      ...how,
    });
  } finally {
    await connection.close();
  }
}

/** Stops the first run after so many chunks, and gives what it said. */
export async function stoppedAfter(
  chunks: number,
  url: string,
  table: string,
  some: Partial<Limits>,
): Promise<Backfilled> {
  const stop = new AbortController();
  let seen = 0;
  return await backfilled(url, table, {
    some,
    signal: stop.signal,
    onProgress: ({ kind }) => {
      if (kind === "rows" && ++seen === chunks) stop.abort();
    },
  });
}
