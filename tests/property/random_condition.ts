/** Conditions for a `where`: every operator of every type, combined, and on related rows. */

import type { Random } from "../lib/query/random_query.ts";
import type { Condition, Json, Operand, Table, Type, World } from "./model.ts";
import { tableOf } from "./model.ts";
import { isWord } from "./names.ts";
import { randomPath, sourcesOf } from "./random_query.ts";
import { keyInput } from "./random_world.ts";
import { compositeRow, operandsOf, type TypeRow, typeRow } from "./types.ts";

export function randomCondition(
  world: World,
  table: Table,
  random: Random,
  depth = 0,
): Condition {
  const inner = (at = table) => randomCondition(world, at, random, depth + 1);
  if (depth < 3 && random.chance(0.35)) {
    const kind = random.pick(["and", "or", "not"] as const);
    if (kind === "not") return { kind, item: inner() };
    return { kind, items: Array.from({ length: random.below(4) }, () => inner()) };
  }
  const sources = sourcesOf(world, table);
  if (depth < 3 && random.chance(0.25) && table.links.length + sources.length > 0) {
    if (sources.length === 0 || (table.links.length > 0 && random.chance(0.5))) {
      const link = random.pick(table.links);
      return { kind: "one", link: link.name, item: inner(tableOf(world, link.target)) };
    }
    const { source, link } = random.pick(sources);
    return { kind: "many", source: source.name, link: link.name, item: inner(source) };
  }
  return columnCondition(table, random);
}

function columnCondition(table: Table, random: Random): Condition {
  const columns = table.columns.filter(({ name }) => !isWord(table, name));
  // A table without another column has no condition to write.
  if (columns.length === 0) return { kind: "and", items: [] };
  const { name: column, type } = random.pick(columns);
  const isNull = (): Condition => ({
    kind: "compare",
    column,
    part: null,
    operator: "isNull",
    operands: [yesOrNo(random)],
  });
  switch (type.kind) {
    case "composites":
      return isNull();
    case "array":
      return random.chance(0.15) ? isNull() : arrayCondition(column, typeRow(type.name), random) ??
        isNull();
    case "composite": {
      const leaves = compositeRow(type.name).parts.filter(([, , { kind }]) => kind === "leaf");
      const [part, , { name }] = random.pick(leaves);
      const asked = leafCondition(typeRow(name), random, []);
      if (!asked) return isNullPart(column, part, random);
      return { kind: "compare", column, part, ...asked };
    }
    case "leaf": {
      const row = typeRow(type.name);
      if (row.asked === "json" && random.chance(0.4)) return pathCondition(column, random);
      const asked = leafCondition(row, random, stored(table, column, type));
      return asked ? { kind: "compare", column, part: null, ...asked } : isNull();
    }
    default:
      return type satisfies never;
  }
}

const isNullPart = (column: string, part: string, random: Random): Condition => ({
  kind: "compare",
  column,
  part,
  operator: "isNull",
  operands: [yesOrNo(random)],
});

const yesOrNo = (random: Random): Operand => {
  const yes = random.chance(0.5);
  return { sql: String(yes), input: yes };
};

/** Keys of rows that are there, so that conditions on keys find some. */
function stored(table: Table, column: string, type: Type): Operand[] {
  const identifying = table.key?.columns.includes(column) ||
    table.links.some((link) => link.columns.includes(column));
  if (!identifying) return [];
  return table.rows.flatMap((row) => {
    const cell = row[column];
    return typeof cell === "string" ? [{ sql: cell, input: keyInput(type.name, cell) }] : [];
  });
}

const COMPARED = ["eq", "neq", "gt", "gte", "lt", "lte"] as const;
const PATTERNS = ["like", "ilike", "contains", "icontains", "startsWith", "endsWith"] as const;
const PATTERN_TEXTS = ["a", "A", "", "_", "%", "a%", "%b", "\\%", "a\\_b%", "B", 'o"', "k%"];

/** null where nothing but the absence of a value can be asked. */
function leafCondition(
  row: TypeRow,
  random: Random,
  more: readonly Operand[],
): { operator: string; operands: Operand[] } | null {
  const operands = [...operandsOf(row), ...more];
  if (row.asked === "null" || operands.length === 0 || random.chance(0.1)) return null;
  const some = () => Array.from({ length: random.below(4) }, () => random.pick(operands));
  if (row.asked === "json") {
    const operator = random.pick(["eq", "neq", "in", "nin", "contains", "hasKey"]);
    if (operator === "hasKey") {
      return { operator, operands: [textOperand(random.pick(["a", "b"]))] };
    }
    return {
      operator,
      operands: operator === "in" || operator === "nin" ? some() : [random.pick(operands)],
    };
  }
  if (row.asked === "all" && random.chance(0.5)) return pattern(random);
  if (random.chance(0.3)) return { operator: random.pick(["in", "nin"]), operands: some() };
  return { operator: random.pick(COMPARED), operands: [random.pick(operands)] };
}

/** A pattern of `like` must not end with a backslash. */
function pattern(random: Random): { operator: string; operands: Operand[] } {
  const operator = random.pick(PATTERNS);
  return { operator, operands: [textOperand(random.pick(PATTERN_TEXTS))] };
}

const textOperand = (text: string): Operand => ({ sql: text, input: text });

function arrayCondition(column: string, row: TypeRow, random: Random): Condition | null {
  const operands = operandsOf(row);
  if (["null", "json"].includes(row.asked) || operands.length === 0) return null;
  const operator = random.pick(["has", "hasAny", "hasAll"]);
  const count = operator === "has" ? 1 : random.below(3);
  return {
    kind: "compare",
    column,
    part: null,
    operator,
    operands: Array.from({ length: count }, () => random.pick(operands)),
  };
}

const PATH_VALUES: readonly Json[] = [1, "x", "aB", true, 1.5, { b: "aB" }, [1, "x", null]];

function pathCondition(column: string, random: Random): Condition {
  const operator = random.pick([...COMPARED, ...PATTERNS, "in", "nin", "isNull"]);
  const json = (value: Json): Operand => ({ sql: JSON.stringify(value), input: value });
  const isText = (PATTERNS as readonly string[]).includes(operator);
  const operands = operator === "isNull"
    ? [yesOrNo(random)]
    : isText
    ? pattern(random).operands
    : operator === "in" || operator === "nin"
    ? Array.from({ length: random.below(3) }, () => json(random.pick(PATH_VALUES)))
    : [json(random.pick(PATH_VALUES))];
  return { kind: "jsonPath", column, path: randomPath(random), operator, operands };
}
