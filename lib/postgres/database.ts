/** The database of the query path: `lib/query/database.ts` over a pool of our own connections. */

import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Database } from "../query/database.ts";
import { connectErrorAtRunTime, isFull } from "./connect_errors.ts";
import { connect } from "./connection.ts";
import { holdTable } from "./hold_table.ts";
import { Pool } from "./pool.ts";
import { pooledRows, pooledText } from "./pooled_rows.ts";
import { parseUrl } from "./url.ts";

export interface DatabaseOptions {
  readonly url: string;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** What `pg_stat_activity` shows, unless the URL says otherwise; default `fraiseql`. */
  readonly applicationName?: string;
  /** Ends the first connecting, and queries of text: the catalog's. */
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
  const openLater = async (signal: AbortSignal) => {
    try {
      return await open(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      log.warn("postgres.connect_failed", { error });
      throw connectErrorAtRunTime(error);
    }
  };
  const pool = new Pool({ limits, log, metrics: options.metrics, connect: openLater });
  pool.add(first);
  const { version, pooled } = first.facts;
  return {
    version,
    pooled,
    rows: (statements, options) => pooledRows(pool, statements, options),
    holdTable: async (table, statement, signal) =>
      holdTable(await openLater(signal), table, statement, signal),
    query: (text, parameters = []) =>
      pooledText(pool, { text, parameters }, limits, options.signal),
    ping: async (signal) => {
      if (pool.hasIdle()) {
        const options = { signal, statementTimeoutMs: pingMsMax };
        for await (const _ of pooledRows(pool, [{ text: "select 1", parameters: [] }], options));
        return;
      }
      // Those that are busy say nothing about PostgreSQL, and their readers may be slow.
      try {
        await (await openLater(signal)).close();
      } catch (error) {
        // It answers, though we have all that it gives.
        if (!isFull(error)) throw error;
      }
    },
    close: () => pool.close(),
  };
}

/** PostgreSQL that takes longer over `select 1` is not ready. */
const pingMsMax = 5_000;
