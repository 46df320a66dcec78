/** The operators of a `where` as SQL; CONDITIONS below is the table. */

import { AppError } from "../errors.ts";
import type { Condition } from "./read_plan.ts";
import { parameterText } from "./scalars.ts";
import type { LeafType, ValueType } from "./schema.ts";

interface ParameterList {
  add(text: string, sqlType: string, place?: string): string;
}

type Comparison = Condition & { kind: "compare" | "jsonPath" };

const TEXT = `"pg_catalog"."text"`;
const TEXT_ARRAY = `"pg_catalog"."text"[]`;
const JSONB = `"pg_catalog"."jsonb"`;

const SYMBOLS: Readonly<Record<string, string>> = {
  eq: "=",
  neq: "<>",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

/** How a text operator's input becomes a LIKE pattern. */
const PATTERNS: Readonly<
  Record<string, { readonly word: string; readonly of: (s: string) => string }>
> = {
  like: { word: "like", of: (text) => text },
  ilike: { word: "ilike", of: (text) => text },
  contains: { word: "like", of: (text) => `%${literally(text)}%` },
  icontains: { word: "ilike", of: (text) => `%${literally(text)}%` },
  startsWith: { word: "like", of: (text) => `${literally(text)}%` },
  endsWith: { word: "like", of: (text) => `%${literally(text)}` },
};

/** The condition on the column's SQL; its operand becomes a parameter. */
export function operatorSql(condition: Comparison, column: string, into: ParameterList): string {
  const last = condition.columns.at(-1);
  const type = last?.type;
  if (condition.kind === "jsonPath") return jsonPathSql(condition, `${column}::${JSONB}`, into);
  if (!type || type.kind === "composite") throw unknownOperator(condition);
  if (condition.operator === "isNull") return isNullSql(column, condition.value);
  if (type.kind === "array") return arraySql(condition, type.item, column, into);
  if (type.scalar.kind === "json" || type.scalar.kind === "jsonb") {
    return jsonSql(condition, type, `${column}::${JSONB}`, into);
  }
  if (condition.operator === "matches") return matchesSql(condition, type, column, into);
  return leafSql(condition, type, comparable(column, last, type), into);
}

/**
 * An operator of the type by its full name where an extension brought it: found by the search path
 * alone it could be another one, such as text's `=` for citext.
 */
export function operator(type: LeafType, symbol: string): string {
  return type.operatorSchema === null ? symbol : `operator(${type.operatorSchema}.${symbol})`;
}

/** A value as its type's operators take it: those of enums do not see through a domain. */
export function comparable(
  sql: string,
  { declaredOid }: { readonly declaredOid: number },
  type: LeafType,
): string {
  const isDomain = declaredOid !== type.oid && type.readAs === null;
  return isDomain && type.scalar.kind === "enum" ? `${sql}::${type.sqlType}` : sql;
}

/** The absence of a value; of composites it is never asked, since `IS NULL` looks at their parts. */
function isNullSql(column: string, value: unknown): string {
  return `${column} is ${value === true ? "" : "not "}null`;
}

function leafSql(
  condition: Comparison,
  type: LeafType,
  column: string,
  into: ParameterList,
): string {
  const { value, place } = condition;
  const symbol = SYMBOLS[condition.operator];
  if (symbol) {
    return `${column} ${operator(type, symbol)} ${
      into.add(parameterText(type.scalar, value, place), type.sqlType, place)
    }`;
  }
  const inList = condition.operator === "in";
  if (inList || condition.operator === "nin") {
    const list = into.add(arrayText(type, value, place), `${type.sqlType}[]`, place);
    return inList
      ? `${column} ${operator(type, "=")} any(${list})`
      : `${column} ${operator(type, "<>")} all(${list})`;
  }
  return patternSql(condition, column, into, type);
}

/** Words made ready for search. */
export function isWords(type: ValueType): boolean {
  return type.kind === "leaf" && type.sqlType === `"pg_catalog"."tsvector"`;
}

/** The configuration that leaves words as they are written, whatever their language. */
const SEARCH_CONFIG = `'pg_catalog.simple'::"pg_catalog"."regconfig"`;

function matchesSql(
  condition: Comparison,
  type: LeafType,
  column: string,
  into: ParameterList,
): string {
  const text = parameterText({ kind: "text" }, condition.value, condition.place);
  const words = isWords(type)
    ? column
    : `pg_catalog.to_tsvector(${SEARCH_CONFIG}, ${column}::${TEXT})`;
  const query = `pg_catalog.websearch_to_tsquery(${SEARCH_CONFIG}, ${into.add(text, TEXT)})`;
  return `${words} operator(pg_catalog.@@) ${query}`;
}

function patternSql(
  condition: Comparison,
  column: string,
  into: ParameterList,
  type: LeafType | null = null,
): string {
  const pattern = PATTERNS[condition.operator];
  if (!pattern) throw unknownOperator(condition);
  const text = parameterText({ kind: "text" }, condition.value, condition.place);
  if (/(^|[^\\])(\\\\)*\\$/.test(pattern.of(text))) {
    throw new AppError("BAD_INPUT", `${condition.place}: the pattern ends with a backslash`, {
      hint: "a backslash escapes the character behind it; write two for one",
    });
  }
  const like = type?.operatorSchema
    ? operator(type, pattern.word === "like" ? "~~" : "~~*")
    : pattern.word;
  return `${column} ${like} ${into.add(pattern.of(text), TEXT)}`;
}

function arraySql(
  condition: Comparison,
  item: ValueType,
  column: string,
  into: ParameterList,
): string {
  const { value, place } = condition;
  if (item.kind !== "leaf") throw unknownOperator(condition);
  const itemsType = `${item.sqlType}[]`;
  switch (condition.operator) {
    case "has": {
      const one = into.add(parameterText(item.scalar, value, place), item.sqlType, place);
      return `${one} ${operator(item, "=")} any(${column}::${itemsType})`;
    }
    case "hasAny":
      return `${column}::${itemsType} && ${
        into.add(arrayText(item, value, place), itemsType, place)
      }`;
    case "hasAll":
      return `${column}::${itemsType} @> ${
        into.add(arrayText(item, value, place), itemsType, place)
      }`;
    default:
      throw unknownOperator(condition);
  }
}

function jsonSql(
  condition: Comparison,
  type: LeafType,
  column: string,
  into: ParameterList,
): string {
  const { operator, value, place } = condition;
  const one = () => into.add(parameterText(type.scalar, value, place), JSONB);
  const list = () => into.add(arrayText(type, value, place), `${JSONB}[]`);
  switch (operator) {
    case "eq":
      return `${column} = ${one()}`;
    case "neq":
      return `${column} <> ${one()}`;
    case "in":
      return `${column} = any(${list()})`;
    case "nin":
      return `${column} <> all(${list()})`;
    case "contains":
      return `${column} @> ${one()}`;
    case "hasKey":
      return `${column} ? ${into.add(parameterText({ kind: "text" }, value, place), TEXT)}`;
    default:
      throw unknownOperator(condition);
  }
}

/**
 * Comparison with the value at a path. `gt` and its like hold between two numbers, two texts or two
 * booleans; jsonb's own order between kinds would surprise.
 */
function jsonPathSql(
  condition: Condition & { kind: "jsonPath" },
  column: string,
  into: ParameterList,
): string {
  const { operator, value, place, path } = condition;
  const keysSql = keysOf(path, place, into);
  const found = `(${column} #> ${keysSql})`;
  const foundText = `(${column} #>> ${keysSql})`;
  const json = (item: unknown) => parameterText({ kind: "jsonb" }, item, place);
  switch (operator) {
    case "isNull":
      return isNullSql(foundText, value);
    case "eq":
    case "neq":
      return `${found} ${SYMBOLS[operator]} ${into.add(json(value), JSONB)}`;
    case "gt":
    case "gte":
    case "lt":
    case "lte": {
      const operand = into.add(json(value), JSONB);
      return `(pg_catalog.jsonb_typeof(${found}) = pg_catalog.jsonb_typeof(${operand}) ` +
        `and ${found} ${SYMBOLS[operator]} ${operand})`;
    }
    case "in":
    case "nin": {
      const list = into.add(arrayLiteral((value as readonly unknown[]).map(json)), `${JSONB}[]`);
      return operator === "in" ? `${found} = any(${list})` : `${found} <> all(${list})`;
    }
    default:
      return patternSql(condition, foundText, into);
  }
}

/** What is at a path of a JSON column, as jsonb. */
export function pathSql(
  column: string,
  path: readonly string[],
  place: string,
  into: ParameterList,
): string {
  return `(${column}::${JSONB} operator(pg_catalog.#>) ${keysOf(path, place, into)})`;
}

function keysOf(path: readonly string[], place: string, into: ParameterList): string {
  const keys = path.map((key) => parameterText({ kind: "text" }, key, place));
  return into.add(arrayLiteral(keys), TEXT_ARRAY);
}

function arrayText(type: LeafType, value: unknown, place: string): string {
  const items = value as readonly unknown[];
  return arrayLiteral(items.map((item, i) => parameterText(type.scalar, item, `${place}[${i}]`)));
}

/** PostgreSQL's text form of an array, every element quoted. */
export function arrayLiteral(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

function literally(text: string): string {
  return text.replaceAll(/[\\%_]/g, "\\$&");
}

function unknownOperator(condition: Comparison): AppError {
  return new AppError("BAD_INPUT", `${condition.place}: there is no such operator here`);
}
