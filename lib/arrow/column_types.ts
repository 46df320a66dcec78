/**
 * The one table of column types: PostgreSQL type, GraphQL scalar, JSON form and Arrow type.
 *
 * The planner looks types up by PostgreSQL's oid, both encoders by `kind`. A type that is not here
 * is read as PostgreSQL's own text (`text` with a cast in SQL).
 */

/** How a value lies in PostgreSQL's binary format, and so how both encoders read it. */
export type ColumnKind =
  | "bool"
  | "int2"
  | "int4"
  | "int8"
  | "float4"
  | "float8"
  | "decimal"
  | "numeric"
  | "text"
  | "uuid"
  | "json"
  | "jsonb"
  | "bytea"
  | "date"
  | "time"
  | "timestamp"
  | "timestamptz"
  | "interval"
  | "enum";

/** What is known of a column's values before any row is read. */
export type ScalarType =
  | { readonly kind: Exclude<ColumnKind, "decimal" | "enum"> }
  /** numeric(precision, scale) that Decimal128 holds: precision <= 38, 0 <= scale <= precision. */
  | { readonly kind: "decimal"; readonly precision: number; readonly scale: number }
  /** All labels in the order of the type. */
  | { readonly kind: "enum"; readonly labels: readonly string[] };

export interface ColumnTypeRow {
  readonly kind: ColumnKind;
  /** PostgreSQL's oid of the type; 0 where a database has its own. */
  readonly oid: number;
  readonly graphql: string;
  /** Words for docs; the encoders' own code is the truth and the tests compare. */
  readonly json: string;
  readonly arrow: string;
  /** True where a value can be UNREPRESENTABLE, and so null under `FRAISEQL_UNREPRESENTABLE=null`. */
  readonly partial?: true;
}

// deno-fmt-ignore: a table reads best as one
export const COLUMN_TYPES: readonly ColumnTypeRow[] = [
  { kind: "bool",        oid: 16,   graphql: "Boolean",       json: "boolean",              arrow: "Bool" },
  { kind: "int2",        oid: 21,   graphql: "Int",           json: "number",               arrow: "Int16" },
  { kind: "int4",        oid: 23,   graphql: "Int",           json: "number",               arrow: "Int32" },
  { kind: "int8",        oid: 20,   graphql: "BigInt",        json: "string",               arrow: "Int64" },
  { kind: "float4",      oid: 700,  graphql: "Float",         json: "number, NaN and infinities null", arrow: "Float32" },
  { kind: "float8",      oid: 701,  graphql: "Float",         json: "number, NaN and infinities null", arrow: "Float64" },
  { kind: "decimal",     oid: 1700, graphql: "Decimal",       json: "string, all digits",   arrow: "Decimal128(p,s)", partial: true },
  { kind: "numeric",     oid: 1700, graphql: "Decimal",       json: "string, all digits",   arrow: "Utf8" },
  { kind: "text",        oid: 25,   graphql: "String",        json: "string",               arrow: "Utf8" },
  { kind: "text",        oid: 1043, graphql: "String",        json: "string",               arrow: "Utf8" },
  { kind: "text",        oid: 1042, graphql: "String",        json: "string",               arrow: "Utf8" },
  { kind: "text",        oid: 19,   graphql: "String",        json: "string",               arrow: "Utf8" },
  { kind: "uuid",        oid: 2950, graphql: "UUID",          json: "string",               arrow: "Utf8" },
  { kind: "json",        oid: 114,  graphql: "JSON",          json: "the value itself",     arrow: "Utf8 (arrow.json)" },
  { kind: "jsonb",       oid: 3802, graphql: "JSON",          json: "the value itself",     arrow: "Utf8 (arrow.json)" },
  { kind: "bytea",       oid: 17,   graphql: "Bytes",         json: "string, base64",       arrow: "Binary" },
  { kind: "date",        oid: 1082, graphql: "Date",          json: "string, ISO 8601; years outside 0001-9999 signed, 6 digits or more", arrow: "Date32", partial: true },
  { kind: "time",        oid: 1083, graphql: "LocalTime",     json: "string, ISO 8601, fraction trimmed", arrow: "Time64(us)", partial: true },
  { kind: "timestamp",   oid: 1114, graphql: "LocalDateTime", json: "string, ISO 8601, fraction trimmed", arrow: "Timestamp(us)", partial: true },
  { kind: "timestamptz", oid: 1184, graphql: "DateTime",      json: "string, RFC 3339 with Z, fraction trimmed", arrow: "Timestamp(us, UTC)", partial: true },
  { kind: "interval",    oid: 1186, graphql: "Duration",      json: "string, ISO 8601 as PostgreSQL writes it", arrow: "Utf8" },
  { kind: "enum",        oid: 0,    graphql: "an enum",       json: "string",               arrow: "Dictionary<Int16, Utf8>" },
];

/**
 * Bytes of a value in PostgreSQL's binary format, 0 where they vary. A value of another length is
 * not of this type.
 */
export const KIND_BYTES = {
  bool: 1,
  int2: 2,
  int4: 4,
  int8: 8,
  float4: 4,
  float8: 8,
  decimal: 0,
  numeric: 0,
  text: 0,
  uuid: 16,
  json: 0,
  jsonb: 0,
  bytea: 0,
  date: 4,
  time: 8,
  timestamp: 8,
  timestamptz: 8,
  interval: 16,
  enum: 0,
} as const satisfies Readonly<Record<ColumnKind, number>>;
