/**
 * What a case is made of, as plain data: a schema with rows, and a query on it. Everything refers to
 * everything by name, so that the shrinker can leave out any part of it.
 */

/** A whole case; `query` is asked of `world`. */
export interface Case {
  readonly world: World;
  readonly query: Query;
}

export interface World {
  readonly tables: readonly Table[];
}

export interface Table {
  /** PostgreSQL's name, unquoted. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly key: Key | null;
  /** A column that foreign keys can lead to as well: no value twice, null many times. */
  readonly unique: string | null;
  readonly links: readonly ForeignKey[];
  readonly rows: readonly Row[];
  /** How PostgreSQL keeps it. A view has all rows and columns of another table. */
  readonly storage: "plain" | "partitioned" | "view" | "materialized view";
  readonly viewOf: string | null;
}

export interface Column {
  readonly name: string;
  readonly type: Type;
  readonly notNull: boolean;
}

/** `name` is a row of TYPES or a name of COMPOSITES. */
export type Type =
  | { readonly kind: "leaf" | "array"; readonly name: string }
  | { readonly kind: "composite" | "composites"; readonly name: string };

export interface Key {
  readonly columns: readonly string[];
  /** Else a unique index over NOT NULL columns. */
  readonly primary: boolean;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
}

export type Row = Readonly<Record<string, Cell>>;

/** A value: null, a literal as PostgreSQL reads it, elements of an array, or parts of a composite. */
export type Cell = null | string | { readonly items: readonly Cell[] } | {
  readonly parts: readonly Cell[];
};

export type Query = ListQuery | RowQuery | ViewQuery | AggregateQuery | ConnectionQuery;

/** What every read of rows can be asked. */
export interface Reading {
  readonly where: Condition | null;
  readonly orderBy: readonly Order[];
  readonly limit: number | null;
  readonly offset: number | null;
  readonly distinctOn: readonly string[];
}

export interface ListQuery extends Reading {
  readonly kind: "list";
  readonly table: string;
  readonly alias: string | null;
  readonly select: readonly Selected[];
  readonly style: Style;
}

export interface RowQuery {
  readonly kind: "row";
  readonly table: string;
  readonly alias: string | null;
  readonly key: readonly Operand[];
  readonly select: readonly Selected[];
  readonly style: Style;
}

/** The ticket OptimizedView, over Flight alone: every column, by PostgreSQL's own names. */
export interface ViewQuery {
  readonly kind: "view";
  readonly table: string;
  readonly where: Condition | null;
  readonly orderBy: readonly Order[];
  readonly limit: number | null;
  readonly offset: number | null;
}

export interface AggregateQuery extends Aggregating {
  readonly kind: "aggregate";
  readonly table: string;
  readonly alias: string | null;
  readonly style: Style;
}

/** All pages of a connection, one after the other. */
export interface ConnectionQuery {
  readonly kind: "connection";
  readonly table: string;
  readonly where: Condition | null;
  readonly orderBy: readonly Order[];
  readonly select: readonly Selected[];
  readonly pageRows: number;
  readonly backwards: boolean;
}

/** How the text is written; it changes no answer. */
export interface Style {
  /** `limit`, `offset` and `where` come as variables. */
  readonly variables: boolean;
  /** Every how many selections one stands in a fragment; 0 for none. */
  readonly fragments: number;
  /** Flight is asked by GetFlightInfo, for so many parts; 0 for by a ticket. */
  readonly parts: number;
  /** Conditions are written as `and: [...]` even where one object would do. */
  readonly wordy: boolean;
}

export type Selected =
  | { readonly kind: "typename"; readonly alias: string | null }
  | {
    readonly kind: "column";
    readonly alias: string | null;
    readonly column: string;
    /** Of composites. */
    readonly parts: readonly string[];
    /** Of JSON: the value there; null for all. */
    readonly path: readonly string[] | null;
  }
  | {
    readonly kind: "one";
    readonly alias: string | null;
    readonly link: string;
    readonly select: readonly Selected[];
  }
  | ({
    readonly kind: "many";
    readonly alias: string | null;
    /** The foreign key and the table that has it. */
    readonly source: string;
    readonly link: string;
    readonly select: readonly Selected[];
  } & Reading)
  | ({
    readonly kind: "manyAggregate";
    readonly alias: string | null;
    readonly source: string;
    readonly link: string;
  } & Aggregating);

export interface Aggregating {
  readonly where: Condition | null;
  readonly groupBy: readonly Grouping[];
  readonly having: Having | null;
  readonly orderBy: readonly AggregateOrder[];
  readonly limit: number | null;
  readonly offset: number | null;
  /** In the order of the text. */
  readonly measures: readonly Measure[];
}

export interface Grouping {
  readonly column: string;
  readonly by: "HOUR" | "DAY" | "WEEK" | "MONTH" | null;
  readonly timeZone: string | null;
}

export type Measure =
  | { readonly kind: "group" }
  | { readonly kind: "count" }
  | { readonly kind: "of"; readonly name: AggregateName; readonly columns: readonly string[] };

export type AggregateName =
  | "countDistinct"
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "stddev"
  | "variance";

export type Having =
  | { readonly kind: "count"; readonly operator: Comparison; readonly operand: Operand }
  | {
    readonly kind: "of";
    readonly name: AggregateName;
    readonly column: string;
    readonly operator: Comparison;
    readonly operand: Operand;
  }
  | { readonly kind: "and" | "or"; readonly items: readonly Having[] }
  | { readonly kind: "not"; readonly item: Having };

export type Comparison = "eq" | "neq" | "gt" | "gte" | "lt" | "lte";

export type AggregateOrder =
  | { readonly kind: "count"; readonly direction: "ASC" | "DESC" }
  | {
    readonly kind: "of";
    readonly name: AggregateName;
    readonly column: string;
    readonly direction: "ASC" | "DESC";
  }
  | { readonly kind: "group"; readonly column: string; readonly direction: "ASC" | "DESC" };

export interface Order {
  /** Foreign keys of this table, and so on, to the table whose column it is. */
  readonly links: readonly string[];
  readonly column: string;
  readonly direction: Direction;
}

export const DIRECTIONS = [
  "ASC",
  "DESC",
  "ASC_NULLS_FIRST",
  "ASC_NULLS_LAST",
  "DESC_NULLS_FIRST",
  "DESC_NULLS_LAST",
] as const;
export type Direction = typeof DIRECTIONS[number];

export type Condition =
  | { readonly kind: "and" | "or"; readonly items: readonly Condition[] }
  | { readonly kind: "not"; readonly item: Condition }
  | {
    readonly kind: "compare";
    readonly column: string;
    /** A part of the column's composite. */
    readonly part: string | null;
    readonly operator: string;
    readonly operands: readonly Operand[];
  }
  | {
    readonly kind: "jsonPath";
    readonly column: string;
    readonly path: readonly string[];
    readonly operator: string;
    readonly operands: readonly Operand[];
  }
  | { readonly kind: "one"; readonly link: string; readonly item: Condition }
  | {
    readonly kind: "many";
    readonly source: string;
    readonly link: string;
    readonly item: Condition;
  };

/** A value in PostgreSQL's form and as GraphQL takes it; `word` for a label of an enum. */
export interface Operand {
  readonly sql: string;
  readonly input: Json;
  readonly word?: true;
}

export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [key: string]: Json;
};

/** The table of a name; the generators and the shrinker can make a case that lacks it. */
export function tableOf(world: World, name: string): Table {
  return world.tables.find((table) => table.name === name) ?? missing(`table ${name}`);
}

export function columnOf(table: Table, name: string): Column {
  return table.columns.find((column) => column.name === name) ??
    missing(`column ${table.name}.${name}`);
}

export function linkOf(table: Table, name: string): ForeignKey {
  return table.links.find((link) => link.name === name) ?? missing(`link ${table.name}.${name}`);
}

/** A part that the shrinker took and something still asks for: the smaller case is none. */
export class IncompleteCase extends Error {}

export function missing(what: string): never {
  throw new IncompleteCase(`the case has no ${what}`);
}
