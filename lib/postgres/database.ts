/** The database of the query path: `lib/query/database.ts` over a pool of our own connections. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Database, ReadOptions, SqlStatement } from "../query/database.ts";
import { connect, type Connection, decodeTextRow } from "./connection.ts";
import { ConnectionLost } from "./errors.ts";
import type { ResultFormat } from "./messages.ts";
import { Pool } from "./pool.ts";
import { readRows } from "./read_rows.ts";
import { parseUrl } from "./url.ts";

export interface DatabaseOptions {
  readonly url: string;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** What `pg_stat_activity` shows, unless the URL says otherwise; default `fraiseql`. */
  readonly applicationName?: string;
  /** Ends the first connecting. */
  readonly signal?: AbortSignal;
}

export interface PostgresDatabase extends Database {
  /** `server_version_num` of the server found at start, e.g. 150018. */
  readonly version: number;
  /** True behind a connection pooler such as pgbouncer. */
  readonly pooled: boolean;
}

/**
 * Opens the pool with one connection, so that what cannot work is told at start. Throws
 * `UNAVAILABLE` where no server answers, `BAD_INPUT` for a URL or a server that needs mending.
 */
export async function openDatabase(options: DatabaseOptions): Promise<PostgresDatabase> {
  const { limits, log } = options;
  const target = parseUrl(options.url);
  const open = (signal?: AbortSignal) =>
    connect({
      url: target,
      limits,
      log,
      readOnly: true,
      statementTimeoutMs: limits.statementSecondsMax * 1000,
      ...(options.applicationName && { applicationName: options.applicationName }),
      ...(signal && { signal }),
    });
  const first = await open(options.signal);
  const pool = new Pool({
    limits,
    log,
    metrics: options.metrics,
    connect: async (signal) => {
      try {
        return await open(signal);
      } catch (error) {
        log.warn("postgres.connect_failed", { error });
        throw error;
      }
    },
  });
  pool.add(first);
  const { version, pooled } = first.facts;
  return {
    version,
    pooled,
    rows: (statements, options) => rows(pool, statements, options, "binary"),
    query: (text, parameters = []) => queryText(pool, { text, parameters }, limits),
    ping: async (signal) => {
      const options = { signal, statementTimeoutMs: pingMsMax };
      for await (const _ of rows(pool, [{ text: "select 1", parameters: [] }], options, "binary"));
    },
    close: () => pool.close(),
  };
}

/** PostgreSQL that takes longer over `select 1` is not ready. */
const pingMsMax = 5_000;

async function* rows(
  pool: Pool,
  statements: readonly SqlStatement[],
  options: ReadOptions,
  format: ResultFormat,
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

async function queryText(
  pool: Pool,
  statement: SqlStatement,
  limits: Limits,
): Promise<(string | null)[][]> {
  const options = {
    signal: new AbortController().signal,
    statementTimeoutMs: limits.statementSecondsMax * 1000,
  };
  const found: (string | null)[][] = [];
  for await (const { bytes, start, end } of rows(pool, [statement], options, "text")) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = start; at < end;) {
      const next = at + 1 + view.getInt32(at + 1);
      found.push(decodeTextRow(bytes.subarray(at + 5, next)));
      at = next;
    }
  }
  return found;
}
