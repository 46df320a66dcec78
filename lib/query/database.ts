/** What the query path asks of a database; `lib/postgres/` fulfils it. */

import type { RowChunk } from "../arrow/row_chunk.ts";

/** SQL text and its parameters are one value. Results are read in binary format. */
export interface SqlStatement {
  readonly text: string;
  /** Text form of each parameter; the SQL names every parameter's type by a cast. */
  readonly parameters: readonly (string | null)[];
  /**
   * PostgreSQL's oid of each column's type, as the catalog had it when the statement was planned; a
   * result of other types is `UNAVAILABLE`, since it would be read wrongly. Unchecked when absent.
   */
  readonly resultTypes?: readonly number[];
}

export interface ReadOptions {
  readonly signal: AbortSignal;
  /** Ends the statements in PostgreSQL itself. */
  readonly statementTimeoutMs: number;
}

/** Told once where a result comes out otherwise than planned (`lib/query/open_query.ts`). */
export interface Database {
  /**
   * Runs the statements in one read-only snapshot and gives their rows in order, statement by
   * statement; a statement without rows gives no chunk. All goes out in one write.
   *
   * The chunk's bytes are valid until the next one is asked for. Not asking holds PostgreSQL back.
   * Ending the iteration early, or aborting the signal, cancels the running statement in
   * PostgreSQL. Throws `AppError`: `UNAVAILABLE` where PostgreSQL cannot be reached or went away,
   * `TIMEOUT` for its own statement timeout, `BAD_INPUT` where it refuses a parameter's value,
   * `TOO_LARGE` for a row above `rowBytesMax`, `CANCELLED`.
   */
  rows(statements: readonly SqlStatement[], options: ReadOptions): AsyncIterable<RowChunk>;

  /** Rows of text, for the catalog and for checks: small results only. */
  query(text: string, parameters?: readonly (string | null)[]): Promise<(string | null)[][]>;

  /** Answers when PostgreSQL does; throws `UNAVAILABLE` otherwise. */
  ping(signal: AbortSignal): Promise<void>;

  close(): Promise<void>;
}
