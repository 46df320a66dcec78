/** Events and searches by chance, of few words and values, so that searches find some. */

import type { IndexedEvent, SearchCondition, SearchQuery, Term } from "../../lib/search/store.ts";
import { BEGIN, eventId, indexed, query, timestampOf } from "./search_events.ts";

type Random = () => number;

const WORDS = ["refund", "card", "declined", "card1", "é", "東京", "12", "re", "0", "or"] as const;
const KEYS = ["status", "total", "items", "price", "a.b", "note"] as const;
const VALUES = ["paid", "failed", "", "10", "true", "a b"] as const;

function one<Item>(random: Random, items: readonly Item[]): Item {
  return items[Math.floor(random() * items.length)]!;
}

function some<Item>(random: Random, most: number, make: () => Item): Item[] {
  return Array.from({ length: Math.floor(random() * (most + 1)) }, make);
}

/** Events of four months; some of one moment. */
export function randomEvents(random: Random, count: number): IndexedEvent[] {
  return Array.from({ length: count }, (_, n) => {
    const micros = (BEGIN + Math.floor(random() * 60) * 2 * 86_400_000) * 1000 +
      Math.floor(random() * 3);
    return indexed(n, randomData(random, 3), {
      timestamp: timestampOf(micros),
      eventType: one(random, ["Created", "Updated", "Deleted"]),
      entityType: one(random, ["Order", "OrderItem", "User"]),
      entityId: String(Math.floor(random() * 50)),
      userId: one(random, [null, "user-1", "user-12", ""]),
      orgId: one(random, [null, null, "org-1"]),
    });
  });
}

function randomData(random: Random, depth: number): unknown {
  const kind = random();
  if (depth === 3 || (depth > 0 && kind < 0.3)) {
    return Object.fromEntries(
      some(random, 4, () => [one(random, KEYS), randomData(random, depth - 1)]),
    );
  }
  if (depth > 0 && kind < 0.5) return some(random, 3, () => randomData(random, depth - 1));
  if (kind < 0.7) {
    return some(random, 4, () => one(random, WORDS)).join(one(random, [" ", ", ", "-"]));
  }
  if (kind < 0.85) return Math.floor(random() * 40) - 10;
  if (kind < 0.95) return one(random, VALUES);
  return one(random, [true, false, null]);
}

/** A search in one of the two orders in which stores agree. */
export function randomSearch(random: Random, events: readonly IndexedEvent[]): SearchQuery {
  return query(some(random, 2, () => randomTerm(random)), {
    condition: random() < 0.2 ? null : randomCondition(random, events, 3),
    order: one(random, ["newest", "oldest"]),
    first: one(random, [0, 1, 10, 100, 1000]),
    wantsTotal: random() < 0.8,
  });
}

function randomTerm(random: Random): Term {
  const kind = random();
  if (kind < 0.5) return { kind: "word", word: one(random, WORDS) };
  if (kind < 0.75) {
    return { kind: "prefix", word: one(random, WORDS).slice(0, 1 + Math.floor(random() * 4)) };
  }
  return { kind: "phrase", words: [one(random, WORDS), one(random, WORDS)] };
}

function randomCondition(
  random: Random,
  events: readonly IndexedEvent[],
  depth: number,
): SearchCondition {
  const inner = () => randomCondition(random, events, depth - 1);
  const kind = depth > 0 ? random() : 0.3 + random() * 0.7;
  if (kind < 0.1) return { kind: "and", items: some(random, 3, inner) };
  if (kind < 0.2) return { kind: "or", items: some(random, 3, inner) };
  if (kind < 0.3) return { kind: "not", item: inner() };
  const field = one(random, ["eventType", "entityType", "entityId", "userId", "orgId"] as const);
  if (kind < 0.45) {
    const values = some(random, 3, () => one(random, events)[field] ?? "user-1");
    return { kind: "in", field, values };
  }
  if (kind < 0.5) {
    const values = some(random, 3, () => eventId(Math.floor(random() * events.length * 1.5)));
    return { kind: "in", field: "eventId", values };
  }
  if (kind < 0.55) {
    const value = (one(random, events)[field] ?? "").slice(0, Math.floor(random() * 6));
    return { kind: "startsWith", field, value };
  }
  if (kind < 0.6) return { kind: "present", field };
  if (kind < 0.7) {
    const end = () => random() < 0.3 ? null : one(random, events).micros;
    return { kind: "micros", from: end(), to: end() };
  }
  const path = [one(random, KEYS), ...some(random, 1, () => one(random, KEYS))];
  if (kind < 0.85) {
    const value = () => random() < 0.5 ? one(random, VALUES) : String(Math.floor(random() * 20));
    return { kind: "path", path, values: some(random, 3, value) };
  }
  if (kind < 0.9) return { kind: "pathPresent", path };
  return {
    kind: "number",
    column: one(random, ["total", "items_price"]),
    operator: one(random, ["gt", "gte", "lt", "lte"]),
    value: Math.floor(random() * 40) - 10,
  };
}
