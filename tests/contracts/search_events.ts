/** Events for searches, and queries that say only what they are about. */

import { numbersOf } from "../../lib/search/numbers.ts";
import type { SearchColumn } from "../../lib/search_columns.ts";
import type { IndexedEvent, SearchQuery, StoredEvent, Term } from "../../lib/search/store.ts";
import { parseTerms } from "../../lib/search/terms.ts";
import { textsOf } from "../../lib/search/texts.ts";

/** What the suites configure as `search_columns`: `total,items.price`. */
export const COLUMNS: readonly SearchColumn[] = [
  { name: "total", path: ["total"] },
  { name: "items_price", path: ["items", "price"] },
];

/** The first moment of the events that are made here. */
export const BEGIN = Date.UTC(2026, 0, 15);

/** A UUID that is larger for a larger number. */
export function eventId(n: number): string {
  return `0190a3c0-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
}

/**
 * The event of the number, a second behind the one before it; `data` is an object's JSON or becomes
 * it, a list as the only thing in one.
 */
export function indexed(
  n: number,
  data: unknown = {},
  more: Partial<Omit<StoredEvent, "data">> = {},
): IndexedEvent {
  const object = Array.isArray(data) ? { list: data } : data;
  const text = typeof object === "string" ? object : JSON.stringify(object);
  const timestamp = more.timestamp ?? timestampOf((BEGIN + n * 1000) * 1000);
  return {
    eventId: eventId(n),
    eventType: "Created",
    entityType: "Order",
    entityId: String(n),
    userId: null,
    orgId: null,
    ...more,
    timestamp,
    micros: microsOf(timestamp),
    data: text,
    texts: textsOf(text),
    numbers: numbersOf(text, COLUMNS),
  };
}

export function timestampOf(micros: number): string {
  const seconds = new Date(Math.floor(micros / 1000)).toISOString().slice(0, 19);
  const rest = ((micros % 1_000_000) + 1_000_000) % 1_000_000;
  return `${seconds}.${String(rest).padStart(6, "0")}Z`;
}

export function microsOf(timestamp: string): number {
  return Date.parse(`${timestamp.slice(0, 19)}Z`) * 1000 + Number(timestamp.slice(20, 26));
}

/** The newest hundred events; with this text or these terms, and whatever else is said. */
export function query(
  text: string | readonly Term[] = [],
  more: Partial<SearchQuery> = {},
): SearchQuery {
  return {
    terms: typeof text === "string" ? parseTerms(text, 100) : text,
    condition: null,
    order: "newest",
    first: 100,
    after: null,
    wantsTotal: true,
    ...more,
  };
}
