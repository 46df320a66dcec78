/** What the query path asks of a database; `lib/postgres/` fulfils it. */

import type { RowChunk } from "../arrow/row_chunk.ts";

/** SQL text and its parameters are one value. Results are read in binary format. */
export interface SqlStatement {
  readonly text: string;
  /** Text form of each parameter; the SQL names every parameter's type by a cast. */
  readonly parameters: readonly (string | null)[];
  /** Where values stand in the query, for messages: by the parameter's number, which counts from 1. */
  readonly places?: Readonly<Record<number, string>>;
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
  /**
   * The name of a held snapshot to read in, in place of one of its own. `NOT_FOUND` where it has
   * ended.
   */
  readonly snapshot?: string;
}

/** A snapshot that reads on other connections can be made in until it is released. */
export interface HeldSnapshot {
  readonly name: string;
  /** Reads that have begun go on to their end. May be called again; never throws. */
  release(): Promise<void>;
}

/** A table whose pages can be read apart, in one snapshot; or why they cannot. */
export type HeldTable =
  | { readonly kind: "held"; readonly snapshot: HeldSnapshot; readonly pages: number }
  | { readonly kind: "whole"; readonly why: string };

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

  /**
   * Opens a snapshot on a connection beside the pool. Until it is released the table, and all that
   * the statement reads, keeps its structure and its pages: PostgreSQL lets nobody rewrite or empty
   * it. Throws what the statement throws.
   */
  holdTable(
    table: { readonly schema: string; readonly name: string },
    statement: SqlStatement,
    signal: AbortSignal,
  ): Promise<HeldTable>;

  /** Rows of text, for the catalog and for checks: small results only. */
  query(text: string, parameters?: readonly (string | null)[]): Promise<(string | null)[][]>;

  /** Answers when PostgreSQL does; throws `UNAVAILABLE` otherwise. */
  ping(signal: AbortSignal): Promise<void>;

  close(): Promise<void>;
}
