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
  const { column } = field;
  if (column === null) {
    // The row is an expression here: OFFSET 0 keeps PostgreSQL from repeating it in each branch.
    const value = valueSql(field, "j.o");
    return (row) => `(select ${value} from (select ${row} as o offset 0) j)`;
  }
  return (row) => {
    const object = `${row}.${quote(column.name)}` +
      (column.isText ? `::"pg_catalog"."jsonb"` : "");
    return valueSql(field, object);
  };
}

/** SQL of one JSON value: itself and its text. */
interface Cell {
  readonly json: string;
  readonly text: string;
}

const ELEMENT: Cell = { json: "e.v", text: "(e.v #>> '{}')" };

/** The value at the key of `object`. */
function valueSql(field: JsonField, object: string): string {
  const { place, column, key, value, list, required, lenient } = field;
  const cell = {
    json: `(${object} -> ${literal(key)})`,
    text: `(${object} ->> ${literal(key)})`,
  };
  const type = sqlTypeOf(value) + (list ? "[]" : "");
  const word = list ? `[${wordOf(value)}]` : wordOf(value);
  const nothing = `null::${type}`;
  const absent = required ? refusal(cell.json, `${place} has no value`, "", type) : nothing;
  const unfit = lenient
    ? nothing
    : refusal(cell.json, `${place} holds `, `, which is no ${word}`, type);
  const outer = `${place.split(".")[0]}'s column ${column?.name} holds `;
  // Without an object there is perhaps no row: a related one is looked at before it is found. Where
  // there is a row after all, the encoders refuse the null that was not to be.
  const missing = `case when ${object} is null then ${nothing} ` +
    (column === null || lenient
      ? ""
      : `when pg_catalog.jsonb_typeof(${object}) <> 'object' then ${
        refusal(object, outer, ", which is no object", type)
      } `) +
    `else ${absent} end`;
  const arms = list
    ? [`when 'array' then ${elementsSql(field, cell)} `]
    : armsOf(value, cell, unfit);
  return `case pg_catalog.jsonb_typeof(${cell.json}) ${arms.join("")}when 'null' then ${absent} ` +
    `else case when ${cell.json} is null then ${missing} else ${
      isAny(value, list) ? cell.json : unfit
    } end end`;
}

/** The elements of a list in their order; what is null stays so. */
function elementsSql({ place, value, lenient }: JsonField, array: Cell): string {
  const unfit = lenient ? "null" : refusal(
    "e.v",
    `${place} has the element `,
    `, which is no ${wordOf(value)}`,
    sqlTypeOf(value),
  );
  return `array(select case pg_catalog.jsonb_typeof(e.v) ${
    armsOf(value, ELEMENT, unfit).join("")
  }` +
    `when 'null' then null else ${isAny(value, false) ? "e.v" : unfit} end ` +
    `from pg_catalog.jsonb_array_elements(${array.json}) with ordinality e(v, n) order by e.n)`;
}

/** A value of any kind is JSON. */
const isAny = (value: JsonValue, list: boolean) =>
  !list && value.kind === "leaf" && value.labels === null && value.graphql === "JSON";

/**
 * What becomes of a value of one kind: whether it fits, when not all do, and its cast. `&` is the
 * value as JSON, `$` as text, `#` as a number.
 */
interface Arm {
  readonly fits?: string;
  readonly convert: string;
}

type Kind = "number" | "string" | "boolean" | "object" | "array";

const date = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])";
const time = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6}0{0,3})?)?";
const zone = "(?:[Zz]|[+-](?:0[0-9]|1[0-5]):[0-5][0-9])";
const part = "(?:[+-]?[0-9]{1,7}";
const duration = `P(?=.)${part}Y)?${part}M)?${part}W)?${part}D)?` +
  `(?:T(?=.)${part}H)?${part}M)?${part}(?:[.][0-9]{1,6})?S)?)?`;
const hex = "[0-9a-fA-F]";

const matches = (pattern: string) => `$ ~ '^${pattern}$'`;
/** With a day that the calendar has; a pattern that knows leap years is slow. */
function dated(pattern: string): string {
  const at = (from: number, count: number) =>
    `pg_catalog.substr($, ${from}, ${count})::"pg_catalog"."int4"`;
  const [year, month, day] = [at(1, 4), at(6, 2), at(9, 2)];
  return `case when ${matches(pattern)} then ${year} > 0 and (${day} <= 28 ` +
    `or (${month} <> 2 and ${day} <= 30) or ${month} in (1, 3, 5, 7, 8, 10, 12) ` +
    `or (${day} = 29 and ${year} % 4 = 0 and (${year} % 100 <> 0 or ${year} % 400 = 0))) ` +
    "else false end";
}
const int8 = "# between -9223372036854775808 and 9223372036854775807";
const cast = (type: string) => `$::"pg_catalog"."${type}"`;

// deno-fmt-ignore: a table reads best as one
const LEAVES: Readonly<Record<string, Partial<Record<Kind, Arm>>>> = {
  String:        { string: { convert: "$" } },
  ID:            { string: { convert: "$" }, number: { fits: "# % 1 = 0", convert: `pg_catalog.trunc(#)::"pg_catalog"."text"` } },
  Boolean:       { boolean: { convert: cast("bool") } },
  Int:           { number: { fits: "# between -2147483648 and 2147483647 and # % 1 = 0", convert: `#::"pg_catalog"."int4"` } },
  BigInt:        { number: { fits: `${int8} and # % 1 = 0`, convert: `#::"pg_catalog"."int8"` },
                   string: { fits: `case when ${matches("-?[0-9]{1,19}")} then ${int8} else false end`, convert: cast("int8") } },
  Float:         { number: { fits: "# = 0 or pg_catalog.abs(#) between 2.3e-308 and 1.7976931348623157e308", convert: cast("float8") } },
  Decimal:       { number: { convert: "#" }, string: { fits: matches("-?[0-9]{1,255}(?:[.][0-9]{1,255})?"), convert: "#" } },
  UUID:          { string: { fits: matches(`${hex}{8}(?:-${hex}{4}){3}-${hex}{12}`), convert: cast("uuid") } },
  DateTime:      { string: { fits: dated(`${date}[Tt ]${time}${zone}`), convert: cast("timestamptz") } },
  LocalDateTime: { string: { fits: dated(`${date}[Tt ]${time}`), convert: cast("timestamp") } },
  Date:          { string: { fits: dated(date), convert: cast("date") } },
  LocalTime:     { string: { fits: matches(time), convert: cast("time") } },
  Duration:      { string: { fits: matches(duration), convert: cast("interval") } },
  Bytes:         { string: { fits: `pg_catalog.ascii($) = 92 and pg_catalog.substr($, 2) ~ '^x(?:${hex}{2})*$'`, convert: "pg_catalog.decode(pg_catalog.substr($, 3), 'hex')" } },
};

function armsOf(value: JsonValue, cell: Cell, unfit: string): string[] {
  if (value.kind === "object") return [arm("object", cell, { convert: "&" }, unfit)];
  if (value.labels !== null) {
    const labels = value.labels.map(literal).join(", ");
    // Labels are GraphQL's names and have no sign that stands for something here.
    return [arm("string", cell, { fits: `$ in (${labels})`, convert: "$" }, unfit)];
  }
  const arms = Object.entries(LEAVES[value.graphql] ?? {}) as [Kind, Arm][];
  return arms.map(([kind, row]) => arm(kind, cell, row, unfit));
}

function arm(kind: Kind, cell: Cell, { fits, convert }: Arm, unfit: string): string {
  const number = kind === "number" ? cell.json : cell.text;
  const fill = (sql: string) =>
    sql.replaceAll(
      /[$#&](?!')/g,
      (sign) =>
        sign === "&" ? cell.json : sign === "$" ? cell.text : `${number}::"pg_catalog"."numeric"`,
    );
  const converted = fill(convert);
  return `when '${kind}' then ${
    fits === undefined ? converted : `case when ${fill(fits)} then ${converted} else ${unfit} end`
  } `;
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
