/** Groups of events -> a statement of ClickHouse, and the shape of its rows. */

import type { ObjectField, ResultField } from "../arrow/result_field.ts";
import { BIG_INT, DECIMAL, type TruncateBy } from "./aggregates.ts";
import { conditionSql, operatorSql } from "./event_conditions.ts";
import { millionthsAt, textAt } from "./event_json_sql.ts";
import { textLiteral } from "./event_literals.ts";
import { EVENTS } from "./event_relations.ts";
import { millionthsValue, rowColumns, type RowValue, rowValue } from "./event_row_sql.ts";
import { type CompiledEvents, DIRECTIONS, limitSql, whereSql } from "./event_sql.ts";
import type {
  EventGroup,
  EventGroupSelection,
  EventGroupsRead,
  EventHaving,
  EventMeasure,
  EventValue,
} from "./plan_events.ts";

/** The statement of `eventsAggregate`. */
export function compileEventGroups(read: EventGroupsRead): CompiledEvents {
  return new Compiler(read).compile();
}

class Compiler {
  /** Named expressions of the statement, by their SQL. */
  readonly #names = new Map<string, string>();

  constructor(private readonly read: EventGroupsRead) {}

  compile(): CompiledEvents {
    const { groups, selection, where, having, limit } = this.read;
    const keys = groups.map((group) => this.#named(keySql(group), "g"));
    const values: RowValue[] = [];
    const fields = selection.map((part) => this.#field(part, keys, values));
    const list = rowColumns(values);
    const conditions = having ? ` AND ${this.#havingSql(having)}` : "";
    const order = this.#orderSql(keys);
    const named = [...this.#names].map(([sql, name]) => `${sql} AS ${name}`);
    const text = (named.length > 0 ? `WITH ${named.join(", ")} ` : "") +
      `SELECT ${list} FROM ${EVENTS.name}${whereSql(where ? [conditionSql(where)] : [])}` +
      // Without an aggregate in it ClickHouse would take the statement for one of rows.
      (keys.length > 0 ? ` GROUP BY ${keys.join(", ")}` : "") +
      ` HAVING count() >= 0${conditions}` +
      order + limitSql(limit);
    return { statement: { source: "events", text }, fields };
  }

  #named(sql: string, letter: string): string {
    const known = this.#names.get(sql);
    if (known) return known;
    const name = `${letter}${this.#names.size}`;
    this.#names.set(sql, name);
    return name;
  }

  #field(part: EventGroupSelection, keys: readonly string[], values: RowValue[]): ResultField {
    switch (part.kind) {
      case "constant":
        return part;
      case "measure": {
        const { name, measure } = part;
        if (isCount(measure)) {
          values.push(rowValue(this.#measureSql(measure), BIG_INT, false));
          return { kind: "scalar", name, nullable: false, type: BIG_INT.scalar };
        }
        values.push(millionthsValue(this.#measureSql(measure)));
        return { kind: "scalar", name, nullable: true, type: DECIMAL.scalar };
      }
      case "group":
        return this.#groupField(part, keys, values);
      default:
        return part satisfies never;
    }
  }

  #groupField(
    { name, parts }: EventGroupSelection & { kind: "group" },
    keys: readonly string[],
    values: RowValue[],
  ): ResultField {
    const elements = this.read.groups.map((group, i): ObjectField => ({
      kind: "object",
      name: group.as,
      nullable: false,
      inlinePrefix: "",
      isElement: true,
      fields: parts.map((part): ResultField => {
        if (part.kind === "key") return { kind: "constant", name: part.name, value: group.as };
        if (part.kind === "__typename") {
          return { kind: "constant", name: part.name, value: "EntityEventGroup" };
        }
        values.push({ ...shownSql(group, keys[i] ?? ""), bytes: null });
        return { kind: "scalar", name: part.name, nullable: true, type: { kind: "text" } };
      }),
    }));
    return {
      kind: "object",
      name,
      nullable: false,
      inlinePrefix: "",
      elements: true,
      fields: elements,
    };
  }

  #measureSql(measure: EventMeasure): string {
    switch (measure.function) {
      case "count":
        return "count()";
      case "countDistinct":
        return this.#named(`uniqExact(${valueSql(measure.value)})`, "m");
      case "avg": {
        const numbers = millionthsAt("data", measure.path);
        const sum = this.#named(`sum(${numbers})`, "m");
        const count = `toInt256(greatest(count(${numbers}), 1))`;
        return this.#named(
          `intDiv(abs(${sum}) * 2 + ${count}, ${count} * 2) * sign(${sum})`,
          "m",
        );
      }
      default:
        return this.#named(`${measure.function}(${millionthsAt("data", measure.path)})`, "m");
    }
  }

  #havingSql(having: EventHaving): string {
    switch (having.kind) {
      case "and":
        return joined(having.items.map((item) => this.#havingSql(item)), " AND ", "true");
      case "or":
        return joined(having.items.map((item) => this.#havingSql(item)), " OR ", "false");
      case "not":
        return `NOT (${this.#havingSql(having.item)})`;
      case "compare": {
        const sql = this.#measureSql(having.measure);
        if (isCount(having.measure)) return operatorSql(having, sql, BIG_INT, false);
        return operatorSql(having, `(${sql} * 2)`, DECIMAL, true);
      }
      default:
        return having satisfies never;
    }
  }

  #orderSql(keys: readonly string[]): string {
    const { order, limit } = this.read;
    if (order.length === 0 && limit === null) return "";
    const terms = order.map(({ by, direction }) =>
      `${"group" in by ? keys[by.group] : this.#measureSql(by)} ${DIRECTIONS[direction]}`
    );
    const all = [...terms, ...keys.map((key) => `${key} ${DIRECTIONS.ASC}`)];
    return all.length > 0 ? ` ORDER BY ${all.join(", ")}` : "";
  }
}

function isCount(measure: EventMeasure): boolean {
  return measure.function === "count" || measure.function === "countDistinct";
}

function joined(items: readonly string[], word: string, none: string): string {
  return items.length === 0 ? none : `(${items.join(word)})`;
}

function valueSql(value: EventValue): string {
  return value.kind === "path" ? textAt("data", value.path) : value.column.column;
}

/** ClickHouse's functions by period; dates become the midnight that they begin with. */
const PERIODS: Readonly<Record<TruncateBy, (zone: string) => string>> = {
  MINUTE: (zone) => `toStartOfMinute(timestamp, ${zone})`,
  HOUR: (zone) => `toStartOfHour(timestamp, ${zone})`,
  DAY: (zone) => `toStartOfDay(timestamp, ${zone})`,
  WEEK: (zone) => `toDateTime(toStartOfWeek(timestamp, 1, ${zone}), ${zone})`,
  MONTH: (zone) => `toDateTime(toStartOfMonth(timestamp, ${zone}), ${zone})`,
  QUARTER: (zone) => `toDateTime(toStartOfQuarter(timestamp, ${zone}), ${zone})`,
  YEAR: (zone) => `toDateTime(toStartOfYear(timestamp, ${zone}), ${zone})`,
};

/** What events are grouped and ordered by. */
function keySql({ value, period }: EventGroup): string {
  if (period) return PERIODS[period.by](textLiteral(period.timeZone));
  // ClickHouse puts UUIDs in an order of its own.
  return value.kind === "field" && value.column.name === "eventId"
    ? `toString(${value.column.column})`
    : valueSql(value);
}

/** The key as a text. */
function shownSql(
  { value, period }: EventGroup,
  key: string,
): { readonly sql: string; readonly nullable: boolean } {
  if (period) {
    return { sql: `formatDateTime(${key}, '%Y-%m-%dT%H:%i:%SZ', 'UTC')`, nullable: false };
  }
  if (value.kind === "path") return { sql: key, nullable: true };
  const { name, nullable, type } = value.column;
  if (name === "timestamp") {
    const whole = `formatDateTime(${key}, '%Y-%m-%dT%H:%i:%S.%fZ', 'UTC')`;
    return { sql: `replaceRegexpOne(${whole}, '\\\\.?0*Z$', 'Z')`, nullable: false };
  }
  const isText = type.kind === "leaf" && type.scalar.kind === "text";
  return { sql: isText ? key : `toString(${key})`, nullable };
}
