/**
 * The types that columns are made of: their values, what can be asked of them, and what the table of
 * types in the documentation says that the answers hold.
 */

import type { Operand, Type } from "./model.ts";
import { missing } from "./model.ts";

/** One row says everything about a type. */
export interface TypeRow {
  readonly name: string;
  /** As a column is declared, and as a literal is cast. */
  readonly ddl: string;
  readonly cast: string;
  readonly graphql: string;
  readonly arrow: string;
  /** How JSON shows it. */
  readonly form: "boolean" | "number" | "float" | "string" | "json";
  /** What can be asked of it. */
  readonly asked: "all" | "order" | "json" | "null";
  /** The SQL of its JSON form, from the column's SQL. */
  readonly json: (sql: string) => string;
  readonly values: readonly Value[];
  /** Rare values that Arrow has no form for, where there are. */
  readonly unrepresentable: readonly string[];
  /** Sums and averages: what they are made of; null for none. */
  readonly number: "int" | "int8" | "decimal" | "numeric" | "float" | null;
  readonly scale: number;
  /** Equal values are the same value, so that one can stand for a group. */
  readonly groups: boolean;
  /** `min` and `max` are defined on it. */
  readonly ordered: boolean;
  /** Can be a key. */
  readonly keys: boolean;
  /** Can be truncated: its kind. */
  readonly moment: boolean;
}

/** A literal, and the same as an input where that is another; `none` where it cannot be one. */
type Value = string | readonly [sql: string, input: Operand["input"] | typeof none];
const none = Symbol("no input");

const text = (sql: string) => `to_json(format('%s', ${sql}))`;
const plain = (sql: string) => `to_json(${sql})`;
const own = (name: string) => (sql: string) => `to_json(oracle.${name}(${sql}))`;

type Some = Partial<Omit<TypeRow, "name" | "ddl">>;

function row(name: string, ddl: string, values: readonly Value[], some: Some = {}): TypeRow {
  return {
    name,
    ddl,
    values,
    cast: ddl.replace(/\(.*/, ""),
    graphql: "String",
    arrow: "string",
    form: "string",
    asked: "order",
    json: text,
    unrepresentable: [],
    number: null,
    scale: 0,
    groups: false,
    ordered: false,
    keys: false,
    moment: false,
    ...some,
  };
}

const numbers = (...values: number[]): Value[] => values.map((value) => [String(value), value]);

/** Equal to itself only, ordered, and its minimum is one of its values. */
const exact = { groups: true, ordered: true } as const;

const TEXTS: Value[] = [
  "",
  "a",
  "B",
  "ab",
  "a_b%",
  'quo"te',
  "back\\slash",
  "O'Hara",
  "line\nbreak\ttab",
  "emoji 🦕",
  "ünï",
  "null",
];

const decimal = (
  precision: number,
  scale: number,
  values: readonly string[],
  some: Some = {},
) =>
  row(`numeric(${precision},${scale})`, `numeric(${precision},${scale})`, values, {
    graphql: "Decimal",
    arrow: `decimal128(${precision}, ${scale})`,
    json: own("decimal_text"),
    number: "decimal",
    scale,
    ...exact,
    unrepresentable: ["NaN"],
    ...some,
  });

const float = (name: string, ddl: string, values: readonly Value[], some: Some = {}) =>
  row(name, ddl, values, {
    graphql: "Float",
    arrow: ddl === "float4" ? "float" : "double",
    form: "float",
    json: own("float_json"),
    ...some,
  });

// deno-fmt-ignore: a table reads best as one
export const TYPES: readonly TypeRow[] = [
  row("int4", "int4", numbers(0, 1, 2, 3, -1, 100, 2147483647, -2147483648), { graphql: "Int", arrow: "int32", form: "number", json: plain, number: "int", keys: true, ...exact }),
  row("text", "text", TEXTS, { asked: "all", keys: true, ...exact }),
  row("bool", "bool", [["true", true], ["false", false]], { graphql: "Boolean", arrow: "bool", form: "boolean", json: plain, groups: true }),
  row("int2", "int2", numbers(0, 1, -1, 32767, -32768), { graphql: "Int", arrow: "int16", form: "number", json: plain, number: "int", keys: true, ...exact }),
  row("int8", "int8", ["0", "1", "-1", "9007199254740993", "9223372036854775807", "-9223372036854775808"], { graphql: "BigInt", arrow: "int64", number: "int8", keys: true, ...exact }),
  float("float4", "float4", [...numbers(0, 0.5, -1.25, 3), ["0.1", none], ["NaN", none], ["Infinity", none], ["3.4028235e38", none], ["-0", none]]),
  float("float8", "float8", numbers(0, 0.5, -1.25, 3, 1024), { keys: true, number: "float", ordered: true }),
  float("float8 extremes", "float8", [...numbers(0, 0.1, 1e21, 5e-324, 1.7976931348623157e308), ["NaN", none], ["-Infinity", none], ["-0", none]]),
  decimal(5, 2, ["0", "1.50", "-999.99", "999.99", "0.01"], { keys: true }),
  decimal(12, 0, ["0", "7", "999999999999", "-1"]),
  decimal(18, 2, ["9999999999999.99", "9999999999999.98", "-9999999999999.97", "0.01"]),
  decimal(38, 0, ["0", "1", "99999999999999999999999999999999", "99999999999999999999999999999999999999"]),
  decimal(38, 10, ["0", "1.0000000001", "-2.5"]),
  decimal(38, 38, ["0", "0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001"], { number: null }),
  row("numeric", "numeric", ["0", "1.10", "-3.333333333333333333333333333333333333333333333", "1e44", "1e-20"], { graphql: "Decimal", number: "numeric" }),
  row("numeric odd", "numeric", ["0", ["NaN", "NaN"], "Infinity", "-Infinity", "1.10", "1.1"], { graphql: "Decimal" }),
  row("numeric(50,5)", "numeric(50,5)", ["0", "123456789012345678901234567890123456789012345.12345", "-0.00001"], { graphql: "Decimal", cast: "numeric" }),
  row("numeric(5,-2)", "numeric(5,-2)", ["0", "12300", "-100"], { graphql: "Decimal", cast: "numeric" }),
  row("varchar", "varchar(40)", TEXTS, { asked: "all", keys: true, ordered: true, groups: true }),
  row("bpchar", "char(6)", ["", "a", "ab", "a_b%"], { cast: "bpchar", asked: "all" }),
  row("citext", "ext.citext", ["a", "A", "ab", "Ab", ""], { asked: "all", keys: true }),
  row("name", "name", ["a", "a_name", ""], { asked: "all", groups: true }),
  row("uuid", "uuid", ["00000000-0000-0000-0000-000000000000", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-4fff-bfff-ffffffffffff"], { graphql: "UUID", keys: true, groups: true }),
  row("date", "date", ["2026-01-31", "0001-01-01", "9999-12-31", "1969-12-31", ["12026-07-04", "+012026-07-04"], ["0044-03-15 BC", "-000043-03-15"]], { graphql: "Date", arrow: "date32[day]", json: own("date_text"), unrepresentable: ["infinity", "-infinity"], keys: true, ...exact }),
  row("time", "time", ["00:00:00", "13:45:00.5", "23:59:59.999999"], { graphql: "LocalTime", arrow: "time64[us]", json: own("time_text"), unrepresentable: ["24:00"], keys: true, ...exact }),
  row("timestamp", "timestamp", [["2026-01-31 13:45:00", "2026-01-31T13:45:00"], ["1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999999"], ["12026-07-04 01:02:03.5", "+012026-07-04T01:02:03.5"], ["0001-01-01 00:00 BC", "+000000-01-01T00:00"]], { graphql: "LocalDateTime", arrow: "timestamp[us]", json: own("stamp_text"), unrepresentable: ["infinity", "294276-12-31 00:00"], moment: true, ...exact }),
  row("timestamptz", "timestamptz", [["2026-01-31 13:45:00+00", "2026-01-31T13:45:00Z"], ["2026-01-31 13:45:00.000001+00", "2026-01-31T14:45:00.000001+01:00"], ["2026-03-29 00:59:59.5+00", "2026-03-29T00:59:59.5Z"], ["2026-10-25 01:30+00", "2026-10-25T01:30:00Z"], ["2026-11-01 04:30+00", "2026-11-01T04:30:00Z"], ["1900-01-01 00:00+00", "1900-01-01T00:00:00Z"], ["0044-03-15 12:00+00 BC", "-000043-03-15T12:00:00Z"]], { graphql: "DateTime", arrow: "timestamp[us, tz=UTC]", json: own("moment_text"), unrepresentable: ["-infinity", "294276-12-31 00:00+00"], moment: true, keys: true, ...exact }),
  row("interval", "interval", [["1 year 2 mons 3 days 04:05:06.5", "P1Y2M3DT4H5M6.5S"], ["0", "PT0S"], ["-1 day", "P-1D"], ["1 mon -1 day", "P1M-1D"], ["24:00", "PT24H"]], { graphql: "Duration" }),
  row("json", "json", [['{"b": 1.10, "a": [1, 2, {"c": null}]}', none], ["[]", []], ['"s"', "s"], ["null", none], ["12345678901234567890", none], ['{"a": {"0": "x"}}', none]], { cast: "jsonb", graphql: "JSON", arrow: "json", form: "json", asked: "json", json: (sql) => sql }),
  row("jsonb", "jsonb", [['{"a": [1, "x", null], "b": true}', none], ['{"a": 1}', { a: 1 }], ['["a", "b"]', ["a", "b"]], ['"a"', "a"], ["1.5", 1.5], ["true", true], ["null", none], ['{"a": {"b": "aB"}}', { a: { b: "aB" } }]], { graphql: "JSON", arrow: "json", form: "json", asked: "json", json: (sql) => sql }),
  row("bytea", "bytea", [["\\x", ""], ["\\x00ff10", "AP8Q"], ["\\x41", "QQ=="]], { graphql: "Bytes", arrow: "binary", json: (sql) => `to_json(replace(encode(${sql}, 'base64'), E'\\n', ''))`, keys: true, groups: true }),
  row("mood", "mood", ["sad", "ok", "happy"], { graphql: "Mood", arrow: "dictionary", ...exact }),
  row("odd_label", "odd_label", ["plain", "with space", 'quote"s', "", "true"], { arrow: "dictionary", groups: true }),
  row("email", "email", ["a@b", "A@b.c"], { cast: "text", asked: "all", ...exact }),
  row("cents", "cents", ["0", "9007199254740993", "-1"], { cast: "int8", graphql: "BigInt", arrow: "int64", number: "int8", ...exact }),
  row("money12", "money12", ["0", "12.50", "-0.01"], { cast: "numeric", graphql: "Decimal", arrow: "decimal128(12, 2)", json: own("decimal_text"), number: "decimal", scale: 2, ...exact, unrepresentable: ["NaN"] }),
  row("inet", "inet", ["10.0.0.1", "10.0.0.1/8", "::1"], { keys: true }),
  row("cidr", "cidr", ["10.0.0.0/8", "10.1.0.0/16", "::/0"]),
  row("macaddr", "macaddr", ["08:00:2b:01:02:03"]),
  row("int4range", "int4range", ["[1,5)", "empty", "(,3)"]),
  row("tstzrange", "tstzrange", ["[2020-01-01 00:00+00,)"], { asked: "order" }),
  row("point", "point", ["(1,2)"], { asked: "null" }),
  row("tsvector", "tsvector", ["'cat' 'fat'", ""]),
  row("timetz", "timetz", ["12:34:56+05:30", "00:00+00"]),
  row("bit", "bit(5)", ["10101"], { cast: "varbit" }),
  row("money", "money", ["12.34"]),
];

function leaf(name: string): Type {
  return { kind: "leaf", name };
}

/** Composites that every world has: each part by PostgreSQL's name, GraphQL's, and a row of TYPES. */
export const COMPOSITES: ReadonlyMap<string, CompositeRow> = new Map([
  ["point3", {
    graphql: "Point3",
    parts: [
      ["x", "x", leaf("int4")],
      ["y_part", "yPart", leaf("numeric(5,2)")],
      ["label", "label", leaf("text")],
    ],
  }],
  ["wide_part", {
    graphql: "WidePart",
    parts: [
      ["at", "at", leaf("timestamptz")],
      ["Mood", "mood", leaf("mood")],
      ["data", "data", leaf("jsonb")],
      ["f", "f", leaf("float8")],
      ["tags", "tags", { kind: "array", name: "text" }],
      ["point", "point", { kind: "composite", name: "point3" }],
      ["points", "points", { kind: "composites", name: "point3" }],
    ],
  }],
]);

export interface CompositeRow {
  readonly graphql: string;
  readonly parts: readonly (readonly [column: string, name: string, type: Type])[];
}

/** Types and functions that every case stands on. */
export const PRELUDE = `
create type mood as enum ('sad', 'ok', 'happy');
create type odd_label as enum ('plain', 'with space', 'quote"s', '', 'true');
create domain email as text check (value ~ '@');
create domain cents as bigint;
create domain money12 as numeric(12, 2);
${
  [...COMPOSITES].map(([name, { parts }]) =>
    `create type ${name} as (${
      parts.map(([part, , type]) => `"${part}" ${typeSql(type)}`).join(", ")
    });`
  ).join("\n")
}`;

/** As a column of the type is declared. */
export function typeSql(type: Type): string {
  const name = type.kind === "composite" || type.kind === "composites"
    ? `"${type.name}"`
    : typeRow(type.name).ddl;
  return type.kind === "array" || type.kind === "composites" ? `${name}[]` : name;
}

export function typeRow(name: string): TypeRow {
  return TYPES.find((row) => row.name === name) ?? missing(`type ${name}`);
}

export function compositeRow(name: string): CompositeRow {
  return COMPOSITES.get(name) ?? missing(`composite ${name}`);
}

/** The row of a leaf or of an array's elements. */
export function leafRow(type: Type): TypeRow {
  return typeRow(type.name);
}

/** The values of a type that a condition can be written with. */
export function operandsOf(row: TypeRow): Operand[] {
  return row.values.flatMap((value): Operand[] => {
    const [sql, input] = typeof value === "string" ? [value, value] : value;
    if (input === none) return [];
    return [row.graphql === "Mood" ? { sql, input, word: true } : { sql, input }];
  });
}

/** The literals of a type. */
export function literalsOf(row: TypeRow): string[] {
  return row.values.map((value) => typeof value === "string" ? value : value[0]);
}
