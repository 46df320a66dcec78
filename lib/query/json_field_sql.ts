/**
 * The SQL of a field that lives in a JSON object, read with the type that the schema file declares.
 *
 * A value of another kind, or one that the type cannot hold, is refused by PostgreSQL with words
 * that `lib/postgres/errors.ts` turns into UNREPRESENTABLE; under FRAISEQL_UNREPRESENTABLE=null it is
 * null. Whether it fits is asked before it is cast, so that no cast fails in its own words. All text
 * is made of the schema alone.
 */

import { quote } from "./sql_names.ts";

export interface JsonField {
  /** The field as people know it, e.g. `User.age`. */
  readonly place: string;
  /** The jsonb or json column; null where the row itself is the object, as in nested ones. */
  readonly column: { readonly name: string; readonly isText: boolean } | null;
  readonly key: string;
  readonly value: JsonValue;
  readonly list: boolean;
  /** Absence is refused as well. */
  readonly required: boolean;
  /** What does not fit is null. */
  readonly lenient: boolean;
}

/** What the file declares: a scalar or enum, or an object of further fields. */
export type JsonValue =
  | { readonly kind: "object" }
  | {
    readonly kind: "leaf";
    readonly graphql: string;
    readonly sqlType: string;
    /** Of an enum. */
    readonly labels: readonly string[] | null;
  };

/** The field's SQL, made of the SQL of its row. */
export function jsonFieldSql(field: JsonField): (row: string) => string {
  const { place, column, key, value, list, required, lenient } = field;
  const type = sqlTypeOf(value) + (list ? "[]" : "");
  const word = list ? `[${wordOf(value)}]` : wordOf(value);
  const item = reading(value);
  const whole = list ? listReading(field, item) : item;
  const unfit = (v: string, what: string) =>
    lenient ? "null" : refusal(v, `${what} holds `, `, which is no ${word}`, type);
  return (row) => {
    const object = column === null
      ? row
      : `${row}.${quote(column.name)}${column.isText ? `::"pg_catalog"."jsonb"` : ""}`;
    const absent = required ? refusal("j.v", `${place} has no value`, "", type) : "null";
    // What stands around a nested object has been looked at already.
    const noObject = column === null || lenient ? "" : `when j.v is null and ` +
      `pg_catalog.jsonb_typeof(${object}) <> 'object' then ${
        refusal(
          object,
          `${place.split(".")[0]}'s column ${column.name} holds `,
          ", which is no object",
          type,
        )
      } `;
    return `(select case ${noObject}when j.v is null or j.v = 'null' then ${absent} ` +
      `when ${whole.fits("j.v")} then ${whole.convert("j.v")} else ${unfit("j.v", place)} end ` +
      // OFFSET 0 keeps PostgreSQL from looking the key up wherever `j.v` stands.
      `from (select ${object} -> ${literal(key)} as v offset 0) j)`;
  };
}

interface Reading {
  readonly fits: (v: string) => string;
  readonly convert: (v: string) => string;
}

function listReading({ place, value, lenient }: JsonField, item: Reading): Reading {
  const type = sqlTypeOf(value);
  const unfit = lenient
    ? "null"
    : refusal("e.v", `${place} has the element `, `, which is no ${wordOf(value)}`, type);
  return {
    fits: (v) => `pg_catalog.jsonb_typeof(${v}) = 'array'`,
    convert: (v) =>
      `array(select case when e.v = 'null' then null when ${item.fits("e.v")} ` +
      `then ${item.convert("e.v")} else ${unfit} end ` +
      `from pg_catalog.jsonb_array_elements(${v}) with ordinality e(v, n) order by e.n)`,
  };
}

/** `$` is the value as text, `#` as a number. */
interface LeafRow {
  readonly number?: string;
  readonly string?: string;
  readonly boolean?: string;
  readonly convert: string;
}

const date = "(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-" +
  "(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|" +
  "[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)";
const time = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6}0{0,12})?)?";
const zone = "(?:[Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])";
const part = "(?:[+-]?[0-9]{1,7}";
const duration = `P(?=.)${part}Y)?${part}M)?${part}W)?${part}D)?` +
  `(?:T(?=.)${part}H)?${part}M)?${part}(?:[.][0-9]{1,6})?S)?)?`;
const hex = "[0-9a-fA-F]";

const matches = (pattern: string) => `$ ~ '^${pattern}$'`;
const within = (least: string, most: string) => `# between ${least} and ${most} and # % 1 = 0`;
const int8 = within("-9223372036854775808", "9223372036854775807");

// deno-fmt-ignore: a table reads best as one
const LEAVES: Readonly<Record<string, LeafRow>> = {
  String:        { string: "true", convert: "$" },
  ID:            { string: "true", number: "# % 1 = 0", convert: "$" },
  Boolean:       { boolean: "true", convert: `$::"pg_catalog"."bool"` },
  Int:           { number: within("-2147483648", "2147483647"), convert: `#::"pg_catalog"."int4"` },
  BigInt:        { number: int8, string: `case when ${matches("-?[0-9]{1,19}")} then ${int8} else false end`, convert: `#::"pg_catalog"."int8"` },
  Float:         { number: "(# = 0 or pg_catalog.abs(#) between 2.3e-308 and 1.7976931348623157e308)", convert: `$::"pg_catalog"."float8"` },
  Decimal:       { number: "true", string: matches("-?[0-9]{1,255}(?:[.][0-9]{1,255})?"), convert: "#" },
  UUID:          { string: matches(`${hex}{8}(?:-${hex}{4}){3}-${hex}{12}`), convert: `$::"pg_catalog"."uuid"` },
  DateTime:      { string: matches(`${date}[Tt ]${time}${zone}`), convert: `$::"pg_catalog"."timestamptz"` },
  LocalDateTime: { string: matches(`${date}[Tt ]${time}`), convert: `$::"pg_catalog"."timestamp"` },
  Date:          { string: matches(date), convert: `$::"pg_catalog"."date"` },
  LocalTime:     { string: matches(time), convert: `$::"pg_catalog"."time"` },
  Duration:      { string: matches(duration), convert: `$::"pg_catalog"."interval"` },
  Bytes:         { string: `$ ~ E'^\\\\\\\\x(?:${hex}{2})*$'`, convert: "pg_catalog.decode(pg_catalog.substr($, 3), 'hex')" },
};

function reading(value: JsonValue): Reading {
  if (value.kind === "object") {
    return { fits: (v) => `pg_catalog.jsonb_typeof(${v}) = 'object'`, convert: (v) => v };
  }
  if (value.labels !== null) {
    const labels = value.labels.map(literal).join(", ");
    return {
      fits: (v) =>
        `case pg_catalog.jsonb_typeof(${v}) when 'string' then (${v} #>> '{}') in (${labels}) ` +
        "else false end",
      convert: (v) => `(${v} #>> '{}')::${value.sqlType}`,
    };
  }
  const row = LEAVES[value.graphql];
  return row ? kinds(row) : { fits: () => "true", convert: (v) => v };
}

function kinds(row: LeafRow): Reading {
  const fill = (sql: string, v: string) =>
    sql.replaceAll(
      /[$#](?!')/g,
      (sign) => sign === "$" ? `(${v} #>> '{}')` : `(${v} #>> '{}')::"pg_catalog"."numeric"`,
    );
  const arms = (["number", "string", "boolean"] as const).flatMap((kind) =>
    row[kind] === undefined ? [] : [[kind, row[kind]] as const]
  );
  return {
    fits: (v) =>
      `case pg_catalog.jsonb_typeof(${v}) ${
        arms.map(([kind, sql]) => `when '${kind}' then ${fill(sql, v)}`).join(" ")
      } else false end`,
    convert: (v) => fill(row.convert, v),
  };
}

const sqlTypeOf = (value: JsonValue) =>
  value.kind === "object" ? `"pg_catalog"."jsonb"` : value.sqlType;
const wordOf = (value: JsonValue) => value.kind === "object" ? "object" : value.graphql;

/** What `refusal` puts around its words, for `lib/postgres/errors.ts` to find them by. */
export const UNFIT = { begin: "[fraiseql: ", end: " :fraiseql]" } as const;

/**
 * An expression of the type that fails with these words and the value: a text that is no number.
 * It names the row's value, so that PostgreSQL does not try it while it plans.
 */
function refusal(v: string, before: string, after: string, type: string): string {
  const shown = after === "" ? "0" : String(shownCharactersMax);
  return `(${literal(UNFIT.begin + before)} || ` +
    `coalesce(pg_catalog."left"(${v}::"pg_catalog"."text", ${shown}), '') || ` +
    `${literal(after + UNFIT.end)})::"pg_catalog"."int4"::"pg_catalog"."text"::${type}`;
}

/** As much of a value as a message can show. */
const shownCharactersMax = 80;

/** A text as PostgreSQL's constant, whatever `standard_conforming_strings` says. */
export function literal(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}
