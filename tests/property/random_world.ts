/** Schemas with rows, made at random; the same for the same seed. */

import type { Random } from "../lib/query/random_query.ts";
import type { Cell, Column, ForeignKey, Key, Row, Table, Type, World } from "./model.ts";
import { LINK_COLUMNS, PLAIN_COLUMNS, RELATIONS } from "./names.ts";
import { compositeRow, COMPOSITES, literalsOf, type TypeRow, typeRow, TYPES } from "./types.ts";

/** A table under way. */
interface Draft extends Table {
  key: Key | null;
  readonly columns: Column[];
  readonly links: ForeignKey[];
  readonly rows: Row[];
  readonly count: number;
  /** Its key is a foreign key and a number, as soon as it has a foreign key. */
  readonly joins: boolean;
}

/**
 * Some tables that lead to each other and to themselves, and now and then a view. `isOdd` has values
 * that the answers cannot hold, as one world in five has by itself.
 */
export function randomWorld(random: Random, isOdd = random.chance(0.2)): World {
  const all = RELATIONS.map(({ table }) => table);
  const names = shuffled(all.filter((name) => name !== offeredView), random);
  const tables = names.slice(0, 1 + random.below(4)).map((name) => randomTable(name, random));
  for (const table of tables) {
    while (random.chance(0.6) && table.links.length < 3) addLink(table, tables, random);
  }
  const oddity = isOdd ? 0.04 : 0;
  for (const table of tables) fillRows(table, tables, random, oddity);
  const views = [names.at(-1) ?? "", offeredView].flatMap((name) =>
    random.chance(0.2) ? [viewOf(random.pick(tables), name, random)] : []
  );
  return { tables: [...tables, ...views] };
}

/** Of this name OptimizedView takes it. */
export const offeredView = "va_things";

const KEY_TYPES = TYPES.filter((type) => type.keys).map((type) => type.name);

function randomTable(name: string, random: Random): Draft {
  const columns: Column[] = [];
  const joins = random.chance(0.15);
  const key = joins ? null : randomKey(columns, random);
  if (joins) columns.push(leaf("part", "int4", true));
  const unique = random.chance(0.25) ? "alt_code" : null;
  if (unique) columns.push(leaf(unique, random.pick(["int4", "text", "citext"]), false));
  const plain = shuffled(PLAIN_COLUMNS, random).slice(0, random.below(7));
  for (const column of plain) {
    columns.push({ name: column, type: randomType(random), notNull: random.chance(0.3) });
  }
  if (columns.length === 0) columns.push(leaf("a", "int4", false));
  // Rare enough that most tests have rows; the empty ones show the schema all the same.
  const count = random.chance(0.1) ? 0 : 1 + random.below(14);
  // Of partitions a unique constraint would have to hold the key too.
  const storage = key?.primary && !unique && random.chance(0.1) ? "partitioned" : "plain";
  return { name, columns, key, unique, links: [], rows: [], storage, viewOf: null, count, joins };
}

function randomKey(columns: Column[], random: Random): Key | null {
  if (random.chance(0.1)) return null;
  const primary = random.chance(0.9);
  if (random.chance(0.2)) {
    columns.push(leaf("code", "text", true), leaf("part", "int4", true));
    // Also in another order than that of the columns.
    return { columns: random.chance(0.5) ? ["code", "part"] : ["part", "code"], primary };
  }
  columns.push(leaf("id", random.chance(0.5) ? "int4" : random.pick(KEY_TYPES), true));
  return { columns: ["id"], primary };
}

function leaf(name: string, type: string, notNull: boolean): Column {
  return { name, type: { kind: "leaf", name: type }, notNull };
}

function randomType(random: Random): Type {
  if (random.chance(0.08)) {
    return {
      kind: random.chance(0.6) ? "composite" : "composites",
      name: random.pick([...COMPOSITES.keys()]),
    };
  }
  return { kind: random.chance(0.15) ? "array" : "leaf", name: random.pick(TYPES).name };
}

function addLink(table: Draft, tables: readonly Draft[], random: Random): void {
  const target = random.pick(tables.filter(({ key, joins }) => key !== null && !joins));
  if (!target?.key) return;
  const toUnique = target.unique !== null && random.chance(0.5);
  const leadsTo = toUnique ? [target.unique] : target.key.columns;
  const several = leadsTo.length > 1;
  const free = LINK_COLUMNS.filter((name) => !table.columns.some((other) => other.name === name));
  const wanted = several ? ["left_a", "left_b"] : [random.pick(free)];
  if (wanted.some((name) => name === undefined || table.columns.some((c) => c.name === name))) {
    return;
  }
  const typeOfKey = (name: string) =>
    (target.columns.find((column) => column.name === name) as Column).type;
  const joins = !toUnique && table.joins && table.key === null && target.count > 0 && !several;
  if (joins) table.key = { columns: [wanted[0] ?? "", "part"], primary: true };
  const notNull = joins || (!toUnique && target.count > 0 && random.chance(0.3));
  table.columns.push(
    ...wanted.map((name, i) => ({
      name,
      type: typeOfKey(leadsTo[i] ?? ""),
      notNull,
    })),
  );
  table.links.push({
    name: `fk${table.links.length}_${table.name.replaceAll(/[^a-z]/g, "")}_key`,
    columns: wanted,
    target: target.name,
    targetColumns: leadsTo,
  });
}

function fillRows(table: Draft, tables: readonly Draft[], random: Random, oddity: number): void {
  for (let i = 0; i < table.count; i++) {
    const row: Record<string, Cell> = {};
    for (const { name, type, notNull } of table.columns) {
      row[name] = table.key?.columns.includes(name)
        ? table.joins ? String(i) : keyLiteral(type.name, table.key, name, i)
        : name === table.unique
        ? uniqueCell(type.name, i)
        : !notNull && random.chance(0.2)
        ? null
        : randomCell(type, random, oddity);
    }
    for (const link of table.links) linkTo(row, link, table, tables, random);
    table.rows.push(row);
  }
}

/** A row of the target, or none: in a key of several columns one null is enough for that. */
function linkTo(
  row: Record<string, Cell>,
  link: ForeignKey,
  table: Draft,
  tables: readonly Draft[],
  random: Random,
): void {
  const target = tables.find(({ name }) => name === link.target) as Draft;
  const nullable = !table.columns.some(({ name, notNull }) => notNull && name === link.columns[0]);
  const isNull = target.count === 0 || (nullable && random.chance(0.25));
  const chosen = random.below(target.count);
  const left = isNull ? random.below(link.columns.length) : -1;
  link.columns.forEach((column, i) => {
    const key = link.targetColumns[i] ?? "";
    const type = target.columns.find(({ name }) => name === key) as Column;
    row[column] = key === target.unique
      ? isNull ? null : uniqueCell(type.type.name, chosen)
      : i === left || (isNull && target.count === 0)
      ? null
      : keyLiteral(type.type.name, target.key as Key, key, chosen);
  });
}

function uniqueCell(type: string, i: number): string | null {
  return i % 4 === 3 ? null : (KEYS[type] ?? String)((i * 5 + 1) % 16);
}

/** The value of row `i` in a column of a key: another for each row, unless the key has two columns. */
function keyLiteral(type: string, key: Key, column: string, i: number): string {
  const several = key.columns.length > 1;
  const n = several ? (column === "code" ? i % 3 : Math.floor(i / 3)) : i;
  // Not in the order that the rows are stored in.
  const mixed = several ? n : (n * 7 + 3) % 16;
  return (KEYS[type] ?? String)(mixed);
}

const KEYS: Readonly<Record<string, (n: number) => string>> = {
  text: (n) => ["Key", "key ", 'k"', "é", ""].concat("abcdefghijkl".split(""))[n] ?? `k${n}`,
  uuid: (n) => `00000000-0000-0000-0000-0000000000${String(n + 10)}`,
  "numeric(5,2)": (n) => `${n}.50`,
  varchar: (n) => `v${n}`,
  citext: (n) => `${n % 2 === 0 ? "C" : "c"}${n}`,
  inet: (n) => `10.0.0.${n}`,
  bytea: (n) => `\\x${String(n + 10)}`,
  time: (n) => `13:45:${String(n + 10)}`,
  float8: (n) => String(n / 2),
  date: (n) => `2026-01-${String(n + 10)}`,
  timestamptz: (n) => `2026-01-31 13:45:00.0000${String(n + 10)}+00`,
  int8: (n) => String(n * 1_000_000_007 - 5),
};

/** A key's literal as an input. */
export function keyInput(type: string, literal: string): string | number {
  if (["int2", "int4", "float8"].includes(type)) return Number(literal);
  if (type === "bytea") return btoa(String.fromCharCode(parseInt(literal.slice(2), 16)));
  return type === "timestamptz" ? literal.replace(" ", "T").replace("+00", "Z") : literal;
}

function randomCell(type: Type, random: Random, oddity: number): Cell {
  switch (type.kind) {
    case "leaf":
      return randomLiteral(typeRow(type.name), random, oddity);
    case "array":
      if (random.chance(oddity)) return twoDimensions;
      return {
        items: Array.from(
          { length: random.below(4) },
          () => random.chance(0.2) ? null : randomLiteral(typeRow(type.name), random, oddity),
        ),
      };
    case "composite":
      return randomComposite(type.name, random, oddity);
    case "composites":
      if (random.chance(oddity)) return twoDimensions;
      return {
        items: Array.from(
          { length: random.below(3) },
          () => random.chance(0.2) ? null : randomComposite(type.name, random, oddity),
        ),
      };
    default:
      return type satisfies never;
  }
}

/** Arrays of more than one dimension have no form in the answers either. */
const twoDimensions = "{{NULL,NULL}}";

function randomComposite(name: string, random: Random, oddity: number): Cell {
  return {
    parts: compositeRow(name).parts.map(([, , type]) =>
      random.chance(0.25) ? null : randomCell(type, random, oddity)
    ),
  };
}

function randomLiteral(row: TypeRow, random: Random, oddity: number): string {
  const odd = row.unrepresentable.length > 0 && random.chance(oddity);
  return random.pick(odd ? row.unrepresentable : literalsOf(row));
}

function viewOf(table: Draft, name: string, random: Random): Table {
  return {
    name,
    columns: table.columns.map((column) => ({ ...column, notNull: false })),
    key: null,
    unique: null,
    links: [],
    rows: [],
    storage: random.chance(0.5) ? "view" : "materialized view",
    viewOf: table.name,
  };
}

export function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items.map((item) => ({ item, at: random.below(1e9) })).sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
