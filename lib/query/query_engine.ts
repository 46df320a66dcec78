/** The query pipeline as the transports see it: a text goes in, a plan and its rows come out. */

import type { ResultField } from "../arrow/result_field.ts";
import type { RowChunk } from "../arrow/row_chunk.ts";
import type { HeldSnapshot } from "./database.ts";
import type { PageRange } from "./read_plan.ts";

export type { HeldSnapshot } from "./database.ts";
export type { PageRange } from "./read_plan.ts";

export interface QueryRequest {
  readonly text: string;
  readonly variables?: Readonly<Record<string, unknown>> | null;
  readonly operationName?: string | null;
  /** A search gives a row for each event that it found, and not one object with all of them. */
  readonly hitsAsRows?: boolean;
}

/** A read of one relation by PostgreSQL's own names (`OptimizedView`). */
export interface ViewRequest {
  readonly view: string;
  readonly filter?: Readonly<Record<string, unknown>> | null;
  /** A comma list of `name [ASC|DESC] [NULLS FIRST|LAST]`. */
  readonly orderBy?: string | null;
  readonly limit?: number | null;
  readonly offset?: number | null;
}

/** All rows of one exposed table or view by PostgreSQL's own names (`BulkExport`). */
export interface ExportRequest {
  /** Its name, or `schema.name`. */
  readonly table: string;
  readonly filter?: Readonly<Record<string, unknown>> | null;
  readonly limit?: number | null;
}

/** One field of the operation's root, in selection order. */
export type RootField = RowsRoot | ValueRoot;

export interface RowsRoot {
  /** `rows` is a list of objects; `row` is one object, or null when there is no row. */
  readonly kind: "rows" | "row";
  /** Response name. */
  readonly name: string;
  /** Name in the schema. */
  readonly field: string;
  readonly fields: readonly ResultField[];
  /** Index of its statement, as `RowChunk.statement` has it. */
  readonly statement: number;
  /** Of a connection: the list to ask where its one row is too large. */
  readonly list?: string;
}

/** The hint of a connection's row that is too large: the list is streamed row by row. */
export function listHint({ list }: RowsRoot): string | null {
  return list === undefined ? null : `give first, or ask ${list}, which comes row by row`;
}

/** What needs no database: `__typename`, `__schema`, `__type`. */
export interface ValueRoot {
  readonly kind: "value";
  readonly name: string;
  readonly field: string;
  readonly value: unknown;
}

/** A checked, authorized and planned query. Making one touches no database. */
export interface Plan {
  readonly operationName: string | null;
  readonly roots: readonly RootField[];
}

/** A plan whose every root gives rows. */
export interface BatchPlan extends Plan {
  readonly roots: readonly RowsRoot[];
}

export interface RunOptions {
  readonly signal: AbortSignal;
  /**
   * Only the root field of this index in `roots`, and its chunks then say `statement: 0`; all root
   * fields when absent.
   */
  readonly root?: number;
  /**
   * Called before the first chunk, or the end, where the rows come from the result cache: so many
   * whole seconds ago PostgreSQL gave them.
   */
  readonly fromCache?: (ageSeconds: number) => void;
  /** Told how many events a search found in all, where that is asked, before its first chunk. */
  readonly found?: (total: number) => void;
  /** Only these pages of that root field's table, in a snapshot of `split`. */
  readonly part?: Part;
}

export interface Part {
  /** `HeldSnapshot.name`. */
  readonly snapshot: string;
  readonly range: PageRange;
}

export interface SplitOptions {
  /** Index in `roots`. */
  readonly root: number;
  readonly parts: number;
  readonly signal: AbortSignal;
  /** Called before a snapshot is opened, which it refuses by throwing. */
  readonly beforeHolding?: () => void;
}

/** A root list in parts of one snapshot, which together are its rows; or why it is one part. */
export type Split =
  | {
    readonly kind: "parts";
    readonly snapshot: HeldSnapshot;
    readonly ranges: readonly PageRange[];
  }
  | { readonly kind: "whole"; readonly why: string };

/** A root list that needs no argument, for `ListFlights`. */
export interface RootList {
  /** Name of the root field, e.g. `orderItems`. */
  readonly name: string;
  /** A query for every plain column: `{ orderItems { id ... } }`. */
  readonly text: string;
  readonly description: string | null;
  /** PostgreSQL's estimate; null where it has none. */
  readonly rowsEstimate: number | null;
}

export interface QueryEngine {
  /**
   * To be waited for before a query is planned, where it is not null: the catalog is looked at again,
   * and read again where it has changed. Never rejects, and takes two seconds at most.
   */
  current(): Promise<unknown> | null;

  /**
   * Parses, validates and plans; no row is read. Throws `AppError` with all that was found:
   * `PARSE_ERROR`, `VALIDATION_ERROR`, `BAD_INPUT`, `UNSUPPORTED` (mutations, subscriptions).
   */
  plan(request: QueryRequest): Plan;

  /** The same for a view by PostgreSQL's own names; `NOT_FOUND` for one that is not offered. */
  planView(request: ViewRequest): Plan;

  /** The same for any exposed table or view; `NOT_FOUND` for one that is not exposed. */
  planExport(request: ExportRequest): Plan;

  /**
   * The plan of several queries as one, so that all are read in one snapshot: each gives one root, in
   * their order, a search its hits as rows. The limits on cost hold for all together. Throws as `plan` does, naming the query;
   * `BAD_TICKET` where a query has not exactly one root field that gives rows, `TOO_LARGE` for more
   * than `batchedQueriesMax`.
   */
  planBatch(queries: readonly string[]): BatchPlan;

  /** The plan of one root list with every plain column (a path of one word); `NOT_FOUND`. */
  planWord(word: string): Plan;

  /** Runs a plan in one read-only snapshot; see `Database.rows` for what the caller owes. */
  rows(plan: Plan, options: RunOptions): AsyncIterable<RowChunk>;

  /**
   * To be told of every error of `plan` and of reading or encoding `rows`, before the client is. Where
   * it speaks for a schema that was changed, the catalog is read again, and this resolves when it was:
   * the client's next query is planned by it. Gives the error that the client is to be told: another
   * one where only the catalog shows that the schema is at fault and not the value. `began` is when
   * the request came, by `performance.now()`. Never throws.
   */
  failed(error: unknown, began: number): Promise<unknown>;

  /**
   * Splits a root field into ranges of pages, and holds the snapshot that they are of until it is
   * released. Whoever calls releases it.
   */
  split(plan: Plan, options: SplitOptions): Promise<Split>;

  rootLists(): readonly RootList[];

  /** The schema as SDL. */
  sdl(): string;

  /**
   * Reads the catalog again; running queries end with the schema they began with, and kept results
   * are dropped.
   */
  refresh(): Promise<void>;

  /** Throws `UNAVAILABLE` when PostgreSQL does not answer. */
  ping(signal: AbortSignal): Promise<void>;
}
