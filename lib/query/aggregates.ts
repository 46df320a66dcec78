/** The one table of aggregate functions: which types they take, what they give, and their SQL. */

import type { ScalarType } from "../arrow/column_types.ts";
import type { Column, LeafType, Link, Relation } from "./schema.ts";

/** The functions of one column. */
export type ColumnFunction =
  | "countDistinct"
  | "sum"
  | "avg"
  | "stddev"
  | "variance"
  | "min"
  | "max";

export interface FunctionRow {
  readonly name: ColumnFunction;
  readonly description: string;
  /** Functions of one family take the same columns and give the same types. */
  readonly family: "distinct" | "sum" | "mean" | "extreme";
  readonly sql: (column: string, type: LeafType) => string;
}

/** What takes the place of a column's own type: nulls count for nothing in all of them. */
export const COLUMN_FUNCTIONS: readonly FunctionRow[] = [
  {
    name: "countDistinct",
    description: "How many different values.",
    family: "distinct",
    sql: (column) => `pg_catalog.count(distinct ${column})`,
  },
  {
    name: "sum",
    description: "Sums, exact for whole numbers and decimals; null without a value.",
    family: "sum",
    sql: (column, type) => `pg_catalog.sum(${widened(column, type)})`,
  },
  {
    name: "avg",
    description:
      "Averages; of decimals rounded to six places, or to the column's scale if it is more.",
    family: "mean",
    sql: (column, type) => mean("avg", column, type),
  },
  {
    name: "min",
    description: "Least values.",
    family: "extreme",
    sql: (column) => `pg_catalog.min(${column})`,
  },
  {
    name: "max",
    description: "Greatest values.",
    family: "extreme",
    sql: (column) => `pg_catalog.max(${column})`,
  },
  {
    name: "stddev",
    description: "Standard deviations of a sample, rounded as averages are; null below two values.",
    family: "mean",
    sql: (column, type) => mean("stddev_samp", column, type),
  },
  {
    name: "variance",
    description: "Variances of a sample, rounded as averages are; null below two values.",
    family: "mean",
    sql: (column, type) => mean("var_samp", column, type),
  },
];

type Family = FunctionRow["family"];

/** Ends of GraphQL's type names: functions of one family share their types. */
export const FAMILY_NAMES: Readonly<Record<Family, string>> = {
  distinct: "CountDistinct",
  sum: "Sum",
  mean: "Avg",
  extreme: "Min",
};

/** What a relation's aggregates add to its type's name. */
export const AGGREGATE_TYPE_ENDS: readonly string[] = [
  "Aggregate",
  "AggregateGroup",
  "AggregateOrderBy",
  "AggregateOrderByGroup",
  "ColumnName",
  "GroupBy",
  "Having",
  ...Object.values(FAMILY_NAMES).flatMap((end) =>
    ["Aggregate", "AggregateOrderBy", "Having"].map((word) => word + end)
  ),
];

/** What a function of the family gives for a column of this type; null where it has none. */
export function aggregateType(family: Family, type: LeafType): LeafType | null {
  switch (family) {
    case "distinct":
      return type.orderable ? BIG_INT : null;
    case "sum":
      return sumType(type);
    case "mean":
      return meanType(type);
    case "extreme":
      return extremeType(type);
    default:
      return family satisfies never;
  }
}

/** Columns that a function of the family takes, with what it gives for each. */
export function aggregateColumns(
  relation: Relation,
  family: Family,
): [column: LeafColumn, type: LeafType][] {
  return relation.columns.filter(isLeaf).flatMap((column): [LeafColumn, LeafType][] => {
    const type = aggregateType(family, column.type);
    return type ? [[column, type]] : [];
  });
}

/** A column of one value, neither a list nor an object. */
export type LeafColumn = Column & { readonly type: LeafType };

const isLeaf = (column: Column): column is LeafColumn => column.type.kind === "leaf";

/** Columns that rows can be grouped by and told apart by. */
export function groupColumns(relation: Relation): LeafColumn[] {
  return relation.columns.filter(isLeaf).filter(({ type, name }) =>
    type.orderable && enumValue.test(name)
  );
}

const links = new WeakMap<Relation, ReadonlyMap<string, Link>>();

/** Fields that give groups of related rows, like `ordersAggregate` beside `orders`; columns win. */
export function aggregateLinks(relation: Relation): ReadonlyMap<string, Link> {
  const known = links.get(relation);
  if (known) return known;
  const made = new Map<string, Link>();
  for (const field of relation.fields.values()) {
    const name = `${field.name}Aggregate`;
    if (field.kind === "many" && !relation.fields.has(name)) made.set(name, field);
  }
  links.set(relation, made);
  return made;
}

/** GraphQL keeps these three words from enums. */
const enumValue = /^(?!(?:true|false|null)$)/;

/** Parts of time that values can be cut to, by GraphQL's name, with PostgreSQL's word. */
export const TRUNCATE_BY = {
  MINUTE: "minute",
  HOUR: "hour",
  DAY: "day",
  WEEK: "week",
  MONTH: "month",
  QUARTER: "quarter",
  YEAR: "year",
} as const;

export type TruncateBy = keyof typeof TRUNCATE_BY;

function leaf(scalar: ScalarType, graphql: string, oid: number, name: string): LeafType {
  return {
    kind: "leaf",
    scalar,
    graphql,
    oid,
    readAs: null,
    sqlType: `"pg_catalog"."${name}"`,
    orderable: true,
    operatorSchema: null,
    textual: false,
  };
}

export const BIG_INT = leaf({ kind: "int8" }, "BigInt", 20, "int8");
const FLOAT = leaf({ kind: "float8" }, "Float", 701, "float8");
const ANY_DECIMAL = leaf({ kind: "numeric" }, "Decimal", 1700, "numeric");
const DURATION = leaf({ kind: "interval" }, "Duration", 1186, "interval");

/** All that Arrow's decimal128 holds; a longer result is an error and no other number. */
const digitsMax = 38;
const decimal = (scale: number) =>
  leaf({ kind: "decimal", precision: digitsMax, scale }, "Decimal", 1700, "numeric");

/** What numbers in events come to, in millionths. */
export const DECIMAL = decimal(6);

/** Decimals of an average where the column has no more itself. */
const meanScale = 6;

const scaleOfMean = (scale: number) => Math.max(meanScale, scale);

function sumType({ scalar }: LeafType): LeafType | null {
  switch (scalar.kind) {
    case "int2":
    case "int4":
      return BIG_INT;
    case "int8":
      return decimal(0);
    case "decimal":
      return decimal(scalar.scale);
    case "numeric":
      return ANY_DECIMAL;
    case "float4":
    case "float8":
      return FLOAT;
    case "interval":
      return DURATION;
    default:
      return null;
  }
}

function meanType({ scalar }: LeafType): LeafType | null {
  switch (scalar.kind) {
    case "decimal":
      return decimal(scaleOfMean(scalar.scale));
    case "numeric":
      return ANY_DECIMAL;
    case "int2":
    case "int4":
    case "int8":
    case "float4":
    case "float8":
      return FLOAT;
    default:
      return null;
  }
}

/** Text types for which PostgreSQL has `min`, with the oid of what it gives. */
const EXTREME_TEXT: Readonly<Record<string, number>> = {
  '"pg_catalog"."text"': 25,
  '"pg_catalog"."varchar"': 25,
  '"pg_catalog"."bpchar"': 1042,
};

function extremeType(type: LeafType): LeafType | null {
  switch (type.scalar.kind) {
    case "int2":
    case "int4":
    case "int8":
    case "float4":
    case "float8":
    case "decimal":
    case "numeric":
    case "date":
    case "time":
    case "timestamp":
    case "timestamptz":
    case "interval":
    case "enum":
      return type;
    case "text": {
      const oid = type.readAs === null ? EXTREME_TEXT[type.sqlType] : undefined;
      return oid === undefined ? null : { ...type, oid };
    }
    default:
      return null;
  }
}

/** PostgreSQL sums float4 as float4, which loses digits that are there. */
function widened(column: string, { scalar }: LeafType): string {
  return scalar.kind === "float4" ? `${column}::"pg_catalog"."float8"` : column;
}

function mean(name: "avg" | "stddev_samp" | "var_samp", column: string, type: LeafType): string {
  const { scalar } = type;
  switch (scalar.kind) {
    case "int2":
    case "int4":
    case "int8":
      // Exact to the last division, and then of 17 digits, as many as a Float tells apart. But the
      // root of a large variance has no more decimals than that has, so it is drawn afterwards.
      return name === "stddev_samp"
        ? `pg_catalog.sqrt(pg_catalog.var_samp(${column})::"pg_catalog"."float8")`
        : `pg_catalog.${name}(${column})::"pg_catalog"."float8"`;
    case "decimal": {
      const scale = scaleOfMean(scalar.scale);
      return `pg_catalog.round(${exactly(name, column, digitsFor(scalar, scale))}, ${scale})`;
    }
    default:
      return `pg_catalog.${name}(${widened(column, type)})`;
  }
}

/**
 * PostgreSQL ends a division at 16 digits, or at as many decimals as its operands show, and what
 * `round` writes behind them is zeros. So the operands show more: zeros that its numbers do not
 * store, of the sum alone where that is enough, since a row's own cost a call each.
 */
function exactly(name: string, column: string, digits: number): string {
  if (name !== "avg") return `pg_catalog.${name}(pg_catalog.round(${column}, ${digits}))`;
  const sum = `pg_catalog.round(pg_catalog.sum(${column}), ${digits})`;
  return `pg_catalog.numeric_div(${sum}, pg_catalog.count(${column}))`;
}

/**
 * Decimals to compute with, so that rounding twice gives what rounding once would, for up to 10^12
 * values. With n of them, and d digits before the point, a variance that is not in the middle of two
 * results is 1/(4 n^2 10^2s) away from it at the least, and a deviation about as much divided by
 * 10^d; PostgreSQL's own have twice the decimals of its rows.
 */
function digitsFor({ precision, scale }: { precision: number; scale: number }, result: number) {
  return result + rowsDigits + 1 + Math.ceil((precision - scale) / 2);
}

const rowsDigits = 12;
