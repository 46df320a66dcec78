/** Tables of earlier versions become this one's, whatever happens on the way. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import type { Clickhouse } from "../../../lib/clickhouse/client.ts";
import {
  checkClickhouse,
  dropClickhouse,
  migrateClickhouse,
} from "../../../lib/clickhouse/migrate.ts";
import {
  createData,
  EVENT_COLUMNS,
  EVENTS_DATA,
  NEW_DATA,
  ttlOf,
} from "../../../lib/clickhouse/tables.ts";
import { pause } from "../../../lib/waiting.ts";
import { testClickhouse } from "../../services/clickhouse.ts";

const server = await testClickhouse();
const keep = { retentionDays: 36_500 };
const options = { ...keep, cluster: null };

/** As earlier programs made it. */
function earlier(version: 1 | 2): string {
  const columns = EVENT_COLUMNS.map(({ name, type }) => `${name} ${type}`);
  if (version === 2) columns.push("kept UInt64 MATERIALIZED bitNot(position)");
  return `CREATE TABLE ${EVENTS_DATA} (${columns.join(", ")})
    ENGINE = ReplacingMergeTree(${version === 2 ? "kept" : "position"})
    PARTITION BY toYYYYMM(timestamp) ORDER BY (entity_type, timestamp, event_id)
    TTL ${ttlOf(options)} COMMENT 'fraiseql, version ${version}'`;
}

const NAMES = EVENT_COLUMNS.map(({ name }) => name).join(", ");

/** Events of seven months from 1969 on, of five organisations and none; each is the same always. */
async function insert(
  clickhouse: Clickhouse,
  { table = EVENTS_DATA, first = 0, count = 2000, position = 0 }: {
    readonly table?: string;
    readonly first?: number;
    readonly count?: number;
    readonly position?: number;
  } = {},
): Promise<void> {
  await clickhouse.command(
    `INSERT INTO ${table} (${NAMES}) SELECT
       UUIDNumToString(toFixedString(unhex(concat(leftPad(hex(number), 32, '0'))), 16)),
       'Created', ['Order', 'User'][number % 2 + 1], toString(number % 77),
       toDateTime64('1969-12-01 00:00:00', 6, 'UTC') + toIntervalSecond(number * 8640), '{"a":"é"}',
       if(number % 3 = 0, NULL, 'user'), if(number % 6 = 0, NULL, concat('org-', toString(number % 6))),
       number + ${position}
     FROM numbers(${first}, ${count})`,
  );
}

async function withTable(version: 1 | 2): Promise<Clickhouse> {
  const clickhouse = await server.createDatabase();
  await clickhouse.command(earlier(version));
  await insert(clickhouse, { position: 5000 });
  // Some come again, further on.
  await insert(clickhouse, { first: 500, count: 300, position: 9000 });
  return clickhouse;
}

/** All that readers see, and the tables. */
async function seen(clickhouse: Clickhouse) {
  const events = await clickhouse.rows(
    `SELECT ${NAMES} FROM ${EVENTS_DATA} FINAL ORDER BY event_id`,
  );
  return { events, tables: await tablesOf(clickhouse) };
}

async function tablesOf(clickhouse: Clickhouse): Promise<string[]> {
  const rows = await clickhouse.rows<{ name: string }>(
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'View'",
  );
  return rows.map(({ name }) => name);
}

for (const version of [1, 2] as const) {
  Deno.test(`migrateClickhouse() upgrades a table of version ${version} with all of its events`, async () => {
    const clickhouse = await withTable(version);
    const before = await seen(clickhouse);
    equal(before.events.length, 2000);
    await rejects(checkClickhouse(clickhouse, keep), {
      code: "NOT_FOUND",
      hint: "run fraiseql migrate",
    });
    const told: [number, number][] = [];
    const onProgress = (done: number, total: number) => void told.push([done, total]);
    const [data] = await migrateClickhouse(clickhouse, { ...keep, onProgress });
    deepEqual(data?.changes, ["fraiseql, version 3, 2000 events copied"]);
    deepEqual(told.at(-1), [2300, 2300]);
    equal(told.every(([done], i) => done >= (told[i - 1]?.[0] ?? 0)), true);
    // Of an event that came again, version 1 kept the last row when it merged.
    deepEqual(
      (await seen(clickhouse)).events.map(withoutPosition),
      before.events.map(withoutPosition),
    );
    if (version === 2) deepEqual(await seen(clickhouse), before);
    deepEqual(await tablesOf(clickhouse), [EVENTS_DATA]);
    await checkClickhouse(clickhouse, keep);
    const [again] = await migrateClickhouse(clickhouse, keep);
    equal(again?.done, "nothing");
  });
}

const withoutPosition = (row: unknown) => ({ ...row as Record<string, unknown>, position: null });

Deno.test("migrateClickhouse() that is stopped at any moment goes on with what is there", async () => {
  const clickhouse = await withTable(2);
  const { events } = await seen(clickhouse);
  for (let stops = 0;; stops++) {
    const stopping = new AbortController();
    let days = 0;
    const onProgress = () => ++days === 40 && stopping.abort();
    try {
      await migrateClickhouse(clickhouse, { ...keep, onProgress }, stopping.signal);
      equal(stops > 2, true, "it was stopped several times");
      break;
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
      // Readers have the old table meanwhile, or the whole new one.
      deepEqual((await seen(clickhouse)).events, events);
    }
  }
  deepEqual(await seen(clickhouse), { events, tables: [EVENTS_DATA] });
});

Deno.test("migrateClickhouse() goes on behind the change of names, with what was written to the old table", async () => {
  const clickhouse = await withTable(2);
  await clickhouse.command(createData(options, NEW_DATA));
  await insert(clickhouse, { table: NEW_DATA, position: 5000 });
  await insert(clickhouse, { table: EVENTS_DATA, first: 2000, count: 10, position: 5000 });
  const { events } = await seen(clickhouse);
  await clickhouse.command(`EXCHANGE TABLES ${EVENTS_DATA} AND ${NEW_DATA}`);
  await insert(clickhouse, { first: 3000, count: 1, position: 5000 }); // by a sink of this version
  await migrateClickhouse(clickhouse, keep);
  const now = await seen(clickhouse);
  deepEqual(now.events.slice(0, -1), events);
  deepEqual([now.events.length, now.tables], [2011, [EVENTS_DATA]]);
});

Deno.test("migrateClickhouse() by several at once makes one table of this version with all events", async () => {
  for (const apartMs of [0, 20, 40, 80]) {
    const clickhouse = await server.createDatabase();
    await clickhouse.command(earlier(2));
    await insert(clickhouse, { count: 30 });
    const before = await seen(clickhouse);
    await Promise.all([0, 1, 2].map(async (n) => {
      await pause(n * apartMs);
      await migrateClickhouse(clickhouse, keep);
    }));
    deepEqual(await seen(clickhouse), before);
    await checkClickhouse(clickhouse, keep);
    const [again] = await migrateClickhouse(clickhouse, keep);
    equal(again?.done, "nothing");
  }
});

Deno.test("migrateClickhouse() by several at once makes the tables where there are none", async () => {
  const clickhouse = await server.createDatabase();
  await Promise.all([0, 1, 2].map(() => migrateClickhouse(clickhouse, keep)));
  await checkClickhouse(clickhouse, keep);
});

Deno.test("migrateClickhouse() goes on with a filled table that another one was about to exchange", async () => {
  const clickhouse = await server.createDatabase();
  await clickhouse.command(earlier(2));
  await insert(clickhouse, { count: 30 });
  const before = await seen(clickhouse);
  await clickhouse.command(createData(options, `${NEW_DATA}_0123abcd`));
  await migrateClickhouse(clickhouse, keep);
  deepEqual(await seen(clickhouse), before);
});

Deno.test("migrateClickhouse() and dropClickhouse() drop tables larger than may be dropped by default", async () => {
  const clickhouse = await server.createDatabase();
  await clickhouse.command(earlier(2));
  await insert(clickhouse, { count: 30 });
  const careful: Clickhouse = {
    ...clickhouse,
    command: (sql, ask = {}) =>
      clickhouse.command(sql, {
        ...ask,
        settings: { max_table_size_to_drop: 1, ...ask.settings },
      }),
  };
  await rejects(careful.command(`DROP TABLE ${EVENTS_DATA}`), /MAX_DROP_SIZE/);
  await migrateClickhouse(careful, keep);
  deepEqual(await tablesOf(clickhouse), [EVENTS_DATA]);
  await dropClickhouse(careful);
  deepEqual(await tablesOf(clickhouse), []);
});

Deno.test("migrateClickhouse() takes what a sink stores while it copies", async () => {
  const clickhouse = await withTable(2);
  let writing: Promise<void> | null = null;
  const onProgress = () => {
    writing ??= insert(clickhouse, { first: 2000, count: 500, position: 5000 });
  };
  await migrateClickhouse(clickhouse, { ...keep, onProgress });
  await writing;
  equal((await seen(clickhouse)).events.length, 2500);
});

Deno.test("the key chooses an organisation, a time and a type", async () => {
  const clickhouse = await server.createDatabase();
  await migrateClickhouse(clickhouse, keep);
  await clickhouse.command(
    `INSERT INTO ${EVENTS_DATA} (${NAMES}) SELECT generateUUIDv4(), 'Created',
       ['Order', 'User'][number % 2 + 1], toString(number),
       toDateTime64('2026-01-01 00:00:00', 6, 'UTC') + toIntervalSecond(number), '{}', NULL,
       concat('org-', toString(intDiv(number, 7) % 100)), number FROM numbers(1500000)`,
  );
  await clickhouse.command(`OPTIMIZE TABLE ${EVENTS_DATA} FINAL`);
  const shareOf = async (condition: string) => {
    const plan = await clickhouse.rows<{ explain: string }>(
      `EXPLAIN indexes = 1 SELECT count() FROM fraiseql_events WHERE ${condition}`,
    );
    const text = plan.map(({ explain }) => explain).join("\n");
    const shares = [...text.matchAll(/Granules: (\d+)\/(\d+)/g)].map(([, a, b]) =>
      Number(a) / Number(b)
    );
    return Math.min(...shares);
  };
  const shares: Record<string, number> = {};
  for (
    const condition of [
      "org_id = 'org-5'",
      "timestamp >= '2026-01-05' AND timestamp < '2026-01-06'",
      "entity_type = 'Order'",
    ]
  ) shares[condition] = await shareOf(condition);
  deepEqual(
    Object.values(shares).map((share) => share < 0.6),
    [true, true, true],
    JSON.stringify(shares),
  );
});
