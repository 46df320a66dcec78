/** Makes, checks and removes what ClickHouse must hold for events. */

import { AppError } from "../errors.ts";
import { type AskOptions, type Clickhouse, quoted } from "./client.ts";
import {
  type Column,
  commentOf,
  createData,
  createDatabase,
  createView,
  EVENT_COLUMNS,
  EVENTS_DATA,
  isNewData,
  KEPT,
  NEW_DATA_NAMES,
  onCluster,
  PARTITION_KEY,
  SORTING_KEY,
  type TableOptions,
  tablesVersion,
  tokenSettings,
  ttlOf,
  VIEW_SETTINGS,
  VIEWS,
} from "./tables.ts";
import { isUpgraded, upgradeData, type UpgradePlace } from "./upgrade.ts";

/** One line for each table and view about what was done. */
export interface MigratedTable {
  readonly table: string;
  readonly done: "made" | "changed" | "nothing" | "removed";
  readonly changes: readonly string[];
}

export interface MigrateOptions {
  readonly retentionDays: number;
  /** Events that were copied into the table of this version. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Makes the tables that are not there, brings one of an earlier version to this, and changes what can be changed; refuses what cannot become
 * what it must be, before anything is touched. Safe to repeat.
 */
export async function migrateClickhouse(
  clickhouse: Clickhouse,
  options: MigrateOptions,
  signal?: AbortSignal,
): Promise<MigratedTable[]> {
  const { database, cluster } = clickhouse.settings;
  const wanted: TableOptions = { retentionDays: options.retentionDays, cluster };
  const ask: AskOptions = signal ? { signal } : {};
  await clickhouse.command(createDatabase(database, wanted), { ...ask, inDatabase: false });
  const found = await readTables(clickhouse, ask);
  const known = await readColumns(clickhouse, ask);
  refuse(
    [...found.values()].flatMap((table) => faultsOf(table, known.get(table.name) ?? [], wanted)),
  );

  const data = found.get(EVENTS_DATA);
  const done: MigratedTable[] = [];
  if (data) {
    const texts: string[] = [];
    const isThis = isUpgraded(placeOf(found));
    if (!isThis) {
      const { onProgress = () => {} } = options;
      const readPlace = async () => placeOf(await readTables(clickhouse, ask));
      const dropSettings = await readDropSettings(clickhouse, ask);
      const upgrade = { clickhouse, wanted, readPlace, dropSettings, onProgress, ask };
      const copied = await upgradeData(upgrade);
      texts.push(`${commentOf(tablesVersion)}, ${copied} events copied`);
    }
    const now = isThis ? data : (await readTables(clickhouse, ask)).get(EVENTS_DATA);
    const changes = now ? changesOf(now, wanted) : [];
    for (const { sql } of changes) await clickhouse.command(sql, ask);
    texts.push(...changes.map(({ what }) => what));
    done.push({
      table: EVENTS_DATA,
      done: texts.length > 0 ? "changed" : "nothing",
      changes: texts,
    });
  } else {
    await clickhouse.command(createData(wanted), ask);
    done.push({ table: EVENTS_DATA, done: "made", changes: [] });
  }
  const settings = await readSettings(clickhouse, ask);
  for (const view of VIEWS) {
    const there = found.get(view.name);
    if (there?.comment === commentOf(tablesVersion)) {
      done.push({ table: view.name, done: "nothing", changes: [] });
      continue;
    }
    await clickhouse.command(createView(view, wanted, settings), ask);
    const changes = there ? [`was ${there.comment || "without a version"}`] : [];
    done.push({ table: view.name, done: there ? "changed" : "made", changes });
  }
  return done;
}

function placeOf(found: ReadonlyMap<string, FoundTable>): UpgradePlace {
  const data = found.get(EVENTS_DATA);
  // A comment of nobody with the right key is made right after.
  const version = data && versionOf(data) || tablesVersion;
  return { version, beside: [...found.keys()].filter(isNewData) };
}

/** Removes the views and the table with all events; says what was there. */
export async function dropClickhouse(
  clickhouse: Clickhouse,
  signal?: AbortSignal,
): Promise<MigratedTable[]> {
  const ask: AskOptions = signal ? { signal } : {};
  const on = onCluster({ retentionDays: 0, cluster: clickhouse.settings.cluster });
  const found = await readTables(clickhouse, ask);
  const settings = await readDropSettings(clickhouse, ask);
  const done: MigratedTable[] = [];
  const beside = [...found.keys()].filter(isNewData);
  for (const table of [...VIEWS.map(({ name }) => name).reverse(), EVENTS_DATA, ...beside]) {
    const there = found.get(table);
    if (!there) continue;
    const kind = there.engine === "View" ? "VIEW" : "TABLE";
    const sql = `DROP ${kind} IF EXISTS ${quoted(table)}${on} SYNC`;
    await clickhouse.command(sql, { ...ask, settings });
    done.push({ table, done: "removed", changes: [] });
  }
  return done;
}

/**
 * Throws `NOT_FOUND` where `migrate` has not run, and what is wrong where the tables do not fit: for
 * whoever writes or reads, at the start.
 */
export async function checkClickhouse(
  clickhouse: Clickhouse,
  options: { readonly retentionDays: number },
  signal?: AbortSignal,
): Promise<void> {
  const ask: AskOptions = signal ? { signal } : {};
  const { database, cluster } = clickhouse.settings;
  const found = await readTables(clickhouse, ask);
  const known = await readColumns(clickhouse, ask);
  const wanted = { ...options, cluster };
  refuse(
    [...found.values()].flatMap((table) => faultsOf(table, known.get(table.name) ?? [], wanted)),
  );
  const missing = [EVENTS_DATA, ...VIEWS.map(({ name }) => name)].filter((name) =>
    found.get(name)?.comment !== commentOf(tablesVersion)
  );
  if (missing.length === 0) return;
  throw new AppError(
    "NOT_FOUND",
    `ClickHouse's database ${database} has no ${missing.join(", ")}`,
    {
      hint: "run fraiseql migrate",
    },
  );
}

interface FoundTable {
  readonly name: string;
  readonly engine: string;
  readonly comment: string;
  readonly sortingKey: string;
  readonly partitionKey: string;
  readonly create: string;
}

/** Those of our names that are there. */
async function readTables(
  clickhouse: Clickhouse,
  ask: AskOptions,
): Promise<Map<string, FoundTable>> {
  const rows = await clickhouse.rows<FoundTable>(
    `SELECT name, engine, comment, sorting_key AS sortingKey, partition_key AS partitionKey,
       create_table_query AS create
     FROM system.tables WHERE database = {database:String} AND (${areOurs("name")})`,
    { ...ask, inDatabase: false, params: { database: clickhouse.settings.database } },
  );
  return new Map(rows.map((row) => [row.name, row]));
}

async function readColumns(
  clickhouse: Clickhouse,
  ask: AskOptions,
): Promise<Map<string, Column[]>> {
  const rows = await clickhouse.rows<Column & { readonly table: string }>(
    `SELECT table, name, type FROM system.columns
     WHERE database = {database:String} AND (${areOurs("table")})
     ORDER BY table, position`,
    { ...ask, inDatabase: false, params: { database: clickhouse.settings.database } },
  );
  return Map.groupBy(rows, ({ table }) => table);
}

/** By default a table of more than 50 GB cannot be dropped; earlier servers let no statement say so. */
async function readDropSettings(
  clickhouse: Clickhouse,
  ask: AskOptions,
): Promise<Record<string, number>> {
  const known = await readSettings(clickhouse, ask, ["max_table_size_to_drop"]);
  return Object.fromEntries(known.map((name) => [name, 0]));
}

/** Of the settings that our statements name, those that the server knows. */
async function readSettings(
  clickhouse: Clickhouse,
  ask: AskOptions,
  wanted: readonly string[] = VIEW_SETTINGS,
): Promise<string[]> {
  const names = wanted.map((name) => `'${name}'`).join(", ");
  const rows = await clickhouse.rows<{ readonly name: string }>(
    `SELECT name FROM system.settings WHERE name IN (${names})`,
    { ...ask, inDatabase: false },
  );
  return rows.map(({ name }) => name);
}

const areOurs = (column: string) =>
  `${column} IN (${ours}) OR match(${column}, '${NEW_DATA_NAMES.source}')`;
const ours = [EVENTS_DATA, ...VIEWS.map(({ name }) => name)].map((name) => `'${name}'`).join(", ");

/** 0: of nobody, or of somebody else. */
const versionOf = ({ comment }: FoundTable) =>
  Number(/^fraiseql, version (\d+)$/.exec(comment)?.[1] ?? 0);

/** What keeps a table from becoming ours. */
function faultsOf(
  table: FoundTable,
  columns: readonly Column[],
  { cluster }: TableOptions,
): string[] {
  const { name, engine, sortingKey, partitionKey } = table;
  const version = versionOf(table);
  if (version > tablesVersion) {
    return [`${name} is of version ${version}, made by a later fraiseql`];
  }
  if (name !== EVENTS_DATA && !isNewData(name)) {
    return engine === "View" ? [] : [`${name} is a table of engine ${engine}, not a view of ours`];
  }
  if (isNewData(name) && version === 0) {
    return [`${name} is no table of ours, and has the name of one that is filled in an upgrade`];
  }
  const isEarlier = version > 0 && version < tablesVersion;
  if (isEarlier && cluster !== null) return [clusterUpgrade(name, version)];
  if (isEarlier && engine.startsWith("Replicated")) {
    return [`${name} is replicated, and the URL names no cluster (?cluster=)`];
  }
  const faults: string[] = [];
  if (!isEarlier) {
    const wanted = cluster === null ? "ReplacingMergeTree" : "ReplicatedReplacingMergeTree";
    if (engine !== wanted) faults.push(`${name} has engine ${engine} instead of ${wanted}`);
    const keys = [["ORDER BY", sortingKey, SORTING_KEY], [
      "PARTITION BY",
      partitionKey,
      PARTITION_KEY,
    ]];
    for (const [what, seen, key] of keys) {
      if (seen !== key) faults.push(`${name} has ${what} ${seen || "nothing"} instead of ${key}`);
    }
  }
  for (const { name: column, type } of [...EVENT_COLUMNS, ...isEarlier ? [] : [KEPT]]) {
    const seen = columns.find(({ name }) => name === column);
    if (!seen) faults.push(`${name} has no column ${column} ${type}`);
    else if (seen.type !== type) {
      faults.push(`column ${column} of ${name} is ${seen.type} instead of ${type}`);
    }
  }
  return faults;
}

/** A replicated table keeps the path that it was made with, which a change of names would not follow. */
function clusterUpgrade(name: string, version: number): string {
  const columns = EVENT_COLUMNS.map(({ name }) => name).join(", ");
  return `${name} is of version ${version}, and a cluster's table is not upgraded by itself: name ` +
    "another database, stop the sinks, run fraiseql migrate, and copy the events " +
    `(INSERT INTO new_database.${name} (${columns}) SELECT ${columns} FROM old_database.${name})`;
}

function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new AppError("BAD_INPUT", `ClickHouse does not fit: ${faults.join("; ")}`, {
    hint: "rename what is there (RENAME TABLE ... TO ...), or name another database in " +
      "FRAISEQL_CLICKHOUSE_URL; then run fraiseql migrate",
  });
}

/** What of the table's settings has to change, and how. */
function changesOf(table: FoundTable, wanted: TableOptions): { what: string; sql: string }[] {
  const alter = `ALTER TABLE ${quoted(EVENTS_DATA)}${onCluster(wanted)}`;
  const changes: { what: string; sql: string }[] = [];
  const ttl = ttlOf(wanted);
  if (!table.create.includes(`TTL ${ttl}`)) {
    changes.push({ what: `kept ${wanted.retentionDays} days`, sql: `${alter} MODIFY TTL ${ttl}` });
  }
  for (const [name, value] of Object.entries(tokenSettings(wanted))) {
    if (table.create.includes(`${name} = ${value}`)) continue;
    changes.push({ what: `${name} ${value}`, sql: `${alter} MODIFY SETTING ${name} = ${value}` });
  }
  if (table.comment !== commentOf(tablesVersion)) {
    const comment = commentOf(tablesVersion);
    changes.push({ what: comment, sql: `${alter} MODIFY COMMENT '${comment}'` });
  }
  return changes;
}
