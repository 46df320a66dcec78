/** Reads on connections of a pool: each is taken, used and given back in whatever state. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import type { Limits } from "../limits.ts";
import type { ReadOptions, SqlStatement } from "../query/database.ts";
import { type Connection, decodeTextRow } from "./connection.ts";
import { ConnectionLost } from "./errors.ts";
import type { ResultFormat } from "./messages.ts";
import type { Pool } from "./pool.ts";
import { readRows } from "./read_rows.ts";

/** Rows of a read on any connection of the pool; see `Database.rows`. */
export async function* pooledRows(
  pool: Pool,
  statements: readonly SqlStatement[],
  options: ReadOptions,
  format: ResultFormat = "binary",
): AsyncGenerator<RowChunk, void, undefined> {
  if (statements.length === 0) return;
  for (let tries = 1;; tries++) {
    const connection = await acquireOpen(pool, options.signal);
    const before = connection.wire.received;
    try {
      yield* readRows(connection, statements, options, format);
      return;
    } catch (error) {
      // Once, and only where nothing can have run: a query that brings PostgreSQL down must not be
      // sent again.
      const stale = error instanceof ConnectionLost && error.unknownThere && connection.reused &&
        connection.wire.received === before;
      if (!stale || tries > 1) throw error;
    } finally {
      pool.release(connection);
    }
  }
}

/** A connection that lay idle may have ended between being given and being used. */
async function acquireOpen(pool: Pool, signal: AbortSignal): Promise<Connection> {
  for (;;) {
    const connection = await pool.acquire(signal);
    if (!connection.closed) return connection;
    pool.release(connection);
  }
}

/** Rows of text, all at once; see `Database.query`. */
export async function pooledText(
  pool: Pool,
  statement: SqlStatement,
  limits: Limits,
  signal: AbortSignal = new AbortController().signal,
): Promise<(string | null)[][]> {
  const options = {
    signal,
    statementTimeoutMs: limits.statementSecondsMax * 1000,
  };
  const found: (string | null)[][] = [];
  for await (const { bytes, start, end } of pooledRows(pool, [statement], options, "text")) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = start; at < end;) {
      const next = at + 1 + view.getInt32(at + 1);
      found.push(decodeTextRow(bytes.subarray(at + 5, next)));
      at = next;
    }
  }
  return found;
}
