/** `fraiseql migrate`: what database and NATS must hold for writes to become events. */

import type { Config } from "../lib/config.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import { migrateNats } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import { dropChangeLog, migrateChangeLog } from "../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import { findDatabase } from "./database.ts";
import { openNats } from "./nats.ts";
import { answer, say } from "./say.ts";

/** Makes or upgrades schema `fraiseql` and the streams, or removes the schema; says what it did. */
export async function migrate(
  config: Config,
  flags: { readonly down?: boolean },
  signal: AbortSignal,
): Promise<number> {
  await withConnection(config, signal, async (connection) => {
    const lines = flags.down
      ? await dropChangeLog(connection)
      : await migrateChangeLog(connection, config);
    answer(lines.map((line) => `${line}\n`).join(""));
    return 0;
  });
  const natsUrl = config.natsUrl ?? await runningUrl(config.dataDir, "nats");
  if (natsUrl === null) return 0;
  if (flags.down) {
    say("the streams in NATS stay: nats stream rm removes them");
    return 0;
  }
  await migrateStreams(config, signal);
  return 0;
}

async function migrateStreams(config: Config, signal: AbortSignal): Promise<void> {
  const log = createLog("warn");
  const nats = await openNats(config, { name: "fraiseql migrate", log, signal, wait: false });
  try {
    for (const { stream, done, changes } of await migrateNats(nats, config.limits)) {
      const what = { made: "made", changed: "changed", nothing: "up to date:" }[done];
      answer(`${what} stream ${stream}${changes.length > 0 ? `: ${changes.join(", ")}` : ""}\n`);
    }
  } finally {
    await nats.close();
  }
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
