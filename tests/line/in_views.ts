/** What ClickHouse's views must say: what PostgreSQL computes from the change log's own rows. */

import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { Clickhouse } from "../../lib/clickhouse/client.ts";

/** Asks PostgreSQL for rows of texts. */
export type Ask = (sql: string) => Promise<(string | null)[][]>;

const HOUR = "to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:00:00')";

// deno-fmt-ignore: a table reads best as one
const VIEWS: readonly [name: string, columns: string, sql: string][] = [
  [
    "fraiseql_events_hourly",
    "hour, entity_type, event_type, event_count, unique_entities",
    `select ${HOUR}, entity_type, event_type, count(*)::text, count(distinct entity_id)::text
     from fraiseql.change_log group by 1, 2, 3`,
  ],
  [
    "fraiseql_org_daily",
    "day, org_id, event_count, unique_entities, unique_users",
    `select to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD'), org_id, count(*)::text,
       count(distinct (entity_type, entity_id))::text, count(distinct user_id)::text
     from fraiseql.change_log group by 1, 2`,
  ],
  [
    "fraiseql_event_type_stats",
    "hour, event_type, event_count, share",
    `select ${HOUR}, event_type, count(*)::text,
       (count(*) / (sum(count(*)) over (partition by ${HOUR}))::float8)::text
     from fraiseql.change_log group by 1, 2`,
  ],
];

/** Every event is in `fraiseql_events` once, and the three views have PostgreSQL's own numbers. */
export async function checkViews(clickhouse: Clickhouse, ask: Ask): Promise<void> {
  const stored = await clickhouse.rows<{ id: string }>(
    "SELECT event_id AS id FROM fraiseql_events",
  );
  const logged = await ask("select fraiseql.id_of(l) from fraiseql.change_log l");
  deepEqual(sorted(stored.map(({ id }) => [id])), sorted(logged), "fraiseql_events");
  for (const [name, columns, sql] of VIEWS) {
    const rows = await clickhouse.rows<Record<string, unknown>>(`SELECT ${columns} FROM ${name}`);
    const said = rows.map((row) => Object.values(row).map(textOf));
    deepEqual(sorted(said), sorted(await ask(sql)), name);
  }
}

const textOf = (value: unknown) => value === null ? null : String(value);

/** Neither promises an order. */
export function sorted(rows: readonly unknown[]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

/** So many events are to be seen; none while ClickHouse is on its way back. */
export async function eventsSeen(clickhouse: Clickhouse): Promise<number> {
  const sql = "SELECT count() AS events FROM fraiseql_events";
  const [row] = await clickhouse.rows<{ events: string }>(sql).catch(() => []);
  return Number(row?.events ?? 0);
}
