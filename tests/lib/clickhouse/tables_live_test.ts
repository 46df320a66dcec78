import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Clickhouse } from "../../../lib/clickhouse/client.ts";
import {
  checkClickhouse,
  dropClickhouse,
  migrateClickhouse,
} from "../../../lib/clickhouse/migrate.ts";
import { EVENT_COLUMNS, EVENTS_DATA, NEW_DATA, VIEWS } from "../../../lib/clickhouse/tables.ts";
import { testClickhouse } from "../../services/clickhouse.ts";
import { type StoredEvent, storedEvent, toArrowStream, today } from "./arrow_events.ts";

const server = await testClickhouse();
const keep = { retentionDays: 90 };

async function migrated(): Promise<Clickhouse> {
  const clickhouse = await server.createDatabase();
  await migrateClickhouse(clickhouse, keep);
  return clickhouse;
}

let inserts = 0;

async function insert(clickhouse: Clickhouse, events: readonly StoredEvent[], token?: string) {
  await clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), {
    token: token ?? `insert ${++inserts}`,
  });
}

async function count(clickhouse: Clickhouse, table = "fraiseql_events"): Promise<number> {
  const rows = await clickhouse.rows<{ n: string }>(`SELECT count() AS n FROM ${table}`);
  return Number(rows[0]?.n);
}

Deno.test("migrateClickhouse() makes the table and the views, and finds nothing to do again", async () => {
  const clickhouse = await server.createDatabase();
  const names = [EVENTS_DATA, ...VIEWS.map(({ name }) => name)];
  const first = await migrateClickhouse(clickhouse, keep);
  deepEqual(
    first.map(({ table, done }) => `${done} ${table}`),
    names.map((name) => `made ${name}`),
  );
  const second = await migrateClickhouse(clickhouse, keep);
  deepEqual(second.map(({ done, changes }) => [done, changes]), names.map(() => ["nothing", []]));
  await checkClickhouse(clickhouse, keep);
});

for (const { name, columns } of VIEWS) {
  Deno.test(`${name} has the columns that clients rely on`, async () => {
    const rows = await (await migrated()).rows<{ name: string; type: string }>(
      `SELECT name, type FROM system.columns
       WHERE database = currentDatabase() AND table = '${name}' ORDER BY position`,
    );
    deepEqual(
      rows.map(({ name, type }) => `${name} ${type}`),
      columns.map(({ name, type }) => `${name} ${type}`),
    );
  });
}

Deno.test("fraiseql_events holds each value as it was inserted, microseconds and nulls too", async () => {
  const clickhouse = await migrated();
  const events = [
    storedEvent({
      data: '{"a":"\\"\\u00e9\\n, 日本"}',
      user_id: "u",
      org_id: "o",
      position: 2n ** 63n,
    }),
    storedEvent({ entity_id: '["1","2"]', timestamp: today + 999_999n }),
  ];
  await insert(clickhouse, events);
  const names = EVENT_COLUMNS.map(({ name }) => name).join(", ");
  const rows = await clickhouse.rows(
    `SELECT ${
      names.replace("timestamp", "toString(toUnixTimestamp64Micro(timestamp)) AS timestamp")
    }
     FROM fraiseql_events ORDER BY fraiseql_events.timestamp`,
  );
  deepEqual(
    rows,
    events.map((event) => ({
      ...event,
      timestamp: String(event.timestamp),
      position: String(event.position),
    })),
  );
});

Deno.test("insertArrow() with a token that was seen stores nothing again", async () => {
  const clickhouse = await migrated();
  const events = [storedEvent(), storedEvent()];
  await insert(clickhouse, events, "a");
  await insert(clickhouse, events, "a");
  equal(await count(clickhouse, EVENTS_DATA), 2);
});

Deno.test("insertArrow() takes a stream in many pieces", async () => {
  const clickhouse = await migrated();
  const bytes = toArrowStream([storedEvent(), storedEvent(), storedEvent()]);
  const pieces = Array.from(
    { length: Math.ceil(bytes.length / 100) },
    (_, i) => bytes.slice(100 * i, 100 * i + 100),
  );
  await clickhouse.insertArrow(EVENTS_DATA, pieces, { token: "pieces" });
  equal(await count(clickhouse), 3);
});

Deno.test("fraiseql_events has one row of an event that came in several inserts, the first", async () => {
  const clickhouse = await migrated();
  const event = storedEvent({ position: 5n });
  await insert(clickhouse, [event, storedEvent()]);
  await insert(clickhouse, [{ ...event, position: 9n }, storedEvent()]);
  const seen = () =>
    clickhouse.rows<{ position: string }>(
      `SELECT position FROM fraiseql_events WHERE event_id = '${event.event_id}'`,
    );
  equal(await count(clickhouse), 3);
  deepEqual(await seen(), [{ position: "5" }]);
  await insert(clickhouse, [{ ...event, position: 2n ** 63n }]);
  deepEqual(await seen(), [{ position: "5" }]);
  await clickhouse.command(`OPTIMIZE TABLE ${EVENTS_DATA} FINAL`);
  equal(await count(clickhouse, EVENTS_DATA), 3);
  deepEqual(await seen(), [{ position: "5" }]);
});

/** What the views must say, by plain loops over the events. */
function expected(events: readonly StoredEvent[]) {
  const unique = [...new Map(events.map((event) => [event.event_id, event])).values()];
  const groups = (key: (event: StoredEvent) => unknown[]) =>
    [...Map.groupBy(unique, (event) => JSON.stringify(key(event)))].sort(([a], [b]) =>
      a < b ? -1 : 1
    );
  const hourOf = ({ timestamp }: StoredEvent) =>
    new Date(Number(timestamp / 1000n)).toISOString().slice(0, 13).replace("T", " ") + ":00:00";
  const dayOf = (event: StoredEvent) => hourOf(event).slice(0, 10);
  const size = (values: readonly unknown[]) =>
    String(new Set(values.filter((value) => value !== null)).size);
  const inHour = new Map(
    groups((event) => [hourOf(event)]).map(([key, list]) => [key, list.length]),
  );
  return {
    hourly: groups((e) => [hourOf(e), e.entity_type, e.event_type]).map(([key, list]) => [
      ...JSON.parse(key),
      String(list.length),
      size(list.map(({ entity_id }) => entity_id)),
    ]),
    daily: groups((e) => [dayOf(e), e.org_id]).map(([key, list]) => [
      ...JSON.parse(key),
      String(list.length),
      size(list.map(({ entity_type, entity_id }) => `${entity_type} ${entity_id}`)),
      size(list.map(({ user_id }) => user_id)),
    ]),
    stats: groups((e) => [hourOf(e), e.event_type]).map(([key, list]) => [
      ...JSON.parse(key),
      String(list.length),
      (list.length / inHour.get(JSON.stringify([hourOf(list[0]!)]))!).toFixed(9),
    ]),
  };
}

async function seen(clickhouse: Clickhouse) {
  const rows = async (table: string, columns: string) => {
    const list = await clickhouse.rows<Record<string, string | null>>(
      `SELECT ${columns} FROM ${table}`,
    );
    const values = list.map((row) => Object.values(row));
    const key = (row: readonly unknown[]) => JSON.stringify(row);
    return values.sort((a, b) => key(a) < key(b) ? -1 : 1);
  };
  return {
    hourly: await rows(
      "fraiseql_events_hourly",
      "toString(hour), entity_type, event_type, event_count, unique_entities",
    ),
    daily: await rows(
      "fraiseql_org_daily",
      "toString(day), org_id, event_count, unique_entities, unique_users",
    ),
    stats: await rows(
      "fraiseql_event_type_stats",
      "toString(hour), event_type, event_count, toDecimalString(share, 9)",
    ),
  };
}

function sorted(rows: readonly (readonly unknown[])[]) {
  return [...rows].sort((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
}

Deno.test("the views say of random events, in several inserts and with repeats, what they count", async () => {
  const clickhouse = await migrated();
  const pick = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)]!;
  const events = Array.from({ length: 3000 }, (_, i) =>
    storedEvent({
      event_type: pick(["Created", "Updated", "Deleted"]),
      entity_type: pick(["Order", "User"]),
      entity_id: String(Math.floor(Math.random() * 200)),
      // Some 60 days and so three months, few enough hours that each has several events.
      timestamp: today - BigInt(Math.floor(Math.random() * 60)) * 86_400_000_000n +
        BigInt(Math.floor(Math.random() * 4 * 3_600_000_000)),
      user_id: pick([null, "u1", "u2", "u3"]),
      org_id: pick([null, "", "o1", "o2"]),
      position: BigInt(i),
    }));
  for (let from = 0; from < events.length; from += 500) {
    const repeats = Array.from({ length: 50 }, () => pick(events));
    await insert(clickhouse, [...events.slice(from, from + 500), ...repeats]);
  }
  const wanted = expected(events);
  const check = async () => {
    const { hourly, daily, stats } = await seen(clickhouse);
    deepEqual(hourly, sorted(wanted.hourly));
    deepEqual(daily, sorted(wanted.daily));
    deepEqual(stats, sorted(wanted.stats));
  };
  await check();
  await clickhouse.command(`OPTIMIZE TABLE ${EVENTS_DATA} FINAL`);
  await check();
});

for (
  const [table, condition] of [
    [
      "fraiseql_events_hourly",
      "hour = toStartOfHour(toDateTime64('2026-01-01 05:00:00', 6, 'UTC'))",
    ],
    ["fraiseql_org_daily", "day = '2026-01-01'"],
    ["fraiseql_event_type_stats", "hour = '2026-01-01 05:00:00'"],
  ]
) {
  Deno.test(`a condition on time reads a part of ${table}'s events`, async () => {
    const clickhouse = await server.createDatabase();
    await migrateClickhouse(clickhouse, { retentionDays: 36_500 });
    await clickhouse.command(
      `INSERT INTO ${EVENTS_DATA} SELECT generateUUIDv4(), 'Created', 'Order', toString(number),
       toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + toIntervalSecond(number * 25), '{}', NULL, NULL,
       number FROM numbers(200000)`,
    );
    const plan = await clickhouse.rows<{ explain: string }>(
      `EXPLAIN indexes = 1 SELECT * FROM ${table} WHERE ${condition} FORMAT JSONEachRow`,
    );
    const granules = plan.flatMap(({ explain }) => {
      const found = /Granules: (\d+)\/(\d+)/.exec(explain);
      return found ? [Number(found[1]) / Number(found[2])] : [];
    });
    ok(Math.min(...granules) < 0.5, plan.map(({ explain }) => explain).join("\n"));
  });
}

Deno.test("events older than the retention are gone, younger ones stay", async () => {
  const clickhouse = await migrated();
  const day = 86_400_000_000n;
  await insert(clickhouse, [storedEvent({ timestamp: today - 91n * day, entity_id: "old" })]);
  await insert(clickhouse, [storedEvent({ timestamp: today - 88n * day, entity_id: "young" })]);
  await clickhouse.command(`OPTIMIZE TABLE ${EVENTS_DATA} FINAL`);
  deepEqual(await clickhouse.rows("SELECT entity_id FROM fraiseql_events"), [
    { entity_id: "young" },
  ]);
});

Deno.test("a retention beyond what a DateTime can count keeps everything", async () => {
  const clickhouse = await server.createDatabase();
  await migrateClickhouse(clickhouse, { retentionDays: 36_500 });
  await insert(clickhouse, [storedEvent({ timestamp: -1n }), storedEvent()]);
  await clickhouse.command(`OPTIMIZE TABLE ${EVENTS_DATA} FINAL`);
  equal(await count(clickhouse), 2);
});

Deno.test("migrateClickhouse() changes the retention, and says so", async () => {
  const clickhouse = await migrated();
  const [data] = await migrateClickhouse(clickhouse, { retentionDays: 30 });
  deepEqual(data, { table: EVENTS_DATA, done: "changed", changes: ["kept 30 days"] });
  const [again] = await migrateClickhouse(clickhouse, { retentionDays: 30 });
  equal(again?.done, "nothing");
});

Deno.test("migrateClickhouse() makes a view of an earlier version anew", async () => {
  const clickhouse = await migrated();
  await clickhouse.command(
    "CREATE OR REPLACE VIEW fraiseql_org_daily AS SELECT 1 AS day COMMENT 'fraiseql, version 0'",
  );
  await rejects(checkClickhouse(clickhouse, keep), {
    code: "NOT_FOUND",
    message: /has no fraiseql_org_daily$/,
    hint: "run fraiseql migrate",
  });
  const done = await migrateClickhouse(clickhouse, keep);
  deepEqual(done.find(({ table }) => table === "fraiseql_org_daily"), {
    table: "fraiseql_org_daily",
    done: "changed",
    changes: ["was fraiseql, version 0"],
  });
  await checkClickhouse(clickhouse, keep);
});

const misfits: [name: string, sql: string, message: RegExp][] = [
  [
    "a view's name that a table has",
    "CREATE TABLE fraiseql_events (a Int32) ENGINE = MergeTree ORDER BY a",
    /fraiseql_events is a table of engine MergeTree, not a view of ours/,
  ],
  [
    "a table with a column of another type",
    `CREATE TABLE ${EVENTS_DATA} (event_id String, timestamp DateTime, entity_type String)
     ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(timestamp)
     ORDER BY (entity_type, timestamp, event_id)`,
    /column event_id of fraiseql_events_data is String instead of UUID.*column timestamp .* is DateTime instead of DateTime64\(6, 'UTC'\).*no column data String/,
  ],
  [
    "a table of another engine and key",
    `CREATE TABLE ${EVENTS_DATA} (event_id UUID) ENGINE = MergeTree ORDER BY event_id`,
    /engine MergeTree instead of ReplacingMergeTree.*ORDER BY event_id instead of entity_type, sipHash64.*, timestamp, event_id.*PARTITION BY nothing/,
  ],
  [
    "a table of an earlier version without a column of ours",
    `CREATE TABLE ${EVENTS_DATA} (event_id UUID, entity_type String, timestamp DateTime,
       position UInt64)
     ENGINE = ReplacingMergeTree(position) PARTITION BY toYYYYMM(timestamp)
     ORDER BY (entity_type, timestamp, event_id) COMMENT 'fraiseql, version 1'`,
    /^ClickHouse does not fit: fraiseql_events_data has no column event_type LowCardinality.*column timestamp of/,
  ],
  [
    "a table of somebody else with the name of one that is filled",
    `CREATE TABLE ${NEW_DATA} (event_id UUID) ENGINE = MergeTree ORDER BY event_id`,
    /fraiseql_events_data_new is no table of ours/,
  ],
  [
    "a table of a later version",
    `CREATE TABLE ${EVENTS_DATA} (event_id UUID) ENGINE = MergeTree ORDER BY event_id
     COMMENT 'fraiseql, version 999'`,
    /version 999, made by a later fraiseql/,
  ],
];

for (const [name, sql, message] of misfits) {
  Deno.test(`migrateClickhouse() refuses ${name}, and touches nothing`, async () => {
    const clickhouse = await server.createDatabase();
    await clickhouse.command(sql);
    await rejects(migrateClickhouse(clickhouse, keep), { code: "BAD_INPUT", message });
    const tables = await clickhouse.rows("SHOW TABLES");
    equal(tables.length, 1);
  });
}

Deno.test("checkClickhouse() names what migrate has to make", async () => {
  const clickhouse = await server.createDatabase();
  await rejects(checkClickhouse(clickhouse, keep), (error: Error) => {
    match(error.message, /has no fraiseql_events_data, fraiseql_events, /);
    return true;
  });
});

Deno.test("dropClickhouse() removes what migrate made, and nothing else", async () => {
  const clickhouse = await migrated();
  await clickhouse.command("CREATE TABLE mine (a Int32) ENGINE = MergeTree ORDER BY a");
  equal((await dropClickhouse(clickhouse)).length, 5);
  deepEqual(await clickhouse.rows("SHOW TABLES"), [{ name: "mine" }]);
  deepEqual(await dropClickhouse(clickhouse), []);
});

Deno.test("an insert of more months than ClickHouse takes at once is refused for good", async () => {
  const clickhouse = await server.createDatabase();
  await migrateClickhouse(clickhouse, { retentionDays: 36_500 });
  const months = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => storedEvent({ timestamp: today - BigInt(i) * 31n * 86_400_000_000n }),
    );
  await insert(clickhouse, months(50));
  await rejects(
    insert(clickhouse, months(150), "too many"),
    { code: "BAD_INPUT", hint: "insert fewer months at once" },
  );
});
