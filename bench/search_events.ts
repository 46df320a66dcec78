/** Events for the bench of searches: orders, payments and users of a shop, the same each time. */

import type { SearchColumn } from "../lib/search_columns.ts";
import type { IndexedEvent, SearchCondition } from "../lib/search/store.ts";
import { BadEvent } from "../lib/events/entity_event.ts";
import { toIndexed } from "../sinks/indexer.ts";
import { randomOf } from "../tests/lib/random.ts";

export const COLUMNS: readonly SearchColumn[] = [{ name: "total", path: ["total"] }];

/** The last event's moment, and over how long they are spread. */
const endMs = Date.now();
const spreadMs = 80 * 86_400_000;

const TYPES = ["Order", "Payment", "User"] as const;
const STATUSES = ["paid", "pending", "shipped"] as const;
const CODES = ["PAYMENT_DECLINED", "CARD_EXPIRED", "OUT_OF_STOCK", "ADDRESS_INVALID"] as const;
const COUNTRIES = ["DE", "FR", "NL", "US"] as const;
const WORDS = ("customer asked parcel late delivery invoice address changed called again support " +
  "agent answered wrong colour size damaged box return label printed waiting warehouse confirmed")
  .split(" ");

/** Lines of the events from a number on; `total` of them are there in all. About 650 bytes each. */
export function eventLines(from: number, count: number, total: number): Uint8Array[] {
  const random = randomOf(from + 1);
  const one = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
  const amount = () => Math.round(random() * 1e5) / 100;
  const item = () => ({ sku: `SKU-${Math.floor(random() * 2000)}`, price: amount(), quantity: 1 });
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const ms = Math.floor(endMs - spreadMs * (1 - (n + 1) / total));
    const user = `user-${Math.floor(random() * 500)}`;
    const hasFailed = random() < 0.1;
    const note = Array.from({ length: 12 }, () => one(WORDS));
    if (random() < 0.004) note.push("refund");
    const digits = ms.toString(16).padStart(12, "0");
    const tail = n.toString(16).padStart(12, "0");
    return encoder.encode(JSON.stringify({
      id: `${digits.slice(0, 8)}-${digits.slice(8)}-7000-8000-${tail}`,
      event_type: "Created",
      entity_type: TYPES[n % 3],
      entity_id: String(n),
      timestamp: new Date(ms).toISOString().replace("Z", "000Z"),
      data: {
        id: `${tail}-${digits}`,
        number: n,
        status: hasFailed ? "failed" : one(STATUSES),
        error_code: hasFailed ? one(CODES) : null,
        level: random() < 0.02 ? "error" : "info",
        total: amount(),
        customer: { email: `${user}@example.com`, country: one(COUNTRIES) },
        items: [item(), item()],
        note: note.join(" "),
      },
      user_id: user,
      org_id: `org-${Math.floor(random() * 50)}`,
    }));
  });
}

const encoder = new TextEncoder();

/** As the indexer makes them of their lines. */
export function indexedEvents(lines: readonly Uint8Array[]): IndexedEvent[] {
  return lines.map((line) => {
    const event = toIndexed(line, COLUMNS);
    if (event instanceof BadEvent) throw new Error(event.reason);
    return event;
  });
}

/** One of the questions that the operational dataplane answers. */
export interface Question {
  readonly name: string;
  readonly text?: string;
  /** Another one each time, as far as there are others. */
  condition(n: number): SearchCondition | null;
}

export const QUESTIONS: readonly Question[] = [
  {
    name: "failed orders with an error code",
    condition: (n) =>
      all(
        { kind: "in", field: "entityType", values: ["Order"] },
        { kind: "path", path: ["status"], values: ["failed"] },
        { kind: "path", path: ["error_code"], values: [CODES[n % CODES.length]!] },
      ),
  },
  {
    name: "events of one user in an hour",
    condition: (n) => all({ kind: "in", field: "userId", values: [`user-${n}`] }, last(n, 3600)),
  },
  { name: 'every event that contains "refund"', text: "refund", condition: () => null },
  {
    name: "errors of ten minutes",
    condition: (n) => all({ kind: "path", path: ["level"], values: ["error"] }, last(n, 600)),
  },
];

function all(...items: SearchCondition[]): SearchCondition {
  return { kind: "and", items };
}

/** So many seconds, each time somewhat earlier. */
function last(n: number, seconds: number): SearchCondition {
  const to = (endMs - n * 60_000) * 1000;
  return { kind: "micros", from: to - seconds * 1e6, to };
}
