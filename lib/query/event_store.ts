/** What the query path asks of ClickHouse; `lib/clickhouse/` fulfils it. */

import type { RowChunk } from "../arrow/row_chunk.ts";

/**
 * A statement whose values stand in its text, escaped. Its result is rows as PostgreSQL sends them
 * (`event_row_sql.ts`), so that what reads them is what reads PostgreSQL's.
 */
export interface EventStatement {
  readonly source: "events";
  readonly text: string;
}

export interface EventStore {
  /**
   * Runs the statement and gives its rows, in chunks that say `statement: 0`. A chunk's bytes are
   * valid until the next one is asked for; not asking holds ClickHouse back. Ending the iteration
   * early, or aborting the signal, ends the statement there. Throws `AppError`: `UNAVAILABLE` where
   * ClickHouse cannot be reached, is not there yet or went away, `TIMEOUT` after `secondsMax`,
   * `TOO_LARGE` for a row above `rowBytesMax`, `CANCELLED`.
   */
  rows(
    statement: EventStatement,
    options: { readonly signal: AbortSignal; readonly secondsMax: number },
  ): AsyncIterable<RowChunk>;
}
