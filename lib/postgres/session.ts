/** What a session must be like before it serves: settings, versions, poolers. */

import { AppError } from "../errors.ts";
import type { Connection, ConnectOptions } from "./connection.ts";
import { serverName, type SessionAttrs } from "./url.ts";

export interface SessionFacts {
  /** `server_version_num`, e.g. 150018. */
  readonly version: number;
  /**
   * Behind a connection pooler, where the next transaction may run on another server connection:
   * neither named statements nor settings of the session are to be had.
   */
  readonly pooled: boolean;
}

/** Both forms of a value must not depend on what a role or database has set. */
const SETTINGS: Readonly<Record<string, string>> = {
  "client_encoding": "UTF8",
  "DateStyle": "ISO",
  "TimeZone": "UTC",
  "IntervalStyle": "iso_8601",
  "extra_float_digits": "1",
  "bytea_output": "hex",
  "standard_conforming_strings": "on",
};

/** PostgreSQL notices within this that a client is gone, also while it computes. */
const CHECK_INTERVAL = { "client_connection_check_interval": "1s" };
const checkIntervalVersion = 140000;

const versionMin = 130000;

/** The settings that a transaction needs behind a pooler. */
export function transactionSettings(
  facts: SessionFacts,
  statementTimeoutMs: number,
): Record<string, string> {
  return {
    ...SETTINGS,
    ...(facts.version >= checkIntervalVersion && CHECK_INTERVAL),
    statement_timeout: String(statementTimeoutMs),
  };
}

/** Checks what is on the other side and sets the session up. Throws where it cannot be worked with. */
export async function checkSession(
  connection: Connection,
  attrs: SessionAttrs,
  options: Pick<ConnectOptions, "readOnly" | "statementTimeoutMs">,
): Promise<SessionFacts> {
  // One round trip; read before any setting of ours, since those would answer for the server.
  const [row = []] = await connection.query(
    `select pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery(),
      pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_encoding'),
      pg_catalog.pg_backend_pid()`,
  );
  const [readOnly, standby, versionText, encoding, processId] = row;
  const version = Number(versionText);
  const name = serverName(connection.session.server);
  if (!(version >= versionMin)) {
    throw new AppError("BAD_INPUT", `PostgreSQL at ${name} is older than 13 (${versionText})`, {
      hint: "upgrade it: 13 is the oldest that is supported",
    });
  }
  if (encoding === "SQL_ASCII") {
    throw new AppError(
      "BAD_INPUT",
      `the database's encoding is SQL_ASCII, so its text is unknown`,
      {
        hint: "make the database anew with encoding UTF8",
      },
    );
  }
  checkAttrs(attrs, readOnly === "on", standby === "t", name);
  const facts = { version, pooled: Number(processId) !== connection.session.processId };
  if (facts.pooled) await checkPooler(connection);
  else await setSession(connection, facts, options);
  return facts;
}

function checkAttrs(attrs: SessionAttrs, readOnly: boolean, standby: boolean, name: string): void {
  const fits = {
    any: true,
    "prefer-standby": true,
    "read-write": !readOnly && !standby,
    "read-only": readOnly || standby,
    primary: !standby,
    standby,
  }[attrs];
  if (fits) return;
  throw new AppError("UNAVAILABLE", `PostgreSQL at ${name} is not what is asked for: ${attrs}`, {
    hint: "name a server that is in DATABASE_URL, or change target_session_attrs",
    retryAfterSeconds: 5,
  });
}

/** Statement pooling tears transactions apart: several reads of one query need one. */
async function checkPooler(connection: Connection): Promise<void> {
  try {
    await connection.query("begin read only");
    await connection.query("commit");
  } catch (cause) {
    throw new AppError("BAD_INPUT", "the connection pooler allows no transactions", {
      hint: "set its pool_mode to transaction or session",
      cause,
    });
  }
}

async function setSession(
  connection: Connection,
  facts: SessionFacts,
  options: Pick<ConnectOptions, "readOnly" | "statementTimeoutMs">,
): Promise<void> {
  const settings = {
    ...SETTINGS,
    ...(options.readOnly && { default_transaction_read_only: "on" }),
    ...(options.statementTimeoutMs !== undefined &&
      { statement_timeout: String(options.statementTimeoutMs) }),
  };
  await connection.query(setConfig(settings));
  connection.statementTimeoutMs = options.statementTimeoutMs ?? null;
  if (facts.version < checkIntervalVersion) return;
  try {
    await connection.query(setConfig(CHECK_INTERVAL));
  } catch (error) {
    // The server went away meanwhile: who got the connection would find it in use.
    if (connection.closed) throw error;
    // Not every platform can do it. Then a query whose client is gone is ended by its cancel alone.
  }
}

/** Values are ours, without quotes in them. */
function setConfig(settings: Readonly<Record<string, string>>): string {
  const calls = Object.entries(settings).map(([name, value]) =>
    `pg_catalog.set_config('${name}', '${value}', false)`
  );
  return `select ${calls.join(", ")}`;
}
