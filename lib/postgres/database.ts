/** The database of the query path: `lib/query/database.ts` over a pool of our own connections. */

import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Database } from "../query/database.ts";
import { connectErrorAtRunTime, isFull } from "./connect_errors.ts";
import { connect } from "./connection.ts";
import { failureLog } from "./failure_log.ts";
import { holdTable } from "./hold_table.ts";
import { Pool, type PoolSize } from "./pool.ts";
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
  /** Which limit bounds the pool; HTTP's unless told. */
  readonly poolSize?: PoolSize;
  /**
   * PostgreSQL gives no connection, or lets this one wait: whoever else has some that lie idle can
   * give them back. Called again and again while it is so.
   */
  readonly onStarved?: () => void;
}

export interface PostgresDatabase extends Database {
  /** `server_version_num` of the server found at start, e.g. 150018. */
  readonly version: number;
  /** True behind a connection pooler such as pgbouncer. */
  readonly pooled: boolean;
  /** Closes connections that are not needed just now, all but one, for who gets none. */
  giveBack(): void;
}

/**
 * Opens the pool with one connection, so that what cannot work is told at start. Throws
 * `UNAVAILABLE` where no server answers, `BAD_INPUT` for a URL or a server that needs mending.
 */
export async function openDatabase(options: DatabaseOptions): Promise<PostgresDatabase> {
  const { limits, log } = options;
  const target = parseUrl(options.url);
  const open = async (signal?: AbortSignal) => {
    // A pooler refuses nobody: it lets those wait for whom it has no connection.
    const starving = setInterval(() => options.onStarved?.(), starvedMs);
    try {
      return await connect({
        url: target,
        limits,
        log,
        readOnly: true,
        statementTimeoutMs: limits.statementSecondsMax * 1000,
        ...(options.applicationName && { applicationName: options.applicationName }),
        ...(signal && { signal }),
      });
    } catch (error) {
      if (isFull(error)) options.onStarved?.();
      throw error;
    } finally {
      clearInterval(starving);
    }
  };
  const first = await open(options.signal);
  const tellFailed = failureLog(log);
  // The catalog asks several at once, and would take a connection for each.
  const inTurn = new Turns();
  const openLater = async (signal: AbortSignal) => {
    try {
      return await open(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      tellFailed(error);
      throw connectErrorAtRunTime(error);
    }
  };
  const pool = new Pool({
    limits,
    log,
    metrics: options.metrics,
    connect: openLater,
    size: options.poolSize,
  });
  pool.add(first);
  const { version, pooled } = first.facts;
  return {
    version,
    pooled,
    rows: (statements, options) => pooledRows(pool, statements, options),
    holdTable: async (table, statement, signal) =>
      holdTable(await openLater(signal), table, statement, signal),
    query: (text, parameters = []) =>
      inTurn.run(() => pooledText(pool, { text, parameters }, limits, options.signal)),
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
    giveBack: () => pool.giveBack(),
  };
}

/** Far longer than connecting takes. */
const starvedMs = 1000;

/** One after the other. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {}); // its own caller is told
    return done;
  }
}

/** PostgreSQL that takes longer over `select 1` is not ready. */
const pingMsMax = 5_000;
