/** Groups of rows -> SQL. What rows are grouped by is computed once, beside each row. */

import type { ResultField } from "../arrow/result_field.ts";
import { BIG_INT, COLUMN_FUNCTIONS, TRUNCATE_BY } from "./aggregates.ts";
import { comparable, operatorSql } from "./operators.ts";
import {
  type AggregateCondition,
  type AggregateOrder,
  type AggregateRead,
  type AggregateSelection,
  type Condition,
  type Group,
  type Measure,
  ORDER_DIRECTIONS,
} from "./read_plan.ts";
import { type Column, type LeafType, type Link, RECORD_OID } from "./schema.ts";
import {
  columnSql,
  type CompiledSelect,
  leafField,
  limitSql,
  linkSql,
  offsetSql,
  type Parameters,
  readAs,
  relationSql,
  Scope,
} from "./sql_parts.ts";

/** What the compiler of rows lends. */
export interface RowCompiler {
  readonly parameters: Parameters;
  nextAlias(): string;
  condition(condition: Condition, scope: Scope): string;
}

interface Parent {
  readonly scope: Scope;
  readonly link: Link;
}

/**
 * The select of groups. At the root each value is a column of its own, and the objects around them
 * are inline; below a parent they are records.
 */
export function aggregateSql(
  read: AggregateRead,
  rows: RowCompiler,
  parent: Parent | null,
): CompiledSelect {
  return new AggregateCompiler(read, rows, parent).select();
}

interface Values {
  readonly columns: readonly { readonly sql: string; readonly oid: number }[];
  readonly fields: readonly ResultField[];
}

class AggregateCompiler {
  readonly #scope: Scope;
  readonly #keys: string;

  constructor(
    private readonly read: AggregateRead,
    private readonly rows: RowCompiler,
    private readonly parent: Parent | null,
  ) {
    this.#scope = new Scope(read.relation, rows.nextAlias());
    this.#keys = rows.nextAlias();
  }

  select(): CompiledSelect {
    const { read, rows, parent } = this;
    const values = this.#values(read.selection);
    const keys = read.groups.map((group, i) => `${this.#keySql(group)} as g${i}`).join(", ");
    const conditions = [
      ...parent ? [linkSql(parent.link, parent.scope, this.#scope)] : [],
      ...read.where ? [rows.condition(read.where, this.#scope)] : [],
    ];
    const groupBy = read.groups.map((_, i) => this.#key(i)).join(", ");
    // Without a group or an aggregate there would be a row for each row; HAVING makes it one group.
    const having = read.having ? this.#condition(read.having) : groupBy === "" ? "true" : "";
    const tail = this.#order() + limitSql(read.limit) + offsetSql(rows.parameters, read.offset);
    const columns = values.columns.map(({ sql }) => sql).join(", ");
    return {
      fields: values.fields,
      resultTypes: values.columns.map(({ oid }) => oid),
      select: (form) =>
        `select ${form === "record" ? `row(${columns})` : columns} ` +
        `from ${relationSql(read.relation)} ${this.#scope.alias}` +
        (keys && ` cross join lateral (select ${keys}) ${this.#keys}`) +
        (conditions.length > 0 ? ` where ${conditions.join(" and ")}` : "") +
        (groupBy && ` group by ${groupBy}`) + (having && ` having ${having}`) + tail,
    };
  }

  #values(selection: readonly AggregateSelection[]): Values {
    const all = selection.map((part) => this.#value(part));
    return {
      columns: all.flatMap(({ columns }) => columns),
      fields: all.flatMap(({ fields }) => fields),
    };
  }

  #value(part: AggregateSelection): Values {
    switch (part.kind) {
      case "constant":
        return { columns: [], fields: [part] };
      case "group": {
        const group = this.read.groups[part.group]!;
        const { type, nullable, declaredOid } = group.column;
        const oid = type.readAs?.oid ?? (group.by === null ? declaredOid : type.oid);
        return {
          columns: [{ sql: readAs(this.#keyValue(part.group), type, ""), oid: type.oid }],
          fields: [leafField(part.name, nullable, type, oid)],
        };
      }
      case "measure": {
        const type = measureType(part.measure);
        const isCount = /^count/.test(part.measure.function);
        return {
          columns: [{ sql: this.#measure(part.measure), oid: type.oid }],
          fields: [leafField(part.name, !isCount, type, type.oid)],
        };
      }
      case "parts": {
        const { columns, fields } = this.#values(part.parts);
        const object = {
          kind: "object",
          name: part.name,
          nullable: false,
          oid: RECORD_OID,
          fields,
        } as const;
        if (this.parent) {
          const sql = `row(${columns.map((column) => column.sql).join(", ")})`;
          return { columns: [{ sql, oid: RECORD_OID }], fields: [object] };
        }
        const inlinePrefix = part.isGroup ? "" : `${part.name}_`;
        return { columns, fields: [{ ...object, inlinePrefix }] };
      }
      default:
        return part satisfies never;
    }
  }

  #key(group: number): string {
    return `${this.#keys}.g${group}`;
  }

  #keySql({ column, by, timeZone }: Group): string {
    const sql = columnSql(this.#scope, column);
    if (by === null) return sql;
    const isDate = column.type.scalar.kind === "date";
    const time = isDate ? `${sql}::"pg_catalog"."timestamp"` : sql;
    const zone = timeZone === null
      ? ""
      : `, ${this.rows.parameters.add(timeZone, `"pg_catalog"."text"`)}`;
    const cut = `pg_catalog.date_trunc('${TRUNCATE_BY[by]}', ${time}${zone})`;
    return isDate ? `${cut}::"pg_catalog"."date"` : cut;
  }

  /** A group's key as it is given: of two moments with the period's first local time, the earlier. */
  #keyValue(group: number): string {
    const { by, timeZone } = this.read.groups[group]!;
    const key = this.#key(group);
    const isDays = by !== null && by !== "HOUR" && by !== "MINUTE";
    if (!isDays || timeZone === null || /^(?:UTC|GMT)$/i.test(timeZone)) return key;
    return firstMoment(key, this.rows.parameters.add(timeZone, `"pg_catalog"."text"`));
  }

  #measure(measure: Measure): string {
    if (measure.function === "count") return "pg_catalog.count(*)";
    const row = COLUMN_FUNCTIONS.find(({ name }) => name === measure.function);
    if (!row) throw new Error(`there is no function ${measure.function}`);
    const { column } = measure;
    return row.sql(comparable(columnSql(this.#scope, column), column, column.type), column.type);
  }

  #condition(condition: AggregateCondition): string {
    switch (condition.kind) {
      case "and":
      case "or": {
        const parts = condition.items.map((item) => this.#condition(item));
        if (parts.length === 0) return condition.kind === "and" ? "true" : "false";
        return `(${parts.join(` ${condition.kind} `)})`;
      }
      case "not":
        return `not (${this.#condition(condition.item)})`;
      case "compare": {
        const { measure, operator, value, place } = condition;
        const columns = [{ ...COUNT, type: measureType(measure) }];
        const comparison = { kind: "compare", columns, operator, value, place } as const;
        return operatorSql(comparison, this.#measure(measure), this.rows.parameters);
      }
      default:
        return condition satisfies never;
    }
  }

  #order(): string {
    const { order, groups, limit, offset } = this.read;
    if (order.length === 0 && limit === null && offset === null && !this.parent) return "";
    const named = new Set(order.flatMap(({ by }) => "group" in by ? by.group : []));
    const ties = groups.flatMap((_, i) => named.has(i) ? [] : this.#key(i));
    const all = [...order.map((term) => this.#orderTerm(term)), ...ties];
    return all.length > 0 ? ` order by ${all.join(", ")}` : "";
  }

  #orderTerm({ by, direction }: AggregateOrder): string {
    const sql = "group" in by ? this.#key(by.group) : this.#measure(by);
    return `${sql} ${ORDER_DIRECTIONS[direction]}`;
  }
}

/**
 * Where clocks are set back over midnight, its local time comes twice, and `date_trunc` gives the
 * second. The first is by the offset of the day before. It is computed for each group, not for each
 * row: equal keys stay equal, and in their order.
 */
function firstMoment(key: string, zone: string): string {
  const dayBefore = `${key} - '24 hours'::"pg_catalog"."interval"`;
  const local = (moment: string) => `pg_catalog.timezone(${zone}, ${moment})`;
  const first = `${dayBefore} + (${local(key)} - ${local(dayBefore)})`;
  const stamp = (text: string) => `'${text}'::"pg_catalog"."timestamptz"`;
  // Long ago there were no zones, and no moment is before the first, nor a difference of infinities.
  return `case when ${key} between ${stamp("1800-01-01")} and ${stamp("9999-12-31")} ` +
    `then case when ${local(first)} = ${local(key)} then ${first} else ${key} end ` +
    `else ${key} end`;
}

function measureType(measure: Measure): LeafType {
  return measure.function === "count" ? BIG_INT : measure.type;
}

/** What conditions on aggregates take for a column; its type is the aggregate's. */
const COUNT: Column = {
  kind: "column",
  column: "",
  name: "count",
  comment: null,
  nullable: true,
  type: BIG_INT,
  declaredOid: BIG_INT.oid,
};
