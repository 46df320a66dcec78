/**
 * Notices that the other side of a connection is gone without a word: a machine that lost its power,
 * a firewall that forgot the connection. The kernel would wait for hours, and whoever waits for an
 * answer with it. Where an answer may take long, as that of a sort of millions of rows, no time tells;
 * so PostgreSQL is asked on another connection whether it still works on it.
 */

import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { connect, type Connection } from "./connection.ts";
import { PostgresError } from "./errors.ts";

/** PostgreSQL, too, is to notice within half a minute: what the session holds is free then. */
export async function keepAlive(connection: Connection): Promise<void> {
  await connection.query(`
    set tcp_keepalives_idle = 10;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
    set tcp_user_timeout = '25s'`);
}

/**
 * Looks after the connection until what it gives is called. One on which an answer is awaited, of
 * which nothing came for `silenceMsMax`, is closed unless PostgreSQL works on it: its reader is told
 * that the connection was lost.
 */
export function watchSilence(connection: Connection, log: Log): () => void {
  const { wire, limits } = connection;
  const stop = new AbortController();
  /** Bytes received at the last look, where somebody waited for more. */
  let seen = -1;
  let isAsking = false;
  const look = async () => {
    const waits = connection.unanswered > 0 && wire.isReading;
    const isSilent = waits && seen === wire.received;
    seen = waits ? wire.received : -1;
    if (!isSilent || isAsking || connection.closed) return;
    isAsking = true;
    const isGone = !await worksOn(connection, log, stop.signal);
    isAsking = false;
    if (!isGone || stop.signal.aborted || seen !== wire.received) return;
    log.warn("PostgreSQL fell silent", { silentMs: limits.silenceMsMax });
    connection.abandon();
  };
  const timer = setInterval(() => void look(), limits.silenceMsMax);
  return () => {
    clearInterval(timer);
    stop.abort();
  };
}

/** Whether PostgreSQL is at the answer; a session that waits for the next question has lost one. */
async function worksOn(connection: Connection, log: Log, signal: AbortSignal): Promise<boolean> {
  const { target, limits, session: { processId }, wire: { stream } } = connection;
  const { host, port, address } = stream.server;
  let other: Connection | null = null;
  try {
    other = await connect({
      // By its name, since a worker may reach its servers by name alone.
      url: { ...target, servers: [{ host, port }], targetSessionAttrs: "any" },
      limits,
      applicationName: "fraiseql is PostgreSQL there?",
      signal,
    });
    // The name may stand for another machine by now, which tells nothing of the first.
    if (other.wire.stream.server.address !== address) return true;
    // One that waits is ended, so that nobody has to wait for what it holds.
    const ended = other.query(
      `select case when a.state like 'idle%'
         then pg_catalog.pg_terminate_backend(a.pid)::pg_catalog.text else 'works' end
       from pg_catalog.pg_stat_activity a where a.pid = $1::pg_catalog.int4`,
      [String(processId)],
    );
    const timer = setTimeout(() => other?.abandon(), limits.silenceMsMax);
    const [row] = await ended.finally(() => clearTimeout(timer));
    return row?.[0] === "works";
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    log.debug("asking whether PostgreSQL is there", { reason: error.message });
    // It has no connection to give, or refuses: somebody is there, and the next look tells more.
    return error.cause instanceof PostgresError;
  } finally {
    await other?.close();
  }
}
