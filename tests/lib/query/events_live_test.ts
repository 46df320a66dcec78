/** Events in ClickHouse against the same rows in PostgreSQL, asked by the same pipeline. */

import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { eventStore } from "../../../lib/clickhouse/event_store.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { EngineOptions } from "../../../lib/query/engine_options.ts";
import { testClickhouse } from "../../services/clickhouse.ts";
import { testPostgres } from "../../services/postgres.ts";
import { readData } from "./engine.ts";
import {
  insertModel,
  MODEL,
  NUMBERS,
  pick,
  type Random,
  randomEvents,
  seeded,
  storeEvents,
  TEXTS,
} from "./event_rows.ts";

const server = await testClickhouse();
const postgres = await testPostgres();

const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const cases = Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 60);

async function world(resultCache?: EngineOptions["resultCache"]) {
  const random = seeded(seed);
  const clickhouse = await server.createDatabase();
  const events = randomEvents(random, 300);
  await storeEvents(clickhouse, events);
  const url = await postgres.createDatabase();
  const query = (sql: string) => postgres.query(sql, url);
  await query(MODEL);
  await query(insertModel(events));
  const database = await openDatabase({
    url,
    limits: limits(),
    log: createLog("error", () => {}),
  });
  const engine = await openEngine({
    database,
    readCatalog: () => readCatalog(database, ["public"]),
    limits: limits(),
    unrepresentable: "error",
    views: [],
    events: eventStore(() => clickhouse, limits()),
    ...resultCache && { resultCache },
  });
  return {
    random,
    clickhouse,
    events,
    engine,
    query,
    async [Symbol.asyncDispose]() {
      await database.close();
      await postgres.dropDatabase(url);
      await clickhouse.command(`DROP DATABASE ${clickhouse.settings.database} SYNC`);
    },
  };
}

const text = JSON.stringify;

function randomTextCondition(random: Random): string {
  const one = () => text(pick(random, [...TEXTS, "Order", "Created", "3"]));
  return pick(random, [
    () => `{ eq: ${one()} }`,
    () => `{ neq: ${one()} }`,
    () => `{ gte: ${one()} }`,
    () => `{ lt: ${one()} }`,
    () => `{ in: [${one()}, ${one()}] }`,
    () => `{ nin: [${one()}, ${one()}] }`,
    () => `{ in: [] }`,
    () => `{ nin: [] }`,
    () => `{ isNull: ${random() < 0.5} }`,
    () => `{ contains: ${one()} }`,
    () => `{ startsWith: ${one()} }`,
    () => `{ endsWith: ${one()} }`,
    () => `{ icontains: ${text(pick(random, ["A", "é", "ORD"]))} }`,
    () => `{ like: ${text(pick(random, ["%a%", "_", "a\\%b", "\\a", "a\\\\%", "%\n"]))} }`,
    () => `{ ilike: ${text(pick(random, ["A%", "é", "q\\uote%"]))} }`,
  ])();
}

function randomJsonCondition(random: Random): string {
  const path = pick(random, [
    ["total"],
    ["region"],
    ["items"],
    ["items", "0", "sku"],
    ["items", "0"],
    ["items", "-1"],
    ["note"],
    ["none"],
  ]);
  const plain = () =>
    pick(random, [
      ...["0", "1", "1.5", "12.5", "-3.125", "1000", "0.1", "0.0000005"],
      ...['"eu"', '"日本"', '"s1"', '"12.5"', "true", '""'],
    ]);
  const value = () => random() < 0.8 ? plain() : pick(random, ['{ sku: "s1", n: 2 }', "[]", "[1]"]);
  return pick(random, [
    () => `{ contains: { region: ${plain()} } }`,
    () => `{ contains: { items: [{ sku: "s1" }] } }`,
    () => `{ contains: { items: [${plain()}] } }`,
    () => `{ hasKey: ${text(pick(random, ["total", "items", "no", "région"]))} }`,
    () => `{ path: [{ path: ${text(path)}, eq: ${value()} }] }`,
    () => `{ path: [{ path: ${text(path)}, neq: ${value()} }] }`,
    () => `{ path: [{ path: ${text(path)}, gt: ${plain()} }] }`,
    () => `{ path: [{ path: ${text(path)}, lte: ${plain()} }] }`,
    () => `{ path: [{ path: ${text(path)}, in: [${value()}, ${plain()}] }] }`,
    () => `{ path: [{ path: ${text(path)}, nin: [${value()}] }] }`,
    () => `{ path: [{ path: ${text(path)}, isNull: ${random() < 0.5} }] }`,
    () => `{ path: [{ path: ["note"], icontains: ${text(pick(random, ["A", "7.25", "é"]))} }] }`,
    () => `{ path: [{ path: ["region"], like: ${text(pick(random, ["%u%", "5", "true"]))} }] }`,
    () => `{ neq: { id: 1 } }`,
    () => `{ in: [{ id: 1 }, { id: 2, total: 1.5 }] }`,
  ])();
}

function randomWhere(random: Random, times: readonly string[], depth = 0): string {
  if (depth < 2 && random() < 0.3) {
    const inner = () => randomWhere(random, times, depth + 1);
    return pick(random, [
      () => `{ and: [${inner()}, ${inner()}] }`,
      () => `{ or: [${inner()}, ${inner()}] }`,
      () => `{ not: ${inner()} }`,
    ])();
  }
  const time = () => text(pick(random, times));
  return pick(random, [
    () => `{ userId: ${randomTextCondition(random)} }`,
    () => `{ orgId: ${randomTextCondition(random)}, entityType: ${randomTextCondition(random)} }`,
    () => `{ entityId: ${randomTextCondition(random)} }`,
    () => `{ timestamp: { gte: ${time()} } }`,
    () => `{ timestamp: { lt: ${time()}, neq: ${time()} } }`,
    () => `{ timestamp: { in: [${time()}, ${time()}] } }`,
    () => `{ position: { gt: "${Math.floor(random() * 300)}" } }`,
    () => `{ data: ${randomJsonCondition(random)} }`,
    () => `{ data: ${randomJsonCondition(random)} }`,
  ])();
}

function randomOrder(random: Random): string {
  const terms = [0, 1].map(() =>
    `{ ${pick(random, ["timestamp", "userId", "orgId", "entityId", "position", "eventId"])}: ${
      pick(random, ["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST"])
    } }`
  );
  return `[${terms.join(", ")}, { position: ASC }]`;
}

const everything = "eventId eventType entityType entityId timestamp data userId orgId position " +
  'sku: data(path: ["items", "0", "sku"]) region: data(path: ["region"])';

Deno.test("events answers any where and orderBy as PostgreSQL answers it of the same rows", async () => {
  await using there = await world();
  const { random, engine, events } = there;
  const times = events.map(({ timestamp }) =>
    `${new Date(Number(timestamp / 1000n)).toISOString().slice(0, 20)}${
      String(timestamp % 1_000_000n).padStart(6, "0")
    }Z`
  );
  times.push("2026-01-01T00:00:00+05:30", "0001-01-01T00:00:00Z", "+012026-01-01T00:00:00Z");
  let found = 0;
  for (let n = 0; n < cases; n++) {
    const limit = random() < 0.3 ? `, limit: ${Math.floor(random() * 9)}` : "";
    const args = `where: ${randomWhere(random, times)}, orderBy: ${randomOrder(random)}${limit}`;
    const data = await readData(
      engine,
      `{ events(${args}) { ${everything} } modelEvents(${args}) { ${everything} } }`,
    );
    deepEqual(data.events, data.modelEvents, args);
    found += data.events.length;
  }
  ok(found > cases);
});

Deno.test("events gives every event once, page by page, whatever was inserted twice", async () => {
  await using there = await world();
  const seen: string[] = [];
  for (let after = "0";;) {
    const { events } = await readData(
      there.engine,
      `{ events(limit: 37, after: "${after}") { eventId position } }`,
    );
    if (events.length === 0) break;
    seen.push(...events.map((event: { eventId: string }) => event.eventId));
    after = events.at(-1).position;
  }
  deepEqual(seen, there.events.map(({ event_id }) => event_id));
});

const periods = ["MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];
const zones = ["UTC", "Europe/Paris", "Asia/Kolkata", "America/New_York"];

Deno.test("eventsAggregate counts, sums and groups as PostgreSQL does, to the last digit", async () => {
  await using there = await world();
  const { random, engine, query } = there;
  for (let n = 0; n < cases; n++) {
    const by = pick(random, periods);
    const zone = pick(random, zones);
    const utc = `to_char(date_trunc('${by}', timestamp, '${zone}') at time zone 'UTC',
      'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
    const all: [entry: string, sql: string][] = [
      ['{ path: ["region"] }', "data #>> '{region}'"],
      ['{ path: ["items", "0", "sku"], as: "sku" }', "data #>> '{items,0,sku}'"],
      ["{ field: orgId }", "org_id"],
      ['{ field: userId, as: "who" }', "user_id"],
      ["{ field: entityType }", "entity_type"],
      [`{ field: timestamp, by: ${by}, timeZone: "${zone}" }`, utc],
    ];
    const groups = all.filter(() => random() < 0.35);
    const path = pick(random, [["total"], ["items", "1"], ["items", "0", "n"], ["region"]]);
    const least = pick(random, [1, 2, 5]);
    const where = pick(random, ["", "where: { orgId: { isNull: false } }, "]);
    const given = `path: ${text(path)}`;
    const data = await readData(
      engine,
      `{ eventsAggregate(${where}groupBy: [${groups.map(([entry]) => entry).join(", ")}],
          having: { count: { gte: "${least}" } }) {
        group { value } count users: countDistinct(field: userId) values: countDistinct(${given})
        sum(${given}) avg(${given}) min(${given}) max(${given})
      } }`,
    );
    const number = `case when jsonb_typeof(data #> '{${path}}') = 'number'
      then round((data #>> '{${path}}')::numeric, 6) end`;
    const keys = groups.map(([, sql]) => sql);
    const rows = await query(`select json_build_object(
        'group', json_build_array(${keys.map((key) => `json_build_object('value', ${key})`)}),
        'count', count(*)::text, 'users', count(distinct user_id)::text,
        'values', count(distinct data #>> '{${path}}' collate "C")::text,
        'sum', sum(${number})::text, 'avg', round(avg(${number}), 6)::text,
        'min', min(${number})::text, 'max', max(${number})::text)
      from model_events ${where && "where org_id is not null"}
      ${keys.length > 0 ? `group by ${keys}` : ""} having count(*) >= ${least}`);
    const sorted = (list: readonly unknown[]) => list.map((row) => text(row)).sort();
    deepEqual(
      sorted(data.eventsAggregate),
      sorted(rows.map((row) => Object.values(row as object)[0])),
      `${groups.map(([entry]) => entry)} ${path}`,
    );
  }
});

Deno.test("eventsAggregate orders by groups and measures, and having holds at the last digit", async () => {
  await using there = await world();
  const ask = async (args: string) => {
    const { eventsAggregate } = await readData(
      there.engine,
      `{ eventsAggregate(groupBy: [{ path: ["items", "0", "sku"], as: "sku" }], ${args}) {
        group { key value } sum(path: ["items", "0", "n"]) } }`,
    );
    return eventsAggregate.map((row: { sum: string }) => row.sum);
  };
  const sums = await ask(
    'orderBy: [{ sum: { path: ["items", "0", "n"], direction: DESC_NULLS_LAST } }]',
  );
  const exact = sums[1];
  const having = (operator: string, value: string) =>
    ask(`having: { sum: { path: ["items", "0", "n"], ${operator}: "${value}" } }`);
  equal((await having("eq", exact)).length >= 1, true);
  deepEqual(await having("eq", `${exact}1`), []);
  ok(!(await having("gt", exact)).includes(exact));
  ok((await having("lt", `${exact}0000000001`)).includes(exact));
  ok(
    (await having("gt", "-1e300")).length ===
      sums.filter((sum: string | null) => sum !== null).length,
  );
  deepEqual((await ask('orderBy: [{ group: { as: "sku" } }], limit: 1')).length, 1);
});

Deno.test("events are not kept by the result cache, though it keeps all of PostgreSQL", async () => {
  await using there = await world({ seconds: 100, relations: ["*"] });
  const both = "{ eventsAggregate { count } } ";
  const count = async (query: string) => Object.values(await readData(there.engine, query))[0];
  deepEqual(await count(both), [{ count: "300" }]);
  deepEqual(await count("{ modelEventsAggregate { count } }"), [{ count: "300" }]);
  await there.query("delete from model_events");
  await there.clickhouse.command("TRUNCATE TABLE fraiseql_events_data");
  deepEqual(await count(both), [{ count: "0" }]);
  deepEqual(await count("{ modelEventsAggregate { count } }"), [{ count: "300" }]);
});

Deno.test("one operation asks PostgreSQL and ClickHouse, in the order of its fields", async () => {
  await using there = await world();
  const data = await readData(
    there.engine,
    `{ a: eventsAggregate { count } b: modelEventsAggregate { count } c: events(limit: 0) { eventId }
       d: modelEvents(limit: 0) { eventId } e: eventsAggregate { __typename }
       f: modelEventsAggregate { count } }`,
  );
  deepEqual(data, {
    a: [{ count: "300" }],
    b: [{ count: "300" }],
    c: [],
    d: [],
    e: [{ __typename: "EntityEventAggregate" }],
    f: [{ count: "300" }],
  });
});

const refused: [name: string, query: string, code: string][] = [
  ["matches", '{ events(where: { userId: { matches: "a" } }) { eventId } }', "BAD_INPUT"],
  ["a path and a field", '{ eventsAggregate(groupBy: [{ as: "x" }]) { count } }', "BAD_INPUT"],
  [
    "the same name twice",
    '{ eventsAggregate(groupBy: [{ field: userId }, { path: ["a"], as: "userId" }]) { count } }',
    "BAD_INPUT",
  ],
  [
    "periods of what is no time",
    "{ eventsAggregate(groupBy: [{ field: userId, by: DAY }]) { count } }",
    "BAD_INPUT",
  ],
  ["a position that is none", '{ events(after: "99999999999999999999") { eventId } }', "BAD_INPUT"],
  [
    "a date of no calendar",
    '{ orgDaily(where: { day: { eq: "2026-02-30" } }) { day } }',
    "BAD_INPUT",
  ],
  [
    "a long path of numbers",
    '{ eventsAggregate { sum(path: ["1", "2", "3", "4", "5"]) } }',
    "TOO_LARGE",
  ],
];

Deno.test("events refuse what they cannot be asked, before anybody is asked", async (t) => {
  await using there = await world();
  for (const [name, query, code] of refused) {
    await t.step(name, () => {
      throws(() => there.engine.plan({ text: query }), { name: "AppError", code });
    });
  }
});

Deno.test("eventsAggregate says that a sum is beyond what a Decimal holds", async () => {
  await using there = await world();
  const { storedEvent, toArrowStream } = await import("../clickhouse/arrow_events.ts");
  const huge = [storedEvent({ data: '{"big":1e33}' }), storedEvent({ data: '{"big":-1e400}' })];
  await there.clickhouse.insertArrow("fraiseql_events_data", toArrowStream(huge), {
    token: "huge",
  });
  for (const name of ["sum", "avg", "min", "max"]) {
    await rejects(
      readData(there.engine, `{ eventsAggregate { ${name}(path: "big") } }`),
      { code: "UNREPRESENTABLE" },
    );
  }
});

Deno.test("where PostgreSQL alone is served, the schema has no events", async () => {
  const url = await postgres.createDatabase();
  const database = await openDatabase({ url, limits: limits(), log: createLog("error", () => {}) });
  try {
    const engine = await openEngine({
      database,
      readCatalog: () => readCatalog(database, ["public"]),
      limits: limits(),
      unrepresentable: "error",
      views: [],
    });
    ok(!engine.sdl().includes("EntityEvent"));
  } finally {
    await database.close();
    await postgres.dropDatabase(url);
  }
});

Deno.test("numbers of the test are such as lose digits in a Float64", () => {
  ok(NUMBERS.some((number) => String(Number(number)) !== number && !number.includes("e")));
});
