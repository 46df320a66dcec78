/**
 * The tables and views of events in ClickHouse, as statements.
 *
 * One table stores events; everything else is a view over it, so that no number can differ from the
 * events it counts. The same event in two inserts is two stored rows until ClickHouse merges them:
 * the sorting key ends in the event's id, the table replaces, and `fraiseql_events` reads it `FINAL`,
 * which sees one row of each. Aggregates that are kept while inserting cannot take a repeat back, and
 * are no faster where uniques have to be exact (docs/clickhouse.md has the figures).
 */

import { quoted } from "./client.ts";

export const EVENTS = "fraiseql_events";
/** Where inserts go. */
export const EVENTS_DATA = "fraiseql_events_data";

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly codec?: string;
}

/** The eight columns of an event, then its position. */
// deno-fmt-ignore: a table reads best as one
export const EVENT_COLUMNS: readonly Column[] = [
  { name: "event_id", type: "UUID" },
  { name: "event_type", type: "LowCardinality(String)" },
  { name: "entity_type", type: "LowCardinality(String)" },
  { name: "entity_id", type: "String" },
  { name: "timestamp", type: "DateTime64(6, 'UTC')", codec: "Delta, ZSTD" },
  { name: "data", type: "String", codec: "ZSTD" },
  { name: "user_id", type: "Nullable(String)" },
  { name: "org_id", type: "LowCardinality(Nullable(String))" },
  { name: "position", type: "UInt64", codec: "Delta, ZSTD" },
];

/** The table that takes the place of one of an earlier version, while it is filled. */
export const NEW_DATA = "fraiseql_events_data_new";

/** With what is behind it while names are changed. */
export const isNewData = (name: string) => NEW_DATA_NAMES.test(name);
export const NEW_DATA_NAMES = new RegExp(`^${NEW_DATA}(_[0-9a-f]{8})?$`);

/** The group of an event's organisation. */
export const ORG_GROUP = "sipHash64(ifNull(org_id, '')) % 16";

/**
 * What the data table is sorted and divided by, as ClickHouse writes it. Organisations are in sixteen
 * groups: who asks for one reads a sixteenth, and within a group rows are in order of time, so that
 * times and positions still choose what is read (docs/clickhouse.md has the figures).
 */
export const SORTING_KEY = `entity_type, ${ORG_GROUP}, timestamp, event_id`;
export const PARTITION_KEY = "toYYYYMM(timestamp)";

/**
 * The greatest of it stays of an event that came several times, and so the lowest position: whoever
 * goes through events by position has seen that one, and must not see the event again further on.
 */
export const KEPT = { name: "kept", type: "UInt64", value: "bitNot(position)" } as const;

/**
 * The lowest position that the bridge gives. `replay` gives lower ones to events whose own it does
 * not know.
 */
export const FIRST_BRIDGED = String(2n ** 54n);

/** Raised with every change of the tables; stands in the comment of each. */
export const tablesVersion = 3;

export const commentOf = (version: number) => `fraiseql, version ${version}`;

export interface TableOptions {
  readonly retentionDays: number;
  /** The tables are made on all servers of the cluster, each a replica of one shard. */
  readonly cluster: string | null;
}

/** Inserts whose tokens are kept: hours of them at full rate. */
const tokensMax = 10_000;

/** The setting that keeps tokens, of either kind of engine. */
export function tokenSettings({ cluster }: TableOptions): Readonly<Record<string, number>> {
  return cluster === null ? { non_replicated_deduplication_window: tokensMax } : {
    replicated_deduplication_window: tokensMax,
    replicated_deduplication_window_seconds: 7 * 86_400,
  };
}

/** When an event may go. DateTime ends in 2106 and would begin again, so the sum stops there. */
export const ttlOf = ({ retentionDays }: TableOptions) =>
  "toDateTime(greatest(0, least(intDiv(toUnixTimestamp64Micro(timestamp), 1000000) + " +
  `${retentionDays * 86_400}, 4294967295)))`;

/** ` ON CLUSTER name`, or nothing. */
export function onCluster({ cluster }: TableOptions): string {
  return cluster === null ? "" : ` ON CLUSTER ${quoted(cluster)}`;
}

export function createDatabase(database: string, options: TableOptions): string {
  return `CREATE DATABASE IF NOT EXISTS ${quoted(database)}${onCluster(options)}`;
}

/** The statement that makes the table of events, where no other `migrate` made it just now. */
export function createData(options: TableOptions, table = EVENTS_DATA): string {
  const columns = EVENT_COLUMNS.map(({ name, type, codec }) =>
    `  ${quoted(name)} ${type}${codec === undefined ? "" : ` CODEC(${codec})`}`
  );
  columns.push(`  ${quoted(KEPT.name)} ${KEPT.type} MATERIALIZED ${KEPT.value} CODEC(Delta, ZSTD)`);
  const path = "'/clickhouse/tables/{database}/{table}', '{replica}'";
  const engine = options.cluster === null
    ? `ReplacingMergeTree(${KEPT.name})`
    : `ReplicatedReplacingMergeTree(${path}, ${KEPT.name})`;
  const settings = Object.entries(tokenSettings(options)).map(([name, value]) =>
    `${name} = ${value}`
  );
  return `CREATE TABLE IF NOT EXISTS ${quoted(table)}${onCluster(options)} (
${columns.join(",\n")},
  INDEX by_entity_id entity_id TYPE bloom_filter GRANULARITY 1,
  INDEX by_position position TYPE minmax GRANULARITY 1
)
ENGINE = ${engine}
PARTITION BY ${PARTITION_KEY}
ORDER BY (${SORTING_KEY})
TTL ${ttlOf(options)}
SETTINGS ${settings.join(", ")}
COMMENT '${commentOf(tablesVersion)}'`;
}

export interface View {
  readonly name: string;
  readonly select: string;
  readonly columns: readonly Column[];
  /** For reading; those that an older server does not know are left out. */
  readonly settings?: Readonly<Record<string, number>>;
}

/** In the order in which they are made: later ones read the first. */
export const VIEWS: readonly View[] = [
  {
    name: EVENTS,
    columns: EVENT_COLUMNS,
    // An event's month is that of its own time, so its repeats are in one partition.
    select: `SELECT ${EVENT_COLUMNS.map(({ name }) => name).join(", ")}
FROM ${EVENTS_DATA} FINAL`,
    settings: {
      do_not_merge_across_partitions_select_final: 1,
      // An event's columns but its position are the same in every repeat, so the index may choose.
      use_skip_indexes_if_final: 1,
      use_skip_indexes_if_final_exact_mode: 0,
    },
  },
  {
    name: "fraiseql_events_hourly",
    columns: [
      { name: "hour", type: "DateTime('UTC')" },
      { name: "entity_type", type: "LowCardinality(String)" },
      { name: "event_type", type: "LowCardinality(String)" },
      { name: "event_count", type: "UInt64" },
      { name: "unique_entities", type: "UInt64" },
    ],
    select: `SELECT toStartOfHour(timestamp) AS hour, entity_type, event_type,
  count() AS event_count, uniqExact(entity_id) AS unique_entities
FROM ${EVENTS}
GROUP BY hour, entity_type, event_type`,
  },
  {
    name: "fraiseql_org_daily",
    columns: [
      { name: "day", type: "Date" },
      { name: "org_id", type: "LowCardinality(Nullable(String))" },
      { name: "event_count", type: "UInt64" },
      { name: "unique_entities", type: "UInt64" },
      { name: "unique_users", type: "UInt64" },
    ],
    select: `SELECT toDate(timestamp) AS day, org_id, count() AS event_count,
  uniqExact(entity_type, entity_id) AS unique_entities, uniqExact(user_id) AS unique_users
FROM ${EVENTS}
GROUP BY day, org_id`,
  },
  {
    name: "fraiseql_event_type_stats",
    columns: [
      { name: "hour", type: "DateTime('UTC')" },
      { name: "event_type", type: "String" },
      { name: "event_count", type: "UInt64" },
      { name: "share", type: "Float64" },
    ],
    // One group an hour, so that a condition on the hour reaches the table; a window would not let it.
    select: `SELECT hour, event_type, event_count, event_count / arraySum(counts.2) AS share
FROM (
  SELECT toStartOfHour(timestamp) AS hour, sumMap([event_type], [toUInt64(1)]) AS counts
  FROM ${EVENTS}
  GROUP BY hour
)
ARRAY JOIN counts.1 AS event_type, counts.2 AS event_count`,
  },
];

/** Every setting that a view may name. */
export const VIEW_SETTINGS = VIEWS.flatMap(({ settings = {} }) => Object.keys(settings));

/** The statement that makes a view, or makes it anew; `known` are the server's settings. */
export function createView(
  { name, select, settings = {} }: View,
  options: TableOptions,
  known: readonly string[] = VIEW_SETTINGS,
): string {
  const named = Object.entries(settings).filter(([setting]) => known.includes(setting))
    .map(([setting, value]) => `${setting} = ${value}`);
  return `CREATE OR REPLACE VIEW ${quoted(name)}${onCluster(options)} AS
${select}${named.length > 0 ? `\nSETTINGS ${named.join(", ")}` : ""}
COMMENT '${commentOf(tablesVersion)}'`;
}
