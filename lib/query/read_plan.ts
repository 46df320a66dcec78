/** A read as plain data: what the planner makes of a query and `sql.ts` makes SQL of. */

import type { ColumnFunction, LeafColumn, TruncateBy } from "./aggregates.ts";
import type { Column, LeafType, Link, Relation } from "./schema.ts";

/** Rows of one relation. */
export interface Read {
  readonly relation: Relation;
  readonly selection: readonly Selection[];
  readonly where: Condition | null;
  readonly order: readonly OrderTerm[];
  readonly limit: number | null;
  readonly offset: number | null;
  /** The first row for each of these columns' values; all rows when absent. */
  readonly distinctOn?: readonly Column[];
  /** The part of the table that is read; all of it when absent. */
  readonly range?: PageRange;
  /** Of events: only those behind this position. */
  readonly after?: string;
}

/** Pages of a table: from one, and up to another without it; null is without end. */
export interface PageRange {
  readonly from: number;
  readonly to: number | null;
}

/** One field of an object; `name` is its response name. */
export type Selection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | {
    readonly kind: "column";
    readonly name: string;
    readonly column: Column;
    /** The parts of a composite that are asked for; empty for other columns. */
    readonly parts: readonly Selection[];
    /** Of JSON: keys and indexes from the outside in, to what is asked for; all when absent. */
    readonly path?: readonly string[];
  }
  | {
    readonly kind: "one";
    readonly name: string;
    readonly link: Link;
    readonly selection: readonly Selection[];
  }
  | { readonly kind: "many"; readonly name: string; readonly link: Link; readonly read: Read }
  | {
    readonly kind: "aggregates";
    readonly name: string;
    readonly link: Link;
    readonly read: AggregateRead;
  };

/** Groups of one relation's rows. */
export interface AggregateRead {
  readonly relation: Relation;
  readonly groups: readonly Group[];
  readonly selection: readonly AggregateSelection[];
  readonly where: Condition | null;
  readonly having: AggregateCondition | null;
  readonly order: readonly AggregateOrder[];
  readonly limit: number | null;
  readonly offset: number | null;
}

/** What rows of a group have in common. */
export interface Group {
  readonly column: LeafColumn;
  readonly by: TruncateBy | null;
  /** Where the days begin; null for a column without a zone. */
  readonly timeZone: string | null;
}

/** One value of a group. */
export type Measure =
  | { readonly function: "count" }
  | {
    readonly function: ColumnFunction;
    readonly column: LeafColumn;
    readonly type: LeafType;
  };

/** One field of a group; `name` is its response name. */
export type AggregateSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "measure"; readonly name: string; readonly measure: Measure }
  | { readonly kind: "group"; readonly name: string; readonly group: number }
  | {
    readonly kind: "parts";
    readonly name: string;
    /** Whether its fields go by their own names where they stand beside the others. */
    readonly isGroup: boolean;
    readonly parts: readonly AggregateSelection[];
  };

export type AggregateCondition =
  | { readonly kind: "and" | "or"; readonly items: readonly AggregateCondition[] }
  | { readonly kind: "not"; readonly item: AggregateCondition }
  | {
    readonly kind: "compare";
    readonly measure: Measure;
    readonly operator: string;
    readonly value: unknown;
    readonly place: string;
  };

export interface AggregateOrder {
  readonly by: Measure | { readonly group: number };
  readonly direction: OrderDirection;
}

/** A page of one relation's rows, by Relay's rules. */
export interface ConnectionRead {
  readonly relation: Relation;
  readonly where: Condition | null;
  /** With the key at the end, so that every row has a place of its own. */
  readonly order: readonly OrderTerm[];
  /** At most so many, from the end where `backwards`; all when null. */
  readonly count: number | null;
  readonly backwards: boolean;
  readonly after: Cursor | null;
  readonly before: Cursor | null;
  readonly selection: readonly ConnectionSelection[];
}

/** A row's place in an order: the text of each term's value. */
export interface Cursor {
  readonly values: readonly (string | null)[];
  /** The argument that it came by, for messages. */
  readonly place: string;
}

export type ConnectionSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "totalCount"; readonly name: string }
  | { readonly kind: "nodes"; readonly name: string; readonly selection: readonly Selection[] }
  | { readonly kind: "edges"; readonly name: string; readonly parts: readonly EdgeSelection[] }
  | { readonly kind: "pageInfo"; readonly name: string; readonly parts: readonly PageSelection[] };

export type EdgeSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "cursor"; readonly name: string }
  | { readonly kind: "node"; readonly name: string; readonly selection: readonly Selection[] };

export type PageSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | {
    readonly kind: "hasNextPage" | "hasPreviousPage" | "startCursor" | "endCursor";
    readonly name: string;
  };

export type Condition =
  | { readonly kind: "and" | "or"; readonly items: readonly Condition[] }
  | { readonly kind: "not"; readonly item: Condition }
  /** A row that the link leads to is there and fulfils this. */
  | { readonly kind: "link"; readonly link: Link; readonly item: Condition }
  | {
    readonly kind: "compare";
    /** The column; more than one where it is a part of a composite. */
    readonly columns: readonly Column[];
    readonly operator: string;
    readonly value: unknown;
    /** Where in the input it stands, for messages. */
    readonly place: string;
  }
  | {
    readonly kind: "jsonPath";
    readonly columns: readonly Column[];
    readonly path: readonly string[];
    readonly operator: string;
    readonly value: unknown;
    readonly place: string;
  };

export interface OrderTerm {
  /** The links to follow first, all of kind `one`. */
  readonly links: readonly Link[];
  readonly column: Column;
  readonly direction: OrderDirection;
}

/** PostgreSQL's words by GraphQL's. */
export const ORDER_DIRECTIONS = {
  ASC: "asc",
  DESC: "desc",
  ASC_NULLS_FIRST: "asc nulls first",
  ASC_NULLS_LAST: "asc nulls last",
  DESC_NULLS_FIRST: "desc nulls first",
  DESC_NULLS_LAST: "desc nulls last",
} as const;

export type OrderDirection = keyof typeof ORDER_DIRECTIONS;
