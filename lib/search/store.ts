/**
 * What searching events needs of a store, and what an event becomes before it is stored. There are
 * two stores, Elasticsearch and the embedded one, which find the same: words, their cutting and the
 * order are ours (`words.ts`), and `tests/contracts/search.ts` runs on both.
 */

/** An event as a store keeps it; made by `sinks/indexer.ts`. */
export interface IndexedEvent {
  /** A UUID in lower case; one event is stored once. */
  readonly eventId: string;
  readonly eventType: string;
  readonly entityType: string;
  readonly entityId: string;
  /** As the event has it, like `2026-01-01T00:00:00.123456Z`. */
  readonly timestamp: string;
  /** The same in microseconds since 1970, which is what is compared and ordered by. */
  readonly micros: number;
  /** JSON, as the event has it. */
  readonly data: string;
  readonly userId: string | null;
  readonly orgId: string | null;
  /** Words of `data` as `words.ts` makes them, each text of `data` by itself, with a space between. */
  readonly texts: readonly string[];
  /**
   * The least and the greatest number at each configured column, by the column's name: a path can lead
   * through arrays, and a comparison holds where it does for one of the numbers. Those are enough to
   * tell. All are finite.
   */
  readonly numbers: Readonly<Record<string, readonly [least: number, greatest: number]>>;
}

/** What was stored: an `IndexedEvent` without what was only made for finding it. */
export type StoredEvent = Omit<IndexedEvent, "texts" | "numbers" | "micros">;

/** A part of what was typed; all of them must be there. */
export type Term =
  | { readonly kind: "word" | "prefix"; readonly word: string }
  /** These words, one after the other, within one text. */
  | { readonly kind: "phrase"; readonly words: readonly string[] };

/** A field of an event that conditions may be put on. */
export type SearchField = "eventId" | "eventType" | "entityType" | "entityId" | "userId" | "orgId";

/** Three-valued logic is not known here: a condition on what is absent does not hold, `not` of it does. */
export type SearchCondition =
  | { readonly kind: "and" | "or"; readonly items: readonly SearchCondition[] }
  | { readonly kind: "not"; readonly item: SearchCondition }
  | { readonly kind: "in"; readonly field: SearchField; readonly values: readonly string[] }
  | { readonly kind: "startsWith"; readonly field: SearchField; readonly value: string }
  | { readonly kind: "present"; readonly field: SearchField }
  /** Both ends are inclusive; null: open. */
  | { readonly kind: "micros"; readonly from: number | null; readonly to: number | null }
  /** A value of `data` at the path, compared as text; the path may lead through arrays. */
  | { readonly kind: "path"; readonly path: readonly string[]; readonly values: readonly string[] }
  | { readonly kind: "pathPresent"; readonly path: readonly string[] }
  /** One of a configured column's numbers, if there is any. */
  | {
    readonly kind: "number";
    readonly column: string;
    readonly operator: "gt" | "gte" | "lt" | "lte";
    readonly value: number;
  };

export interface SearchQuery {
  readonly terms: readonly Term[];
  readonly condition: SearchCondition | null;
  /** Equal times are ordered by the event's id, in the same direction. */
  readonly order: "newest" | "oldest" | "relevance";
  readonly first: number;
  /** `SearchHit.place` of the hit to go on behind. */
  readonly after: readonly (string | number)[] | null;
  readonly wantsTotal: boolean;
}

export interface SearchHit {
  readonly event: StoredEvent;
  /** What `after` takes; its meaning is the store's. */
  readonly place: readonly (string | number)[];
}

export interface SearchPage {
  readonly hits: readonly SearchHit[];
  /** Exact; null where it was not asked for. */
  readonly total: number | null;
  readonly hasMore: boolean;
}

export interface SearchOptions {
  readonly signal: AbortSignal;
  readonly secondsMax: number;
}

export interface SearchStore {
  /**
   * Throws `AppError`: `UNAVAILABLE` where the store cannot be reached or is not there yet, `TIMEOUT`,
   * `BAD_INPUT` for a place that it did not give, `CANCELLED`.
   */
  search(query: SearchQuery, options: SearchOptions): Promise<SearchPage>;
  close(): Promise<void>;
}

/** How many events a store has of an hour and type, and the sum of `verify` over their ids. */
export interface StoredSum {
  readonly entityType: string;
  /** Like `2026-01-01T00`. */
  readonly hour: string;
  readonly count: number;
  readonly hash: bigint;
}

/** The side of a store that the sink and `migrate` use. */
export interface SearchIndex {
  /** Makes what must be there, or checks that it fits; safe to repeat. */
  ensure(signal: AbortSignal): Promise<void>;
  /**
   * Stores events that are not there yet, and gives the index and reason of those refused for good.
   * Throws `UNAVAILABLE` where all of it may be tried again.
   */
  write(
    events: readonly IndexedEvent[],
    signal: AbortSignal,
  ): Promise<readonly { readonly row: number; readonly reason: string }[]>;
  /** What it holds from that time on, for `verify`. */
  sums(fromMicros: number, signal: AbortSignal): Promise<readonly StoredSum[]>;
  /** Removes whole months that ended more than the retention ago; gives their names. */
  sweep(now: Date, signal: AbortSignal): Promise<readonly string[]>;
  close(): Promise<void>;
}
