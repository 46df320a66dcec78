/** The database that a command works on: the one named, one that `serve` runs, or an embedded one. */

import { sep } from "node:path";
import { CONTROL_ENV } from "../flight/control.ts";
import type { Config } from "../lib/config.ts";
import { startPostgres } from "../lib/embedded/postgres.ts";
import { loadSampleShop } from "../lib/embedded/sample_shop.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { readCatalog } from "../lib/postgres/catalog.ts";
import { catalogStamp } from "../lib/postgres/catalog_stamp.ts";
import { connect } from "../lib/postgres/connection.ts";
import type { Database } from "../lib/query/database.ts";
import { openEngine } from "../lib/query/open_query.ts";
import type { QueryEngine } from "../lib/query/query_engine.ts";
import type { SearchProvider } from "../lib/query/search_read.ts";
import { searchProviderOf } from "./event_search.ts";
import { eventStoreOf } from "./event_store.ts";
import { readSchemaFile } from "./schema_file.ts";
import { say } from "./say.ts";

export interface FoundDatabase {
  readonly url: string;
  /** Ends what was started for this. */
  close(): Promise<void>;
}

/** Finds or starts the database; the embedded one is left running only where it ran before. */
export async function findDatabase(
  config: Config,
  log: Log,
  signal?: AbortSignal,
): Promise<FoundDatabase> {
  const url = config.databaseUrl ?? await runningUrl(config.dataDir, "postgres");
  if (url !== null) return { url, close: () => Promise.resolve() };
  const postgres = await startPostgres({
    dataDir: config.dataDir,
    log,
    onProgress: say,
    ...(signal && { signal }),
  });
  return { url: postgres.url, close: () => postgres.stop() };
}

export interface ServingOptions {
  readonly metrics: Metrics;
  /** Of `searchProviderOf`; who gives it closes it. */
  readonly search: SearchProvider | null;
  /** The server found by itself that the schema was changed. */
  readonly onChanged: () => void;
}

/** The query engine of a database, its schema read; what had to give way is logged. */
export function engineOf(
  config: Config,
  database: Database,
  log: Log,
  serving?: ServingOptions,
): Promise<QueryEngine> {
  const { resultCacheSeconds: seconds, resultCache: relations } = config;
  // Under `serve` both processes read the schema, and one of them says what it found.
  const level = Deno.env.has(CONTROL_ENV) ? "debug" : "info";
  return openEngine({
    database,
    readCatalog: () => readCatalog(database, config.dbSchemas),
    readStamp: () => catalogStamp(database, config.dbSchemas),
    readSchemaFile: config.schema === null
      ? null
      : () => readSchemaFile(config.schema ?? "", config),
    limits: config.limits,
    unrepresentable: config.unrepresentable,
    views: config.flightViews,
    onNotes: (notes) => notes.forEach((note) => log[level]("schema note", { note })),
    log,
    events: eventStoreOf(config),
    search: serving ? serving.search : searchProviderOf(config),
    ...serving && { onChanged: serving.onChanged },
    ...serving && seconds > 0 && {
      resultCache: { seconds, relations, metrics: serving.metrics },
    },
  });
}

/** Loads the sample into an embedded database that holds nothing, unless told not to. */
export async function loadSample(config: Config, url: string, signal: AbortSignal): Promise<void> {
  if (config.sample === "none") return;
  const connection = await connect({ url, signal });
  try {
    const rows = await connection.query(
      `select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' limit 1`,
    );
    if (rows.length > 0) return;
    say("loading the sample shop");
    await loadSampleShop((sql, parameters) => connection.query(sql, parameters ?? []), { signal });
  } finally {
    await connection.close();
  }
}

/** Whether the embedded database has its data already, and so is not made anew. */
export async function isFirstStart(config: Config): Promise<boolean> {
  if (config.databaseUrl !== null) return false;
  try {
    await Deno.stat(`${config.dataDir}${sep}services.json`);
    return false;
  } catch {
    return true; // the start itself tells what is wrong with the folder, if anything
  }
}
