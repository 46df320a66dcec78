/** `fraiseql migrate`: what the database must hold for its writes to be captured. */

import type { Config } from "../lib/config.ts";
import { createLog } from "../lib/log.ts";
import { dropChangeLog, migrateChangeLog } from "../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import { findDatabase } from "./database.ts";
import { answer } from "./say.ts";

/** Makes or upgrades schema `fraiseql`, or removes every trace of it; says what it did. */
export function migrate(
  config: Config,
  flags: { readonly down?: boolean },
  signal: AbortSignal,
): Promise<number> {
  return withConnection(config, signal, async (connection) => {
    const lines = flags.down
      ? await dropChangeLog(connection)
      : await migrateChangeLog(connection, config);
    answer(lines.map((line) => `${line}\n`).join(""));
    return 0;
  });
}

/** Runs the work on a connection to the database that the command is about. */
export async function withConnection(
  config: Config,
  signal: AbortSignal,
  work: (connection: Connection, url: string) => Promise<number>,
): Promise<number> {
  const found = await findDatabase(config, createLog("warn"), signal);
  try {
    const connection = await connect({ url: found.url, limits: config.limits, signal });
    try {
      return await work(connection, found.url);
    } finally {
      await connection.close();
    }
  } finally {
    await found.close();
  }
}
