/** Random events, in ClickHouse and as a table of PostgreSQL, which tells what is right. */

import type { Clickhouse } from "../../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../../lib/clickhouse/tables.ts";
import { type StoredEvent, toArrowStream, today } from "../clickhouse/arrow_events.ts";

/** The same columns, read by the same pipeline as `modelEvents`. */
export const MODEL = `create table model_events (
  event_id uuid primary key,
  event_type text collate "C" not null,
  entity_type text collate "C" not null,
  entity_id text collate "C" not null,
  "timestamp" timestamptz not null,
  data jsonb not null,
  user_id text collate "C",
  org_id text collate "C",
  "position" bigint not null
)`;

export function insertModel(events: readonly StoredEvent[]): string {
  const text = JSON.stringify(events.map((event) => ({
    ...event,
    timestamp: new Date(Number(event.timestamp / 1000n)).toISOString().replace(
      /\d{3}Z$/,
      `${String(event.timestamp % 1_000_000n).padStart(6, "0")}Z`,
    ),
    position: String(event.position),
    data: "",
  })));
  const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const data = `array[${events.map((event) => quoted(event.data)).join(",")}]::jsonb[]`;
  return `insert into model_events
    select (r).event_id, (r).event_type, (r).entity_type, (r).entity_id, (r)."timestamp", d,
      (r).user_id, (r).org_id, (r)."position"
    from unnest(${data}) with ordinality as data(d, n)
    join (select row_number() over () as n, r from
      json_populate_recordset(null::model_events, ${quoted(text)}) r) rows using (n)`;
}

export type Random = () => number;

export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ state >>> 15, 1 | state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 4294967296;
  };
}

export const pick = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random() * items.length)]!;

export const TEXTS = [
  "a",
  "A",
  "é",
  "日本",
  "a%b",
  "a_b",
  "back\\slash",
  "quote'd",
  "",
  "tab\tline\n",
];

/** Numbers as JSON writes them, the hard ones among them. */
export const NUMBERS = [
  "0",
  "1",
  "-1",
  "1.5",
  "2.25",
  "-3.125",
  "12.50",
  "0.0000005",
  "1e3",
  "-2.5E-2",
  "123456789012345678901234567890.123456",
  "9007199254740993",
  "0.1",
  "99.9999995",
  "1234567.1234567",
];

function randomData(random: Random, i: number): string {
  const parts = [`"id":${i}`];
  if (random() < 0.8) parts.push(`"total":${random() < 0.1 ? '"12.5"' : pick(random, NUMBERS)}`);
  if (random() < 0.7) {
    parts.push(`"region":${pick(random, ['"eu"', '"us"', "null", '"日本"', "5", "true"])}`);
  }
  if (random() < 0.5) {
    parts.push(`"items":[{"sku":"s${i % 3}","n":${i % 4}},${pick(random, NUMBERS)}]`);
  }
  if (random() < 0.5) parts.push(`"note": ${JSON.stringify(pick(random, TEXTS) + " 7.25, 1e5")}`);
  return `{${parts.join(random() < 0.5 ? "," : " , ")}}`;
}

/** Events of several organisations and months, at borders of hours, days and months too. */
export function randomEvents(random: Random, count: number): StoredEvent[] {
  const day = 86_400_000_000n;
  return Array.from({ length: count }, (_, i): StoredEvent => ({
    event_id: crypto.randomUUID(),
    event_type: pick(random, ["Created", "Updated", "Deleted"] as const),
    entity_type: pick(random, ["Order", "User"]),
    entity_id: random() < 0.2 ? pick(random, TEXTS) : String(i % 7),
    timestamp: today - day * BigInt(Math.floor(random() * 70)) +
      pick(random, [0n, -1n, 3_600_000_000n, BigInt(Math.floor(random() * 8.6e10))]),
    data: randomData(random, i),
    user_id: random() < 0.3 ? null : pick(random, TEXTS),
    org_id: random() < 0.3 ? null : pick(random, TEXTS),
    position: BigInt(i + 1),
  }));
}

/** Stores them in several inserts, some of them twice. */
export async function storeEvents(
  clickhouse: Clickhouse,
  events: readonly StoredEvent[],
): Promise<void> {
  await migrateClickhouse(clickhouse, { retentionDays: 365 });
  const half = Math.floor(events.length / 2);
  const inserts = [events.slice(0, half), events.slice(half - 20), events.slice(0, 20)];
  for (const [i, some] of inserts.entries()) {
    await clickhouse.insertArrow(EVENTS_DATA, toArrowStream(some), { token: `insert ${i}` });
  }
}
