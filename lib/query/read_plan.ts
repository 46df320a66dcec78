/** A read as plain data: what the planner makes of a query and `sql.ts` makes SQL of. */

import type { Column, Link, Relation } from "./schema.ts";

/** Rows of one relation. */
export interface Read {
  readonly relation: Relation;
  readonly selection: readonly Selection[];
  readonly where: Condition | null;
  readonly order: readonly OrderTerm[];
  readonly limit: number | null;
  readonly offset: number | null;
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
  }
  | {
    readonly kind: "one";
    readonly name: string;
    readonly link: Link;
    readonly selection: readonly Selection[];
  }
  | { readonly kind: "many"; readonly name: string; readonly link: Link; readonly read: Read };

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
