/** Reads of events -> statements of ClickHouse, and the shape of their rows. */

import type { ResultField } from "../arrow/result_field.ts";
import { conditionSql, orderedSql, pathKeys } from "./event_conditions.ts";
import { rawSql } from "./event_json_sql.ts";
import { rowColumns, type RowValue, rowValue } from "./event_row_sql.ts";
import type { EventStatement } from "./event_store.ts";
import { type OrderDirection, type Read, type Selection } from "./read_plan.ts";
import { leafField } from "./sql_parts.ts";

export interface CompiledEvents {
  readonly statement: EventStatement;
  readonly fields: readonly ResultField[];
}

/** The statement of a root list of events. */
export function compileEvents(read: Read): CompiledEvents {
  const items = read.selection.map(itemOf);
  const conditions = [
    ...read.where ? [conditionSql(read.where)] : [],
    ...read.after === undefined ? [] : [`position > ${read.after}`],
  ];
  const text = `SELECT ${rowColumns(items.flatMap(({ value }) => value ?? []))} ` +
    `FROM ${read.relation.name}${whereSql(conditions)}${orderSql(read)}${limitSql(read.limit)}`;
  return { statement: { source: "events", text }, fields: items.map(({ field }) => field) };
}

interface Item {
  /** Null for a constant. */
  readonly value: RowValue | null;
  readonly field: ResultField;
}

function itemOf(selection: Selection): Item {
  if (selection.kind === "constant") return { value: null, field: selection };
  if (selection.kind !== "column" || selection.column.type.kind !== "leaf") {
    throw new Error(`events have no ${selection.name}`);
  }
  const { name, column: { column, type, nullable }, path } = selection;
  if (path) {
    const sql = rawSql(column, pathKeys(path, `${name}.path`));
    return { value: rowValue(sql, type, true), field: leafField(name, true, type, type.oid) };
  }
  return {
    value: rowValue(column, type, nullable),
    field: leafField(name, nullable, type, type.oid),
  };
}

export function whereSql(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

/** As PostgreSQL orders: nulls last, or first where it is descending. */
export const DIRECTIONS: Readonly<Record<OrderDirection, string>> = {
  ASC: "ASC NULLS LAST",
  DESC: "DESC NULLS FIRST",
  ASC_NULLS_FIRST: "ASC NULLS FIRST",
  ASC_NULLS_LAST: "ASC NULLS LAST",
  DESC_NULLS_FIRST: "DESC NULLS FIRST",
  DESC_NULLS_LAST: "DESC NULLS LAST",
};

/** The key comes last, so that equal rows have one order and pages do not overlap. */
function orderSql({ order, relation, limit, after }: Read): string {
  if (order.length === 0 && limit === null && after === undefined) return "";
  const named = new Set(order.map(({ column }) => column));
  const ties = relation.key.filter((column) => !named.has(column));
  const terms = [
    ...order.map(({ column, direction }) =>
      `${orderedSql(column.column, column.type)} ${DIRECTIONS[direction]}`
    ),
    ...ties.map(({ column }) => `${column} ${DIRECTIONS.ASC}`),
  ];
  return ` ORDER BY ${terms.join(", ")}`;
}

export function limitSql(rows: number | null): string {
  return rows === null ? "" : ` LIMIT ${rows}`;
}
