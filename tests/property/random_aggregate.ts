/** Aggregates, made at random: groups, measures, conditions on groups and their order. */

import type { Random } from "../lib/query/random_query.ts";
import type {
  AggregateName,
  AggregateOrder,
  Aggregating,
  Column,
  Comparison,
  Grouping,
  Having,
  Measure,
  Table,
  World,
} from "./model.ts";
import { randomCondition } from "./random_condition.ts";
import { shuffled } from "./random_world.ts";
import { type TypeRow, typeRow } from "./types.ts";

/** What each function is defined on. */
export const MEASURES: Readonly<Record<AggregateName, (row: TypeRow) => boolean>> = {
  countDistinct: (row) => row.groups,
  sum: (row) => row.number !== null,
  avg: (row) => row.number !== null,
  min: (row) => row.ordered,
  max: (row) => row.ordered,
  stddev: (row) => row.number !== null,
  variance: (row) => row.number !== null,
};

export function randomAggregating(world: World, table: Table, random: Random): Aggregating {
  const groupBy = random.chance(0.6) ? randomGroups(table, random) : [];
  const orderBy = randomAggregateOrder(table, groupBy, random);
  const isBounded = random.chance(0.2);
  return {
    where: random.chance(0.3) ? randomCondition(world, table, random) : null,
    groupBy,
    having: groupBy.length > 0 && random.chance(0.3) ? randomHaving(table, random, 0) : null,
    // Groups that are counted off need an order without ties.
    orderBy: isBounded
      ? [
        ...orderBy,
        ...groupBy.map(({ column }) => ({ kind: "group", column, direction: "ASC" } as const)),
      ]
      : orderBy,
    limit: isBounded ? random.below(5) : null,
    offset: isBounded && random.chance(0.5) ? random.below(3) : null,
    measures: randomMeasures(table, groupBy, random),
  };
}

function columnsFor(table: Table, fits: (row: TypeRow) => boolean): Column[] {
  return table.columns.filter(({ type }) => type.kind === "leaf" && fits(typeRow(type.name)));
}

function randomGroups(table: Table, random: Random): Grouping[] {
  const columns = shuffled(columnsFor(table, (row) => row.groups), random);
  return columns.slice(0, 1 + random.below(2)).map(({ name, type }) => {
    const by = typeRow(type.name).moment && random.chance(0.8)
      ? random.pick(["HOUR", "DAY", "WEEK", "MONTH"] as const)
      : null;
    const timeZone = by !== null && type.name === "timestamptz"
      ? random.pick([
        "UTC",
        "Europe/Zurich",
        "America/New_York",
        "America/Havana",
        "Asia/Kathmandu",
      ])
      : null;
    return { column: name, by, timeZone };
  });
}

function randomMeasures(table: Table, groupBy: readonly Grouping[], random: Random): Measure[] {
  const measures: Measure[] = [
    ...groupBy.length > 0 && random.chance(0.9) ? [{ kind: "group" } as const] : [],
    ...random.chance(0.6) ? [{ kind: "count" } as const] : [],
  ];
  for (const name of Object.keys(MEASURES) as AggregateName[]) {
    const columns = shuffled(columnsFor(table, MEASURES[name]), random);
    if (columns.length === 0 || random.chance(0.6)) continue;
    const some = columns.slice(0, 1 + random.below(2)).map((column) => column.name);
    measures.push({ kind: "of", name, columns: some });
  }
  return measures.length > 0 ? shuffled(measures, random) : [{ kind: "count" }];
}

const COMPARISONS: readonly Comparison[] = ["eq", "neq", "gt", "gte", "lt", "lte"];

function randomHaving(table: Table, random: Random, depth: number): Having {
  if (depth < 2 && random.chance(0.3)) {
    const kind = random.pick(["and", "or", "not"] as const);
    if (kind === "not") return { kind, item: randomHaving(table, random, depth + 1) };
    const length = 1 + random.below(2);
    return { kind, items: Array.from({ length }, () => randomHaving(table, random, depth + 1)) };
  }
  const operator = random.pick(COMPARISONS);
  const number = (of: readonly string[]) => {
    const sql = random.pick(of);
    return { sql, input: sql };
  };
  const columns = columnsFor(table, (row) => ["int", "int8", "decimal"].includes(row.number ?? ""));
  if (columns.length > 0 && random.chance(0.5)) {
    const column = random.pick(columns).name;
    const operand = number(["0", "5", "100", "-3"]);
    return { kind: "of", name: "sum", column, operator, operand };
  }
  return { kind: "count", operator, operand: number(["0", "1", "2", "4"]) };
}

function randomAggregateOrder(
  table: Table,
  groupBy: readonly Grouping[],
  random: Random,
): AggregateOrder[] {
  const orders: AggregateOrder[] = [];
  const direction = () => random.pick(["ASC", "DESC"] as const);
  while (groupBy.length > 0 && orders.length < 2 && random.chance(0.4)) {
    const name = random.pick(["min", "max", "sum", "avg"] as const);
    // Sums of floats differ by the order of the rows, and so could the order of the groups.
    const columns = columnsFor(table, (row) => MEASURES[name](row) && row.number !== "float");
    const kind = random.pick(["count", "of", "group"] as const);
    if (kind === "count") orders.push({ kind, direction: direction() });
    else if (kind === "group") {
      orders.push({ kind, column: random.pick(groupBy).column, direction: direction() });
    } else if (columns.length > 0) {
      const column = random.pick(columns).name;
      orders.push({ kind, name, column, direction: direction() });
    }
  }
  return orders;
}
