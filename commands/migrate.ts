/** `fraiseql migrate`: what every service must hold for writes to become events. */

import { connectClickhouse } from "../lib/clickhouse/client.ts";
import { dropClickhouse, migrateClickhouse } from "../lib/clickhouse/migrate.ts";
import type { Config } from "../lib/config.ts";
import { connectElasticsearch } from "../lib/elasticsearch/client.ts";
import { dropElasticsearch, migrateElasticsearch } from "../lib/elasticsearch/migrate.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import { migrateNats } from "../lib/events/streams.ts";
import { createLog } from "../lib/log.ts";
import { dropChangeLog, migrateChangeLog } from "../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import { clickhouseSettings } from "./clickhouse.ts";
import { findDatabase } from "./database.ts";
import { openNats } from "./nats.ts";
import { answer, progress, say } from "./say.ts";
import { searchSettings } from "./search.ts";

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
  if (natsUrl !== null && flags.down) say("the streams in NATS stay: nats stream rm removes them");
  else if (natsUrl !== null) await migrateStreams(config, signal);
  const clickhouseUrl = config.clickhouseUrl ?? await runningUrl(config.dataDir, "clickhouse");
  if (clickhouseUrl !== null) await migrateTables(config, clickhouseUrl, flags, signal);
  await migrateSearch(config, flags, signal);
  return 0;
}

/** The embedded search has nothing but its files, which its sink makes. */
async function migrateSearch(
  config: Config,
  flags: { readonly down?: boolean },
  signal: AbortSignal,
): Promise<void> {
  const settings = searchSettings(config);
  if (settings.kind !== "elasticsearch") return;
  const elasticsearch = connectElasticsearch(settings.elasticsearch, config.limits);
  try {
    const { retentionDays } = settings;
    const columns = settings.columns.map(({ name }) => name);
    const parts = flags.down
      ? await dropElasticsearch(elasticsearch, signal)
      : (await migrateElasticsearch(elasticsearch, { columns, retentionDays }, signal)).parts;
    for (const { part, done } of parts) answer(`${WORDS[done]} ${part} in Elasticsearch\n`);
  } finally {
    elasticsearch.close();
  }
}

const WORDS = { made: "made", changed: "changed", nothing: "up to date:", removed: "removed" };

async function migrateTables(
  config: Config,
  url: string,
  flags: { readonly down?: boolean },
  signal: AbortSignal,
): Promise<void> {
  const settings = clickhouseSettings(config, url);
  const clickhouse = connectClickhouse(settings, config.limits);
  const done = flags.down
    ? await dropClickhouse(clickhouse, signal)
    : await migrateClickhouse(clickhouse, {
      retentionDays: config.eventRetentionDays,
      onProgress: progress("a new table for ClickHouse", "events"),
    }, signal);
  for (const { table, done: what, changes } of done) {
    const more = changes.length > 0 ? `: ${changes.join(", ")}` : "";
    answer(`${WORDS[what]} ${table} in ClickHouse${more}\n`);
  }
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
