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
  KEPT,
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

/** One line for each table and view about what was done. */
export interface MigratedTable {
  readonly table: string;
  readonly done: "made" | "changed" | "nothing" | "removed";
  readonly changes: readonly string[];
}

/**
 * Makes the tables that are not there and changes what can be changed; refuses what cannot become
 * what it must be, before anything is touched. Safe to repeat.
 */
export async function migrateClickhouse(
  clickhouse: Clickhouse,
  options: { readonly retentionDays: number },
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
    const changes = changesOf(data, wanted);
    for (const { sql } of changes) await clickhouse.command(sql, ask);
    const texts = changes.map(({ what }) => what);
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

/** Removes the views and the table with all events; says what was there. */
export async function dropClickhouse(
  clickhouse: Clickhouse,
  signal?: AbortSignal,
): Promise<MigratedTable[]> {
  const ask: AskOptions = signal ? { signal } : {};
  const on = onCluster({ retentionDays: 0, cluster: clickhouse.settings.cluster });
  const found = await readTables(clickhouse, ask);
  const done: MigratedTable[] = [];
  for (const table of [...VIEWS.map(({ name }) => name).reverse(), EVENTS_DATA]) {
    const there = found.get(table);
    if (!there) continue;
    const kind = there.engine === "View" ? "VIEW" : "TABLE";
    await clickhouse.command(`DROP ${kind} IF EXISTS ${quoted(table)}${on} SYNC`, ask);
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
     FROM system.tables WHERE database = {database:String} AND name IN (${ours})`,
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
     WHERE database = {database:String} AND table IN (${ours}) ORDER BY table, position`,
    { ...ask, inDatabase: false, params: { database: clickhouse.settings.database } },
  );
  return Map.groupBy(rows, ({ table }) => table);
}

/** Of the settings that our views name, those that the server knows. */
async function readSettings(clickhouse: Clickhouse, ask: AskOptions): Promise<string[]> {
  const names = VIEW_SETTINGS.map((name) => `'${name}'`).join(", ");
  const rows = await clickhouse.rows<{ readonly name: string }>(
    `SELECT name FROM system.settings WHERE name IN (${names})`,
    { ...ask, inDatabase: false },
  );
  return rows.map(({ name }) => name);
}

const ours = [EVENTS_DATA, ...VIEWS.map(({ name }) => name)].map((name) => `'${name}'`).join(", ");

/** What keeps a table from becoming ours. */
function faultsOf(
  { name, engine, comment, sortingKey, partitionKey }: FoundTable,
  columns: readonly Column[],
  { cluster }: TableOptions,
): string[] {
  const version = Number(/^fraiseql, version (\d+)$/.exec(comment)?.[1] ?? 0);
  if (version > tablesVersion) {
    return [`${name} is of version ${version}, made by a later fraiseql`];
  }
  if (name !== EVENTS_DATA) {
    return engine === "View" ? [] : [`${name} is a table of engine ${engine}, not a view of ours`];
  }
  const wanted = cluster === null ? "ReplacingMergeTree" : "ReplicatedReplacingMergeTree";
  const faults = engine === wanted ? [] : [`${name} has engine ${engine} instead of ${wanted}`];
  const keys = [["ORDER BY", sortingKey, SORTING_KEY], [
    "PARTITION BY",
    partitionKey,
    PARTITION_KEY,
  ]];
  for (const [what, seen, key] of keys) {
    if (seen !== key) faults.push(`${name} has ${what} ${seen || "nothing"} instead of ${key}`);
  }
  // An engine's version column cannot be changed.
  if (version === 1) {
    return [
      `${name} is of version 1, which keeps the last position of a repeated event (copy its events ` +
      `into the new table: INSERT INTO ${name} (${COLUMN_NAMES}) SELECT ${COLUMN_NAMES} FROM ...)`,
    ];
  }
  for (const { name: column, type } of [...EVENT_COLUMNS, KEPT]) {
    const seen = columns.find(({ name }) => name === column);
    if (!seen) faults.push(`${name} has no column ${column} ${type}`);
    else if (seen.type !== type) {
      faults.push(`column ${column} of ${name} is ${seen.type} instead of ${type}`);
    }
  }
  return faults;
}

const COLUMN_NAMES = EVENT_COLUMNS.map(({ name }) => name).join(", ");

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
