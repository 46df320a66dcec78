/** Conditions as plain SQL with literals. */

import { castSql, literal } from "./ddl.ts";
import type { Condition, ForeignKey, Operand } from "./model.ts";
import { columnOf, linkOf, missing } from "./model.ts";
import { quoted } from "./names.ts";
import { type At, columnSql, fromSql, type Oracle } from "./oracle.ts";
import { compositeRow, leafRow, type TypeRow } from "./types.ts";

/** `source` has the foreign key, `target` is where it leads. */
export function linkSql(source: At, link: ForeignKey, target: At): string {
  return link.columns.map((column, i) =>
    `${columnSql(source, column)} = ${columnSql(target, link.targetColumns[i] ?? "")}`
  ).join(" and ");
}

export function conditionSql(oracle: Oracle, at: At, condition: Condition): string {
  const inner = (item: Condition, there = at) => conditionSql(oracle, there, item);
  switch (condition.kind) {
    case "and":
      return `(${["true", ...condition.items.map((item) => inner(item))].join(" and ")})`;
    case "or":
      return `(${["false", ...condition.items.map((item) => inner(item))].join(" or ")})`;
    case "not":
      return `(not ${inner(condition.item)})`;
    case "one": {
      const link = linkOf(at.table, condition.link);
      const other = oracle.at(link.target);
      return `exists (select 1 from ${fromSql(other)} where ${linkSql(at, link, other)} and ${
        inner(condition.item, other)
      })`;
    }
    case "many": {
      const other = oracle.at(condition.source);
      const link = linkOf(other.table, condition.link);
      return `exists (select 1 from ${fromSql(other)} where ${linkSql(other, link, at)} and ${
        inner(condition.item, other)
      })`;
    }
    case "compare": {
      const { type } = columnOf(at.table, condition.column);
      const column = columnSql(at, condition.column);
      if (condition.operator === "isNull") {
        const of = condition.part === null ? column : `(${column}).${quoted(condition.part)}`;
        return nullSql(of, condition.operands);
      }
      if (type.kind === "array") return arraySql(condition, column, castSql(type));
      if (condition.part === null) return leafSql(condition, leafRow(type), column);
      const part = compositeRow(type.name).parts.find(([name]) => name === condition.part);
      const row = leafRow((part ?? missing("part"))[2]);
      return leafSql(condition, row, `(${column}).${quoted(condition.part)}`);
    }
    case "jsonPath":
      return pathSql(condition, columnSql(at, condition.column));
    default:
      return condition satisfies never;
  }
}

interface Asked {
  readonly operator: string;
  readonly operands: readonly Operand[];
}

export const SYMBOLS: Readonly<Record<string, string>> = {
  eq: "=",
  neq: "<>",
  gt: ">",
  gte: ">=",
  lt: "<",
  lte: "<=",
};

function first(operands: readonly Operand[]): string {
  return literal((operands[0] ?? missing("operand")).sql);
}

function nullSql(sql: string, operands: readonly Operand[]): string {
  return `(${sql} is ${operands[0]?.sql === "true" ? "" : "not "}null)`;
}

function leafSql({ operator, operands }: Asked, row: TypeRow, column: string): string {
  const isJson = row.asked === "json";
  const cast = isJson ? "jsonb" : row.cast;
  const value = isJson ? `${column}::jsonb` : column;
  const symbol = SYMBOLS[operator];
  if (symbol) return `(${equality(value, symbol, `${first(operands)}::${cast}`, row)})`;
  const each = operands.map(({ sql }) => `${literal(sql)}::${cast}`);
  switch (operator) {
    case "in":
      return anyOf(each.map((one) => equality(value, "=", one, row)), value);
    case "nin":
      return allOf(each.map((one) => equality(value, "<>", one, row)));
    case "contains":
      if (isJson) return `(${value} @> ${first(operands)}::jsonb)`;
      return textSql(operator, operands, `format('%s', ${column})`, column, row.name === "citext");
    case "hasKey":
      return `jsonb_exists(${value}, ${first(operands)})`;
    default:
      return textSql(operator, operands, `format('%s', ${column})`, column, row.name === "citext");
  }
}

/** citext's operators are found in its own schema. */
function equality(a: string, symbol: string, b: string, row: TypeRow): string {
  return row.name === "citext" ? `${a} operator(ext.${symbol}) ${b}` : `${a} ${symbol} ${b}`;
}

/** Nothing is one of no values, whatever it is. */
function anyOf(parts: readonly string[], _value: string): string {
  return `(${["false", ...parts].join(" or ")})`;
}

function allOf(parts: readonly string[]): string {
  return `(${["true", ...parts].join(" and ")})`;
}

/** By functions on texts, where the planner has LIKE with an escaped pattern. */
function textSql(
  operator: string,
  operands: readonly Operand[],
  text: string,
  value: string,
  anyCase: boolean,
): string {
  const sought = `${first(operands)}::text`;
  const lower = (sql: string) => anyCase || operator.startsWith("i") ? `lower(${sql})` : sql;
  // format() makes a text of null.
  const known = (sql: string) => `(case when ${value} is not null then ${sql} end)`;
  switch (operator) {
    case "like":
    case "ilike":
      return known(`${lower(text)} like ${lower(sought)}`);
    case "contains":
    case "icontains":
      return known(`strpos(${lower(text)}, ${lower(sought)}) > 0`);
    case "startsWith":
      return known(`starts_with(${lower(text)}, ${lower(sought)})`);
    case "endsWith":
      return known(`right(${lower(text)}, length(${sought})) = ${lower(sought)}`);
    default:
      return missing(`operator ${operator}`);
  }
}

function arraySql({ operator, operands }: Asked, column: string, cast: string): string {
  const each = operands.map(({ sql }) => `${literal(sql)}::${cast.replace("[]", "")}`);
  const array = `array[${each.join(", ")}]::${cast}`;
  const isCitext = cast.startsWith("ext.");
  const equal = isCitext ? "operator(ext.=)" : "=";
  switch (operator) {
    case "has":
      return `(${each[0] ?? missing("operand")} ${equal} any(${column}))`;
    case "hasAny":
      return known(
        column,
        `exists (select 1 from unnest(${column}) a, unnest(${array}) b where a ${equal} b)`,
      );
    case "hasAll":
      return known(
        column,
        `not exists (select 1 from unnest(${array}) b ` +
          `where not exists (select 1 from unnest(${column}) a where a ${equal} b))`,
      );
    default:
      return missing(`operator ${operator}`);
  }
}

function known(value: string, sql: string): string {
  return `(case when ${value} is not null then ${sql} end)`;
}

/** Numbers compare with numbers and texts with texts; other values have no order. */
function pathSql(
  { operator, operands, path }: Asked & { readonly path: readonly string[] },
  column: string,
): string {
  const keys = `array[${path.map(literal).join(", ")}]::text[]`;
  const there = `(${column}::jsonb #> ${keys})`;
  const text = `(${column}::jsonb #>> ${keys})`;
  const json = operands.map(({ sql }) => `${literal(sql)}::jsonb`);
  const one = json[0] ?? "null";
  switch (operator) {
    case "isNull":
      return nullSql(text, operands);
    case "eq":
    case "neq":
      return `(${there} ${SYMBOLS[operator]} ${one})`;
    case "gt":
    case "gte":
    case "lt":
    case "lte":
      return `(jsonb_typeof(${there}) = jsonb_typeof(${one}) and ${there} ${
        SYMBOLS[operator]
      } ${one})`;
    case "in":
      return anyOf(json.map((value) => `${there} = ${value}`), there);
    case "nin":
      return allOf(json.map((value) => `${there} <> ${value}`));
    default:
      return textSql(operator, operands, text, text, false);
  }
}
