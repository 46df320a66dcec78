/** Conditions on events as SQL of ClickHouse: the same operators, the same three truth values. */

import { AppError } from "../errors.ts";
import {
  atPath,
  booleanOf,
  documentOf,
  isThere,
  itemsOf,
  type JsonPlace,
  lengthOf,
  numberSql,
  stringSql,
  textAt,
  typeOf,
} from "./event_json_sql.ts";
import { literal, textLiteral } from "./event_literals.ts";
import type { Condition } from "./read_plan.ts";
import { parameterText } from "./scalars.ts";
import type { LeafType, ValueType } from "./schema.ts";

type Comparison = Condition & { kind: "compare" | "jsonPath" };

/** The condition, its columns by ClickHouse's names. */
export function conditionSql(condition: Condition): string {
  switch (condition.kind) {
    case "and":
      return joinedSql(condition.items, " AND ", "true");
    case "or":
      return joinedSql(condition.items, " OR ", "false");
    case "not":
      return `NOT (${conditionSql(condition.item)})`;
    case "link":
      throw new Error("events have no links");
    case "jsonPath":
      return pathSql(condition, columnOf(condition).column);
    case "compare": {
      const { column, type, nullable } = columnOf(condition);
      return type.scalar.kind === "json"
        ? jsonSql(condition, column)
        : operatorSql(condition, column, type, nullable);
    }
    default:
      return condition satisfies never;
  }
}

function joinedSql(items: readonly Condition[], word: string, none: string): string {
  return items.length === 0 ? none : `(${items.map(conditionSql).join(word)})`;
}

function columnOf({ columns, place }: Comparison) {
  const column = columns.at(-1);
  if (column?.type.kind !== "leaf") throw new Error(`${place} is of no plain type`);
  return { column: column.column, type: column.type, nullable: column.nullable };
}

const SYMBOLS: Readonly<Record<string, string>> = {
  eq: "=",
  neq: "!=",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

/** What a condition asks of a value by its operator. */
export interface Asked {
  readonly operator: string;
  readonly value: unknown;
  readonly place: string;
}

/** An operator on SQL of the type. */
export function operatorSql(
  { operator, value, place }: Asked,
  sql: string,
  type: LeafType,
  nullable: boolean,
): string {
  const symbol = SYMBOLS[operator];
  if (symbol) {
    const operand = literal(type, value, place);
    // An index on the values knows them by equality alone.
    return operator === "eq" || operator === "neq"
      ? `${sql} ${symbol} ${operand}`
      : `${orderedSql(sql, type)} ${symbol} ${orderedSql(operand, type)}`;
  }
  switch (operator) {
    case "isNull":
      return `${sql} IS ${value === true ? "" : "NOT "}NULL`;
    case "in":
    case "nin": {
      const items = value as readonly unknown[];
      if (items.length === 0) return operator === "in" ? "false" : "true";
      const list = items.map((item, i) => literal(type, item, `${place}[${i}]`)).join(", ");
      const found = `${sql} ${operator === "in" ? "IN" : "NOT IN"} (${list})`;
      // IN itself says false of a null.
      return nullable ? `if(${sql} IS NULL, NULL, ${found})` : found;
    }
    default:
      return patternSql({ operator, value, place }, sql);
  }
}

/** A value as it is put in order: ClickHouse begins in the middle of a UUID. */
export function orderedSql(sql: string, type: ValueType): string {
  return type.kind === "leaf" && type.scalar.kind === "uuid" ? `UUIDToNum(${sql})` : sql;
}

/** How a text operator's input becomes a LIKE pattern. */
const PATTERNS: Readonly<
  Record<string, { readonly word: string; readonly of: (s: string) => string }>
> = {
  like: { word: "LIKE", of: samePattern },
  ilike: { word: "ILIKE", of: samePattern },
  contains: { word: "LIKE", of: (text) => `%${literally(text)}%` },
  icontains: { word: "ILIKE", of: (text) => `%${literally(text)}%` },
  startsWith: { word: "LIKE", of: (text) => `${literally(text)}%` },
  endsWith: { word: "LIKE", of: (text) => `%${literally(text)}` },
};

function patternSql({ operator, value, place }: Asked, sql: string): string {
  const pattern = PATTERNS[operator];
  if (!pattern) {
    throw new AppError("BAD_INPUT", `${place}: events cannot be asked for ${operator}`, {
      hint: operator === "matches"
        ? "use contains or icontains"
        : "see docs/events_queries.md for what can be asked",
    });
  }
  const text = parameterText({ kind: "text" }, value, place);
  if (/(^|[^\\])(\\\\)*\\$/.test(pattern.of(text))) {
    throw new AppError("BAD_INPUT", `${place}: the pattern ends with a backslash`, {
      hint: "a backslash escapes the character behind it; write two for one",
    });
  }
  return `${sql} ${pattern.word} ${textLiteral(pattern.of(text))}`;
}

const literally = (text: string) => text.replaceAll(/[\\%_]/g, "\\$&");

/** To PostgreSQL any character behind a backslash is itself, to ClickHouse only these are. */
function samePattern(text: string): string {
  return text.replaceAll(
    /\\([\s\S])/gu,
    (_, letter: string) => /[\\%_]/.test(letter) ? `\\${letter}` : letter,
  );
}

/** A condition on all of the JSON. */
function jsonSql({ operator, value, place }: Asked, column: string): string {
  const whole = { document: documentOf(column), keys: [] };
  const values = new OperandBudget(place);
  switch (operator) {
    case "isNull":
      return value === true ? "false" : "true";
    case "eq":
      return equals(whole, value, values);
    case "neq":
      return `NOT ${equals(whole, value, values)}`;
    case "in":
    case "nin":
      return `${operator === "in" ? "" : "NOT "}${
        anyOf((value as readonly unknown[]).map((item) => equals(whole, item, values)))
      }`;
    case "contains":
      return contains(whole, value, values);
    case "hasKey":
      return `JSONHas(${whole.document}, ${
        textLiteral(parameterText({ kind: "text" }, value, place))
      })`;
    default:
      throw new AppError("BAD_INPUT", `${place}: there is no such operator here`);
  }
}

/** A condition on what is at a path; unknown where nothing is. */
function pathSql(condition: Condition & { kind: "jsonPath" }, column: string): string {
  const { operator, value, place } = condition;
  const path = pathKeys(condition.path, place);
  if (operator === "isNull" || PATTERNS[operator]) {
    return operatorSql(condition, textAt(column, path), TEXT, false);
  }
  const values = new OperandBudget(place);
  return atPath(column, path, (at) => {
    const is = (item: unknown) => equals(at, item, values);
    const asked = (): string => {
      switch (operator) {
        case "eq":
          return is(value);
        case "neq":
          return `NOT ${is(value)}`;
        case "in":
          return anyOf((value as readonly unknown[]).map(is));
        case "nin":
          return `NOT ${anyOf((value as readonly unknown[]).map(is))}`;
        default:
          return ordered(at, SYMBOLS[operator] ?? "=", value, place);
      }
    };
    return `if(${isThere(at)}, ${asked()}, NULL)`;
  });
}

const TEXT = { kind: "leaf", scalar: { kind: "text" } } as LeafType;

/** Checked keys: each doubles what follows where it can be an index too. */
export function pathKeys(path: readonly string[], place: string): readonly string[] {
  if (path.length === 0) throw new AppError("BAD_INPUT", `${place}: the path has no key`);
  if (path.filter((key) => /^-?\d+$/.test(key)).length > indexesMax) {
    throw new AppError(
      "TOO_LARGE",
      `${place}: more than ${indexesMax} keys of the path are numbers`,
    );
  }
  return path.map((key) => parameterText({ kind: "text" }, key, place));
}

/**
 * Each doubles the statement, twice where a text is looked for: a key of digits is an index or a name.
 * Nothing to set: a statement that is much longer ClickHouse refuses.
 */
export const indexesMax = 4;

/** `gt` and its like hold between two numbers, two texts or two booleans. */
function ordered(at: JsonPlace, symbol: string, value: unknown, place: string): string {
  switch (typeof value) {
    case "number":
      return ofNumbers(at, symbol, value);
    case "string":
      return known(`${stringSql(at)} ${symbol} ${textLiteral(value)}`);
    case "boolean":
      return `(${typeOf(at)} = 'Bool' AND ${booleanOf(at)} ${symbol} ${value})`;
    default:
      throw new AppError("BAD_INPUT", `${place}: objects, arrays and null have no order here`);
  }
}

/** Exact up to 38 digits before the point and as many behind it. */
function ofNumbers(at: JsonPlace, symbol: string, value: number): string {
  const digits = numberSql(at);
  const rough = `toFloat64OrNull(${digits}) ${symbol} toFloat64('${value}')`;
  if (Math.abs(value) >= 1e37) return known(rough);
  const exact = `toDecimal256OrNull(${digits}, 38) ${symbol} toDecimal256('${value}', 38)`;
  return known(`ifNull(${exact}, ${rough})`);
}

/** False where the value is of another type. */
const known = (sql: string) => `ifNull(${sql}, false)`;

const anyOf = (items: readonly string[]) =>
  items.length === 0 ? "false" : `(${items.join(" OR ")})`;

/** Values inside of an operand, each of which becomes a condition. */
class OperandBudget {
  #left = valuesMax;
  #next = 0;

  constructor(private readonly place: string) {}

  take(): void {
    if (--this.#left >= 0) return;
    throw new AppError(
      "TOO_LARGE",
      `${this.place}: more than ${valuesMax} values to compare with`,
      {
        hint: "compare values at paths",
      },
    );
  }

  /** A name for the element of an array. */
  name(): string {
    return `x${this.#next++}`;
  }
}

/**
 * A text becomes some 160 words of the statement, a number, compared to its last digit, up to a
 * thousand; so this keeps what one operand becomes below a megabyte or so. Nothing to set: what
 * ClickHouse takes in one statement it bounds itself, and says so as `TOO_LARGE`.
 */
export const valuesMax = 200;

/** The same JSON, whatever the order of keys; never null. */
function equals(at: JsonPlace, value: unknown, budget: OperandBudget): string {
  budget.take();
  if (Array.isArray(value)) {
    const items = value.map((item, i) => equals(below(at, String(i + 1)), item, budget));
    return allOf([`${typeOf(at)} = 'Array'`, `${lengthOf(at)} = ${value.length}`, ...items]);
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    return allOf([
      `${typeOf(at)} = 'Object'`,
      `${lengthOf(at)} = ${entries.length}`,
      ...entries.map(([key, item]) => inObject(at, key, (there) => equals(there, item, budget))),
    ]);
  }
  return equalsPlain(at, value);
}

function equalsPlain(at: JsonPlace, value: unknown): string {
  switch (typeof value) {
    case "number":
      return ofNumbers(at, "=", value);
    case "string":
      return known(`${stringSql(at)} = ${textLiteral(value)}`);
    case "boolean":
      return `(${typeOf(at)} = 'Bool' AND ${booleanOf(at)} = ${value})`;
    default:
      return `(${typeOf(at)} = 'Null')`;
  }
}

/** PostgreSQL's @>: objects have at least these keys, arrays elements that contain these. */
function contains(at: JsonPlace, value: unknown, budget: OperandBudget): string {
  budget.take();
  if (Array.isArray(value)) {
    const items = value.map((item) => {
      const x = budget.name();
      const inner = contains({ document: x, keys: [] }, item, budget);
      return `arrayExists(${x} -> ${inner}, ${itemsOf(at)})`;
    });
    return allOf([`${typeOf(at)} = 'Array'`, ...items]);
  }
  if (typeof value === "object" && value !== null) {
    const items = Object.entries(value).map(([key, item]) =>
      inObject(at, key, (there) => contains(there, item, budget))
    );
    return allOf([`${typeOf(at)} = 'Object'`, ...items]);
  }
  return equalsPlain(at, value);
}

const below = ({ document, keys }: JsonPlace, key: string) => ({ document, keys: [...keys, key] });

function inObject(at: JsonPlace, key: string, make: (there: JsonPlace) => string): string {
  const there = below(at, textLiteral(key));
  return `(${isThere(there)} AND ${make(there)})`;
}

const allOf = (items: readonly string[]) => `(${items.join(" AND ")})`;
