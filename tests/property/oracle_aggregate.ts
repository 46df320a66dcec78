/** Aggregates as plain SQL. */

import { literal } from "./ddl.ts";
import type { AggregateName, Aggregating, Grouping, Having, Measure } from "./model.ts";
import { columnOf, missing } from "./model.ts";
import { columnName } from "./names.ts";
import { type At, columnSql, fromSql, leafJson, type Made, type Oracle } from "./oracle.ts";
import { conditionSql, SYMBOLS } from "./oracle_condition.ts";
import type { Field, LeafShape } from "./shape.ts";
import { leafRow, type TypeRow } from "./types.ts";

/** Groups as a JSON array; `parent` is the condition that the rows belong to one. */
export function aggregateSql(
  oracle: Oracle,
  at: At,
  asked: Aggregating,
  parent: string | null,
): Made {
  const made = asked.measures.map((measure) => measureSql(oracle, at, asked, measure));
  const pairs = made.map(({ name, sql }) => `${literal(name)}, ${sql}`);
  const conditions = [
    ...parent === null ? [] : [parent],
    ...asked.where === null ? [] : [conditionSql(oracle, at, asked.where)],
  ];
  const groups = asked.groupBy.map((group) => groupSql(at, group));
  const order = asked.orderBy.map((term) => {
    const sql = term.kind === "count"
      ? "count(*)"
      : term.kind === "group"
      ? groupSql(at, asked.groupBy.find(({ column }) => column === term.column) ?? missing("group"))
      : functionSql(at, term.name, term.column);
    return `${sql} ${term.direction}`;
  });
  const rows = `select json_build_object(${pairs.join(", ")}) from ${fromSql(at)}` +
    (conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "") +
    (groups.length > 0 ? ` group by ${groups.join(", ")}` : "") +
    (asked.having === null ? "" : ` having ${havingSql(at, asked.having)}`) +
    (order.length > 0 ? ` order by ${order.join(", ")}` : "") +
    (asked.limit === null ? "" : ` limit ${asked.limit}`) +
    (asked.offset === null ? "" : ` offset ${asked.offset}`);
  const fields = made.map(({ name, shape }): Field => ({ name, shape }));
  return {
    sql: `array_to_json(array(${rows}))`,
    shape: {
      kind: "list",
      // Groups with equal counts have no order, unless all that tells them apart is in it.
      ordered: asked.groupBy.every(({ column }) =>
        asked.orderBy.some((term) => term.kind === "group" && term.column === column)
      ),
      nullable: false,
      item: { kind: "object", nullable: false, fields },
    },
  };
}

function groupSql(at: At, { column, by, timeZone }: Grouping): string {
  const sql = columnSql(at, column);
  if (by === null) return sql;
  const cut = `date_trunc(${literal(by.toLowerCase())}, ${sql}${
    timeZone === null ? "" : `, ${literal(timeZone)}`
  })`;
  return timeZone === null || by === "HOUR"
    ? cut
    : `oracle.first_moment(${cut}, ${literal(timeZone)})`;
}

const COUNT: LeafShape = { kind: "leaf", form: "string", arrow: "int64", nullable: false };

function measureSql(
  oracle: Oracle,
  at: At,
  asked: Aggregating,
  measure: Measure,
): Made & { readonly name: string } {
  switch (measure.kind) {
    case "count":
      return { name: "count", sql: "count(*)::text", shape: COUNT };
    case "group":
      return object(
        "group",
        asked.groupBy.map((group) => {
          const column = columnOf(at.table, group.column);
          const row = leafRow(column.type);
          return {
            name: columnName(at.table, group.column),
            ...leafJson(row, groupSql(at, group), oracle.canBeNull(column)),
          };
        }),
      );
    case "of":
      return object(
        measure.name,
        measure.columns.map((column) => ({
          name: columnName(at.table, column),
          ...valueSql(at, measure.name, column),
        })),
      );
    default:
      return measure satisfies never;
  }
}

function object(
  name: string,
  inner: readonly (Made & { readonly name: string })[],
): Made & { readonly name: string } {
  const pairs = inner.map(({ name, sql }) => `${literal(name)}, ${sql}`);
  return {
    name,
    sql: `json_build_object(${pairs.join(", ")})`,
    shape: {
      kind: "object",
      nullable: false,
      fields: inner.map(({ name, shape }) => ({ name, shape })),
    },
  };
}

const FUNCTIONS: Readonly<Record<AggregateName, (column: string) => string>> = {
  countDistinct: (column) => `count(distinct ${column})`,
  sum: (column) => `sum(${column})`,
  avg: (column) => `avg(${column})`,
  min: (column) => `min(${column})`,
  max: (column) => `max(${column})`,
  stddev: (column) => `stddev_samp(${column})`,
  variance: (column) => `var_samp(${column})`,
};

function functionSql(at: At, name: AggregateName, column: string): string {
  const row = leafRow(columnOf(at.table, column).type);
  const sql = columnSql(at, column);
  const isMean = name === "avg" || name === "stddev" || name === "variance";
  if (!isMean || row.number === "numeric") return FUNCTIONS[name](sql);
  if (row.number === "float") return `${FUNCTIONS[name](sql)}::float8`;
  const exact = (scale: number) => `oracle.exact_${name}(array_agg(${sql}::numeric), ${scale})`;
  // More decimals than a Float shows.
  return row.number === "decimal" ? exact(meanScale(row)) : `${exact(30)}::float8`;
}

const meanScale = ({ scale }: TypeRow) => Math.max(6, scale);

/** The value's JSON and shape by the documented table. */
function valueSql(at: At, name: AggregateName, column: string): Made {
  const row = leafRow(columnOf(at.table, column).type);
  const sql = functionSql(at, name, column);
  if (name === "countDistinct") return { sql: `${sql}::text`, shape: COUNT };
  if (name === "min" || name === "max") return leafJson(row, sql, true);
  if (name === "sum") return sumSql(row, sql);
  if (row.number === "numeric") return textSql(sql, "string");
  if (row.number !== "decimal") return floatSql(sql);
  return textSql(sql, `decimal128(38, ${meanScale(row)})`);
}

function sumSql(row: TypeRow, sql: string): Made {
  switch (row.number) {
    case "int":
      return textSql(sql, "int64");
    case "int8":
      return textSql(sql, "decimal128(38, 0)");
    case "decimal":
      return textSql(sql, `decimal128(38, ${row.scale})`);
    case "numeric":
      return textSql(sql, "string");
    case "float":
      return floatSql(sql);
    default:
      return missing("sum");
  }
}

function textSql(sql: string, arrow: string): Made {
  // Arrow's decimals have no NaN.
  const text = arrow.startsWith("decimal") ? `oracle.decimal_text(${sql})` : `(${sql})::text`;
  return { sql: text, shape: { kind: "leaf", form: "string", arrow, nullable: true } };
}

function floatSql(sql: string): Made {
  return {
    sql: `oracle.float_json(${sql})`,
    shape: { kind: "leaf", form: "float", arrow: "double", nullable: true, near: true },
  };
}

function havingSql(at: At, having: Having): string {
  switch (having.kind) {
    case "count":
      return `count(*) ${SYMBOLS[having.operator]} ${literal(having.operand.sql)}::int8`;
    case "of":
      return `${functionSql(at, having.name, having.column)} ${SYMBOLS[having.operator]} ${
        literal(having.operand.sql)
      }::numeric`;
    case "and":
      return `(${["true", ...having.items.map((item) => havingSql(at, item))].join(" and ")})`;
    case "or":
      return `(${["false", ...having.items.map((item) => havingSql(at, item))].join(" or ")})`;
    case "not":
      return `(not ${havingSql(at, having.item)})`;
    default:
      return having satisfies never;
  }
}
