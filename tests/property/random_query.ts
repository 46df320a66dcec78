/** Queries on a world, made at random; the same for the same seed. */

import type { Random } from "../lib/query/random_query.ts";
import type { Features } from "./features.ts";
import type {
  Column,
  ConnectionQuery,
  ListQuery,
  Operand,
  Order,
  Query,
  Reading,
  RowQuery,
  Selected,
  Style,
  Table,
  ViewQuery,
  World,
} from "./model.ts";
import { DIRECTIONS, tableOf } from "./model.ts";
import { linkNames } from "./names.ts";
import { responseName } from "./oracle.ts";
import { randomAggregating } from "./random_aggregate.ts";
import { randomCondition } from "./random_condition.ts";
import { keyInput, offeredView, shuffled } from "./random_world.ts";
import { compositeRow, typeRow } from "./types.ts";

/** One query of any kind that the server knows. */
export function randomQuery(world: World, features: Features, random: Random): Query {
  const table = random.pick(world.tables);
  if (table.name === offeredView && random.chance(0.5)) return randomView(world, table, random);
  if (features.has("aggregates") && random.chance(0.2)) {
    const alias = random.chance(0.2) ? "totals" : null;
    const style = randomStyle(random);
    return {
      kind: "aggregate",
      table: table.name,
      alias,
      style,
      ...randomAggregating(world, table, random),
    };
  }
  if (features.has("connections") && table.key !== null && random.chance(0.05)) {
    return randomConnection(world, table, random);
  }
  return random.chance(0.12) && table.key !== null
    ? randomRow(world, table, features, random)
    : randomList(world, table, features, random);
}

function randomList(world: World, table: Table, features: Features, random: Random): ListQuery {
  const reading = randomReading(world, table, features, random);
  const style = randomStyle(random);
  // Few, since each holds a snapshot for a while; and only where there is no order to keep.
  const isPlain = reading.orderBy.length + reading.distinctOn.length === 0 &&
    reading.limit === null && reading.offset === null;
  const isParted = features.has("partitions") && isPlain && random.chance(0.02);
  return {
    kind: "list",
    table: table.name,
    alias: random.chance(0.2) ? "rows" : null,
    ...reading,
    select: randomSelection(world, table, features, random, 0),
    style: isParted ? { ...style, parts: 2 + random.below(3) } : style,
  };
}

function randomView(world: World, table: Table, random: Random): ViewQuery {
  // Without a key any page of several rows would do, but not one beyond or one of all.
  const isPaged = random.chance(0.2);
  return {
    kind: "view",
    table: table.name,
    where: random.chance(0.6) ? randomCondition(world, table, random) : null,
    orderBy: randomOrder(world, table, random, 0.4),
    limit: isPaged ? random.pick([0, 1000]) : null,
    offset: isPaged && random.chance(0.5) ? random.pick([0, 1000]) : null,
  };
}

function randomRow(world: World, table: Table, features: Features, random: Random): RowQuery {
  const source = tableOf(world, table.viewOf ?? table.name);
  const row = source.rows.length > 0 ? random.pick(source.rows) : null;
  return {
    kind: "row",
    table: table.name,
    alias: random.chance(0.2) ? "it" : null,
    key: (table.key?.columns ?? []).map((name): Operand => {
      const type = (table.columns.find((column) => column.name === name) as Column).type.name;
      const absent: Readonly<Record<string, string>> = {
        uuid: "99999999-9999-9999-9999-999999999999",
        date: "1999-01-01",
        timestamptz: "1999-01-01 00:00:00+00",
        inet: "10.9.9.9",
        bytea: "\\xff",
        time: "00:00:00",
      };
      const found = row?.[name];
      const sql = typeof found === "string" ? found : absent[type] ?? "77";
      return { sql, input: keyInput(type, sql) };
    }),
    select: randomSelection(world, table, features, random, 0),
    style: randomStyle(random),
  };
}

function randomConnection(world: World, table: Table, random: Random): ConnectionQuery {
  return {
    kind: "connection",
    table: table.name,
    where: random.chance(0.3) ? randomCondition(world, table, random) : null,
    orderBy: randomOrder(world, table, random, 0.7),
    select: randomSelection(world, table, new Set(), random, 2),
    pageRows: 1 + random.below(4),
    backwards: random.chance(0.4),
  };
}

function randomStyle(random: Random): Style {
  return {
    parts: random.chance(0.1) ? 1 : 0,
    variables: random.chance(0.2),
    fragments: random.chance(0.2) ? 1 + random.below(3) : 0,
    wordy: random.chance(0.3),
  };
}

function randomReading(world: World, table: Table, features: Features, random: Random): Reading {
  // Without a key pages have no promised order, and neither has the row that stands for its like.
  const isPaged = table.key !== null;
  const count = (most: number) => isPaged && random.chance(0.25) ? random.below(most) : null;
  const distinct = isPaged && features.has("distinctOn") && random.chance(0.1)
    ? shuffled(orderable(table), random).slice(0, 1 + random.below(2)).map(({ name }) => name)
    : [];
  const order = randomOrder(world, table, random, distinct.length > 0 ? 0.5 : 0.35);
  const first = distinct.map((column): Order => ({
    links: [],
    column,
    direction: random.pick(DIRECTIONS),
  }));
  return {
    where: random.chance(0.45) ? randomCondition(world, table, random) : null,
    orderBy: distinct.length > 0 && order.length > 0 ? [...first, ...order] : order,
    limit: count(8),
    offset: count(5),
    distinctOn: distinct,
  };
}

function orderable(table: Table): Column[] {
  return table.columns.filter(({ type }) =>
    type.kind === "leaf" && !["json", "null"].includes(typeRow(type.name).asked)
  );
}

export function randomOrder(
  world: World,
  table: Table,
  random: Random,
  chance: number,
): Order[] {
  const orders: Order[] = [];
  while (orders.length < 3 && random.chance(orders.length === 0 ? chance : 0.4)) {
    const links: string[] = [];
    let at = table;
    while (at.links.length > 0 && links.length < 3 && random.chance(0.3)) {
      const link = random.pick(at.links);
      links.push(link.name);
      at = tableOf(world, link.target);
    }
    const columns = orderable(at);
    if (columns.length === 0) break;
    const column = random.pick(columns).name;
    orders.push({ links, column, direction: random.pick(DIRECTIONS) });
  }
  return orders;
}

/** Links of other tables that lead to this one. */
export function sourcesOf(world: World, table: Table) {
  return world.tables.flatMap((source) =>
    source.links.filter((link) => link.target === table.name).map((link) => ({ source, link }))
  );
}

const depthMax = 3;

function randomSelection(
  world: World,
  table: Table,
  features: Features,
  random: Random,
  depth: number,
): Selected[] {
  const selected: Selected[] = [];
  const names = linkNames(world);
  const sources = sourcesOf(world, table);
  const alias = () => random.chance(0.15) ? `a${random.below(99)}` : null;
  const count = 1 + random.below(depth === 0 ? 7 : 4);
  while (selected.length < count) {
    const goesOn = depth < depthMax && random.chance(0.3);
    if (goesOn && table.links.length > 0 && random.chance(0.5)) {
      const link = random.pick(table.links);
      const target = tableOf(world, link.target);
      const select = randomSelection(world, target, features, random, depth + 1);
      selected.push({ kind: "one", alias: alias(), link: link.name, select });
    } else if (goesOn && sources.length > 0) {
      const { source, link } = random.pick(sources);
      const many = { alias: alias(), source: source.name, link: link.name };
      selected.push(
        features.has("aggregates") && random.chance(0.3)
          ? { kind: "manyAggregate", ...many, ...randomAggregating(world, source, random) }
          : {
            kind: "many",
            ...many,
            ...randomReading(world, source, features, random),
            select: randomSelection(world, source, features, random, depth + 1),
          },
      );
    } else if (random.chance(0.04)) selected.push({ kind: "typename", alias: alias() });
    else selected.push(randomColumn(random.pick(table.columns), features, random, alias()));
  }
  const byName = new Map(selected.map((each) => [responseName(names, table, each), each]));
  return [...byName.values()];
}

function randomColumn(
  { name, type }: Column,
  features: Features,
  random: Random,
  alias: string | null,
): Selected {
  const isComposite = type.kind === "composite" || type.kind === "composites";
  const parts = isComposite
    ? shuffled(compositeRow(type.name).parts.map(([part]) => part), random)
    : [];
  const isJson = type.kind === "leaf" && typeRow(type.name).asked === "json";
  return {
    kind: "column",
    alias,
    column: name,
    parts: parts.slice(0, 1 + random.below(parts.length)),
    path: isJson && features.has("jsonPath") && random.chance(0.4) ? randomPath(random) : null,
  };
}

export function randomPath(random: Random): string[] {
  return random.pick([["a"], ["a", "0"], ["a", "b"], ["0"], ["b"], ["a", "2", "c"], ["a", "-1"]]);
}
