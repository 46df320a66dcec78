/** What ClickHouse holds of events, described as the relations of PostgreSQL are. */

import type { ColumnKind, ScalarType } from "../arrow/column_types.ts";
import type { Column, LeafType, Relation } from "./schema.ts";

type Plain = Exclude<ColumnKind, "decimal" | "enum">;

const leaf = (
  kind: Plain,
  graphql: string,
  oid: number,
  more: Partial<LeafType> = {},
): LeafType => ({
  kind: "leaf",
  scalar: { kind } as ScalarType,
  graphql,
  oid,
  readAs: null,
  // None of these is ever put into SQL for PostgreSQL.
  sqlType: "",
  orderable: true,
  operatorSchema: null,
  textual: false,
  ...more,
});

const ID = leaf("uuid", "ID", 2950);
const TEXT = leaf("text", "String", 25, { textual: true });
/** A moment. */
export const DATE_TIME = leaf("timestamptz", "DateTime", 1184);
const DATE = leaf("date", "Date", 1082);
const BIG_INT = leaf("int8", "BigInt", 20);
const FLOAT = leaf("float8", "Float", 701);
const JSON_VALUE = leaf("json", "JSON", 114, { orderable: false });

type ColumnRow = readonly [
  name: string,
  column: string,
  type: LeafType,
  comment: string,
  nullable?: true,
];

// deno-fmt-ignore: a table reads best as one
const EVENT: readonly ColumnRow[] = [
  ["eventId", "event_id", ID, "Made once with the write; it stays through every retry."],
  ["eventType", "event_type", TEXT, "Created, Updated or Deleted."],
  ["entityType", "entity_type", TEXT, "Name of the entity's GraphQL type."],
  ["entityId", "entity_id", TEXT, "The key's text; of a composite key a JSON array of texts."],
  ["timestamp", "timestamp", DATE_TIME, "The clock at the write."],
  ["data", "data", JSON_VALUE, "The row after the write, or before it was deleted."],
  ["userId", "user_id", TEXT, "Who wrote.", true],
  ["orgId", "org_id", TEXT, "Of which organisation.", true],
  ["position", "position", BIG_INT, "The place among all events; `after` takes it to go on from there. Null where it was searched for.", true],
];

// deno-fmt-ignore: a table reads best as one
const HOURLY: readonly ColumnRow[] = [
  ["hour", "hour", DATE_TIME, "Its beginning."],
  ["entityType", "entity_type", TEXT, "Name of the entities' GraphQL type."],
  ["eventType", "event_type", TEXT, "Created, Updated or Deleted."],
  ["eventCount", "event_count", BIG_INT, "How many events."],
  ["uniqueEntities", "unique_entities", BIG_INT, "Of how many different entities."],
];

// deno-fmt-ignore: a table reads best as one
const DAILY: readonly ColumnRow[] = [
  ["day", "day", DATE, "In UTC."],
  ["orgId", "org_id", TEXT, "The organisation; null: of none.", true],
  ["eventCount", "event_count", BIG_INT, "How many events."],
  ["uniqueEntities", "unique_entities", BIG_INT, "Of how many different entities."],
  ["uniqueUsers", "unique_users", BIG_INT, "By how many different users."],
];

// deno-fmt-ignore: a table reads best as one
const STATS: readonly ColumnRow[] = [
  ["hour", "hour", DATE_TIME, "Its beginning."],
  ["eventType", "event_type", TEXT, "Created, Updated or Deleted."],
  ["eventCount", "event_count", BIG_INT, "How many events."],
  ["share", "share", FLOAT, "Of the hour's events, from 0 to 1.", true],
];

function relation(
  name: string,
  typeName: string,
  listField: string,
  comment: string,
  rows: readonly ColumnRow[],
  key: readonly string[],
): Relation {
  const columns = rows.map(([name, column, type, comment, nullable]): Column => ({
    kind: "column",
    column,
    name,
    comment,
    nullable: nullable ?? false,
    type,
    declaredOid: type.oid,
  }));
  return {
    schema: "clickhouse",
    name,
    comment,
    rowsEstimate: null,
    typeName,
    listField,
    rowField: null,
    columns,
    key: columns.filter((column) => key.includes(column.column)),
    fields: new Map(columns.map((column) => [column.name, column])),
    inherited: false,
    isOfEvents: true,
  };
}

/** The events themselves; their position is what rows are ordered by at last. */
export const EVENTS = relation(
  "fraiseql_events",
  "EntityEvent",
  "events",
  "What happened to rows of captured tables.",
  EVENT,
  ["position"],
);

/** What root lists read from ClickHouse. */
export const EVENT_RELATIONS: readonly Relation[] = [
  EVENTS,
  relation(
    "fraiseql_events_hourly",
    "EventsHourly",
    "eventsHourly",
    "Events of an hour, by type of entity and of event.",
    HOURLY,
    ["hour", "entity_type", "event_type"],
  ),
  relation(
    "fraiseql_org_daily",
    "OrgDaily",
    "orgDaily",
    "Events of a day, by organisation.",
    DAILY,
    ["day", "org_id"],
  ),
  relation(
    "fraiseql_event_type_stats",
    "EventTypeStats",
    "eventTypeStats",
    "Events of an hour, by type of event.",
    STATS,
    ["hour", "event_type"],
  ),
];

/** The root field of searches. */
export const SEARCH_EVENTS = "searchEvents";

/** The root field of groups of events. */
export const EVENTS_AGGREGATE = "eventsAggregate";

/** Fields that events can be grouped by, and whose values can be counted. */
export const GROUP_COLUMNS: readonly Column[] = EVENTS.columns.filter(({ type }) =>
  type.kind === "leaf" && type.orderable
);

/** What can be made of the numbers of a path. */
export const NUMBERS = [
  { name: "sum", description: "Sum of the numbers there; null without one." },
  { name: "avg", description: "Their average, rounded to six places." },
  { name: "min", description: "The least of them." },
  { name: "max", description: "The greatest of them." },
] as const;

export type NumberFunction = typeof NUMBERS[number]["name"];
