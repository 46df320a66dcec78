/**
 * PostgreSQL's names and what the documentation makes of them in GraphQL: a list of each, and the
 * rule for what follows from several. Written from the documentation and from nothing else.
 */

import { type ForeignKey, missing, type Table, type World } from "./model.ts";

export interface RelationNames {
  readonly table: string;
  readonly typeName: string;
  readonly list: string;
  readonly row: string;
  /** The list as a related field has it. */
  readonly many: string;
  /** A row of it, as a related field has it that is named after the table. */
  readonly one: string;
}

function relation(
  table: string,
  typeName: string,
  list: string,
  row: string,
  many = list,
  one = row,
): RelationNames {
  return { table, typeName, list, row, many, one };
}

// deno-fmt-ignore: a table reads best as one
export const RELATIONS: readonly RelationNames[] = [
  relation("authors", "Author", "authors", "author"),
  relation("order_items", "OrderItem", "orderItems", "orderItem"),
  relation("city", "City", "cities", "city"),
  relation("people", "Person", "people", "person"),
  relation("boxes", "Box", "boxes", "box"),
  relation("news", "News", "newsList", "news", "news"),
  relation("Odd Things", "OddThing", "oddThings", "oddThing"),
  relation("userPhotos", "UserPhoto", "userPhotos", "userPhoto"),
  relation("events", "PublicEvent", "publicEvents", "publicEvent", "events", "event"),
  relation("groß", "Gross", "grosses", "gross"),
  relation("va_things", "VaThing", "vaThings", "vaThing"),
];

/** Column names and GraphQL's; links are named after their columns, less `_id`. */
// deno-fmt-ignore: a table reads best as one
const COLUMNS = new Map([
  ["id", "id"], ["code", "code"], ["part", "part"], ["a", "a"], ["b", "b"], ["c", "c"],
  ["d", "d"], ["created_at", "createdAt"], ["firstName", "firstName"], ["user name", "userName"],
  ["Größe", "grosse"], ["2nd", "_2nd"], ["select", "select"], ["x.y", "xY"], ["UPPER", "upper"],
  ["quo\"te", "quoTe"], ["a_b", "aB"], ["aB", "aB"], ["_hidden", "_hidden"], ["data", "data"],
  ["alt_code", "altCode"], ["owner", "owner"], ["authors", "authors"], ["people", "people"],
  ["news", "news"], ["city", "city"], ["and", "and"], ["_", "_"], ["$", "_"], ["value", "value"],
  ["total", "total"], ["owner_id", "ownerId"], ["parent_id", "parentId"],
  ["buyer_id", "buyerId"], ["seller id", "sellerId"], ["ref", "ref"], ["left_a", "leftA"],
  ["left_b", "leftB"],
]);

const LINKS = new Map([
  ["owner_id", "owner"],
  ["parent_id", "parent"],
  ["buyer_id", "buyer"],
  ["seller id", "sellerId"],
  ["ref", "ref"],
]);

/** Names for columns that are in no key. */
export const PLAIN_COLUMNS = [...COLUMNS.keys()].filter((name) =>
  !["id", "code", "part", "left_a", "left_b", "alt_code"].includes(name) && !LINKS.has(name)
);
export const LINK_COLUMNS = [...LINKS.keys()];

export function relationNames(table: string): RelationNames {
  return RELATIONS.find((names) => names.table === table) ?? missing(`name for ${table}`);
}

/** GraphQL's name of each column; two that become one name get `_2`, in column order. */
export function columnName(table: Table, column: string): string {
  const taken = new Set<string>();
  for (const { name } of table.columns) {
    const plain = COLUMNS.get(name) ?? missing(`name for ${name}`);
    let free = plain;
    // Names that begin with two underscores are GraphQL's own.
    const stem = plain === "_" ? "" : plain;
    for (let i = 2; taken.has(free); i++) free = `${stem}_${i}`;
    taken.add(free);
    if (name === column) return free;
  }
  return missing(`column ${table.name}.${column}`);
}

/** GraphQL's names of everything that leads from a table to another. */
export interface LinkNames {
  /** By the foreign key's name, on the table that has it. */
  readonly one: ReadonlyMap<string, string>;
  /** By the foreign key's name, on the table that it leads to. */
  readonly many: ReadonlyMap<string, string>;
}

export function linkNames(world: World): LinkNames {
  const taken = new Map(
    world.tables.map((table) => [
      table.name,
      new Set(table.columns.map((column) => columnName(table, column.name))),
    ]),
  );
  /** A relation field yields to what is there, and takes its constraint's name. */
  const take = (table: string, wanted: string, link: ForeignKey) => {
    const names = taken.get(table) ?? missing(`table ${table}`);
    const plain = names.has(wanted) ? constraintName(link.name) : wanted;
    let name = plain;
    for (let i = 2; names.has(name); i++) name = `${plain}_${i}`;
    names.add(name);
    return name;
  };
  // PostgreSQL lists foreign keys in the order that they were made in.
  const all = world.tables.flatMap((table) => table.links.map((link) => ({ table, link })));
  const one = new Map(
    all.map(({ table, link }) => [link.name, take(table.name, toOne(link), link)]),
  );
  const many = new Map(all.map(({ table, link }) => {
    const several = table.links.filter((other) => other.target === link.target).length > 1;
    const by = several ? `By${capital(toOne(link))}` : "";
    return [link.name, take(link.target, relationNames(table.name).many + by, link)];
  }));
  return { one, many };
}

/** After its only column, or after the table that it leads to. */
function toOne(link: ForeignKey): string {
  const [column, ...more] = link.columns;
  if (more.length > 0 || column === undefined) return relationNames(link.target).one;
  return LINKS.get(column) ?? missing(`link name for ${column}`);
}

/** `fk_authors_owner` -> `fkAuthorsOwner`; the generator makes them of such words. */
export function constraintName(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Of such a column no condition can be written, since where's own word wins. */
export function isWord(table: Table, column: string): boolean {
  return /^(and|or|not)$/.test(columnName(table, column));
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
