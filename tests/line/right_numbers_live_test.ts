/**
 * Random writes of several organisations over months, with all that comes twice on the way: other
 * producers' repeats, a stream that is made anew, batches that are stored again. PostgreSQL tells
 * from the change log's rows what ClickHouse and GraphQL must say.
 * Others: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_CASES=100.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Clickhouse } from "../../lib/clickhouse/client.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { publishOne } from "../../lib/events/atomic_publish.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../../lib/events/names.ts";
import { lastMessage, streamState } from "../../lib/events/stream_state.ts";
import { readIngestProgress } from "../../lib/postgres/change_log/ingest.ts";
import { connect } from "../../lib/postgres/connection.ts";
import { Observed } from "../lib/observer/observed.ts";
import { compare } from "../clients/both_ways.ts";
import { command, post, serve, type Served } from "../serve/serve.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { Bridged } from "../sinks/bridged.ts";
import { clickhouseWithTables } from "../sinks/clickhouse_stored.ts";
import { storing } from "../sinks/storing.ts";
import { type Question, viewQuestions } from "./in_graphql.ts";
import { type Ask, checkViews, eventsSeen, sorted } from "./in_views.ts";
import { type Pick, pickOf } from "./pick.ts";

const server = await testPostgres();
await testNats();
await testClickhouse();

const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const cases = Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 8);
const daysMax = 120;

/** Rows that are there before anybody captures them, back to so many days ago. */
const TABLES = `
  create table users (id int primary key, org text, changed_by text, name text, created_at timestamptz);
  create table orders (id int primary key, org text, changed_by text, total numeric(12, 2),
    region text, created_at timestamptz not null);
  select setseed(${1 / (seed + 1)});
  insert into users select n, nullif('org ' || n % 4, 'org 3'), 'import', 'user ' || n,
    now() - random() * interval '${daysMax} days' from generate_series(1, 150) n;
  insert into orders select n, nullif('org ' || n % 5, 'org 4'), 'user ' || n % 9,
    (random() * 1000)::numeric(12, 2), case n % 3 when 0 then 'eu' when 1 then 'us' end,
    now() - random() * interval '${daysMax} days' from generate_series(1, 600) n`;

const CAPTURES = ["users", "orders"].map((table) => [
  "capture",
  "add",
  table,
  "--backfill",
  ...["--org-column", "org", "--user-column", "changed_by", "--timestamp-column", "created_at"],
]);

Deno.test("fraiseql_events' views, and GraphQL's fields of them over HTTP and Flight, have PostgreSQL's own numbers, whatever comes again", async () => {
  const small = {
    batchRowsMax: 100,
    bridgeFlushMsMax: 20,
    retryWaitMsMax: 200,
    pullMessagesMax: 7,
    ingestRowsMax: 60,
  };
  await Observed.run(server, { sql: TABLES, tables: [], some: small }, async (observed) => {
    const { url, nats, connection } = observed;
    const ask: Ask = (sql) => observed.query(sql);
    const clickhouse = await clickhouseWithTables();
    // So that what is stored twice stays so, and the views have to see one of each.
    await clickhouse.command(`SYSTEM STOP MERGES ${EVENTS_DATA}`);
    const bridged = new Bridged(observed.natsUrl, nats, observed.limits);
    await using program = await served(url, clickhouse);
    const publisher = observed.start();
    const bridge = bridged.bridge();
    let sink = storing(bridged, clickhouse);
    const failed = Promise.race([publisher.ended, bridge.ended]).then(() => {
      throw new Error("a worker ended");
    });
    failed.catch(() => {}); // who waits is told
    const until = (condition: () => Promise<boolean>) =>
      Promise.race([sink.until(condition), failed]);
    const allSeen = async () => {
      const [[count] = []] = await ask("select count(*) from fraiseql.change_log");
      const left = (await streamState(nats, STREAM.ingest)).messages;
      return left === 0 && await eventsSeen(clickhouse) >= Number(count);
    };

    const stopping = new AbortController();
    const working = [1, 2, 3].map((n) => write(url, pickOf(seed * 100 + n), stopping.signal));
    const producing = produce(nats, pickOf(seed * 100), stopping.signal);
    for (const args of CAPTURES) {
      const env = { DATABASE_URL: url, FRAISEQL_EVENT_RETENTION_DAYS: "365" };
      const { code, stderr } = await command(args, env);
      equal(code, 0, stderr);
    }
    const early = await until(async () => await progress(nats) !== null).then(() => progress(nats));
    for (let n = 0; n < 2; n++) {
      const before = await epochOf(clickhouse);
      await bridged.makeAnew(STREAM.events);
      await until(async () => await epochOf(clickhouse) > before);
    }
    await until(async () => {
      const { taken = 0, repeated = 0 } = await readIngestProgress(connection) ?? {};
      return taken > 100 && repeated > 100;
    });
    stopping.abort();
    await Promise.all([...working, producing]);
    await until(allSeen);
    const { taken = 0, repeated = 0, refused = 0 } = await readIngestProgress(connection) ?? {};
    ok(taken > 100 && repeated > 100, `${taken} events of others, ${repeated} repeats`);
    equal(refused, 0);
    ok(await epochOf(clickhouse) >= 3, "both streams were noticed");
    await checkNumbers(clickhouse, ask, program);

    // The sink begins again with an earlier record, and then with a stream that it does not know.
    await sink.stop();
    await publishOne(nats, SUBJECT.progress("clickhouse"), early ?? new Uint8Array(), {});
    sink = storing(bridged, clickhouse);
    await until(() => Promise.resolve(sink.states.some(({ events }) => events > 0)));
    await checkNumbers(clickhouse, ask, program);
    await bridged.makeAnew(STREAM.batches);
    await observed.query("update orders set total = total + 1 where id % 2 = 0");
    await until(allSeen); // what comes last, behind all that came again
    const rows = await rowsStored(clickhouse);
    ok(rows > await eventsSeen(clickhouse) * 1.5, `${rows} rows are stored`);
    const asked = await checkNumbers(clickhouse, ask, program);
    // Flight gives the same as HTTP.
    const { faults, rows: compared } = await compare(program.http, program.flight, asked);
    deepEqual(faults, []);
    ok(compared > 0);

    await sink.stop();
    await bridge.stop();
    await publisher.stop();
    await clickhouse.command(`DROP DATABASE ${clickhouse.settings.database} SYNC`);
  });
});

/** It rises with each stream that was made anew; told by what is stored. */
async function epochOf(clickhouse: Clickhouse): Promise<number> {
  const [row] = await clickhouse.rows<{ epoch: string }>(
    `SELECT bitShiftRight(max(position), 54) AS epoch FROM ${EVENTS_DATA}`,
  );
  return Number(row?.epoch);
}

/** Random transactions on both tables, until it is told to stop. */
async function write(url: string, pick: Pick, signal: AbortSignal): Promise<void> {
  const connection = await connect({ url });
  try {
    while (!signal.aborted) {
      await connection.query("begin");
      for (let left = 1 + pick(3); left > 0; left--) {
        // One lock, so that no two writers wait for each other for ever.
        await connection.query("select pg_advisory_xact_lock(1)");
        await connection.query(statement(pick));
      }
      await connection.query(pick(6) === 0 ? "rollback" : "commit");
      await delay(pick(30));
    }
  } finally {
    await connection.close();
  }
}

function statement(pick: Pick): string {
  const id = pick(700);
  const org = pick(6) === 0 ? "null" : `'org ${pick(5)}'`;
  const user = pick(6) === 0 ? "null" : `'user ${pick(9)}'`;
  const total = `${pick(100_000)} / 100.0`;
  switch (pick(6)) {
    case 0:
      return `insert into orders values (${id}, ${org}, ${user}, ${total}, 'apac', now())
        on conflict (id) do update set total = excluded.total, changed_by = excluded.changed_by`;
    case 1:
      return `update orders set org = ${org}, changed_by = ${user}, region = null
        where id between ${id} and ${id + 4}`;
    case 2:
      return `delete from orders where id = ${id}`;
    case 3:
      return `update users set name = name || '.', changed_by = ${user} where id % 40 = ${id % 40}`;
    case 4:
      return `update orders set id = ${id + 1000} where id = ${id}
        and not exists (select from orders where id = ${id + 1000})`;
    default:
      return `update orders set total = ${total}, changed_by = ${user} where id % 90 = ${id % 90}`;
  }
}

/** Events of other producers, a third of them again: in the same message and in later ones. */
async function produce(nats: Nats, pick: Pick, signal: AbortSignal): Promise<void> {
  const sent: Record<string, string[]> = { Order: [], Payment: [] };
  for (let id = 0; !signal.aborted;) {
    const type = pick(2) === 0 ? "Order" : "Payment";
    const all = sent[type] ?? [];
    const lines: string[] = [];
    for (let left = 1 + pick(20); left > 0; left--) {
      const again = pick(3) === 0 ? all[pick(all.length)] : undefined;
      const line = again ?? foreignEvent(id++, type, pick);
      if (again === undefined) all.push(line);
      lines.push(line);
    }
    const data = new TextEncoder().encode(lines.join("\n"));
    await publishOne(nats, `fraiseql.ingest.${type}`, data, {});
    await delay(pick(20));
  }
}

function foreignEvent(n: number, type: string, pick: Pick): string {
  return JSON.stringify({
    id: `20000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`,
    event_type: ["INSERT", "UPDATE", "DELETE"][pick(3)],
    entity_type: type,
    entity_id: String(pick(50)),
    timestamp: new Date(Date.now() - pick(daysMax * 86_400) * 1000).toISOString(),
    tenant_id: pick(5) === 0 ? null : `org ${pick(5)}`,
    user_id: pick(5) === 0 ? null : `user ${pick(20)}`,
    data: { total: pick(100_000) / 100, region: ["eu", "us", null][pick(3)] },
  });
}

/** The sink's record, as it lies there. */
async function progress(nats: Nats): Promise<Uint8Array | null> {
  return (await lastMessage(nats, STREAM.progress, SUBJECT.progress("clickhouse")))?.data ?? null;
}

async function rowsStored(clickhouse: Clickhouse): Promise<number> {
  const [row] = await clickhouse.rows<{ rows: string }>(
    `SELECT count() AS rows FROM ${EVENTS_DATA}`,
  );
  return Number(row?.rows);
}

/** The views in ClickHouse, and the fields of events over HTTP; gives what was asked. */
async function checkNumbers(
  clickhouse: Clickhouse,
  ask: Ask,
  { http }: Served,
): Promise<Question[]> {
  await checkViews(clickhouse, ask);
  const pick = pickOf(seed);
  const questions = Array.from({ length: cases }, (_, n) => [
    aggregate(pick),
    ...n % 4 === 0 ? viewQuestions(pick) : [],
  ]);
  for (const { query, sql, ordered } of questions.flat()) {
    const { body } = await post(http, query);
    deepEqual(body.errors, undefined, query);
    const [rows] = Object.values(body.data) as unknown[][];
    const wanted = (await ask(sql)).map(([row]) => JSON.parse(row ?? ""));
    if (ordered) deepEqual(rows, wanted, query);
    else deepEqual(sorted(rows ?? []), sorted(wanted), query);
  }
  return questions.flat();
}

/** The program, which reads what the test's workers store. */
function served(url: string, { settings }: Clickhouse): Promise<Served> {
  const clickhouse = new URL(settings.origin);
  [clickhouse.username, clickhouse.password] = [settings.user, settings.password];
  clickhouse.pathname = `/${settings.database}`;
  return serve({
    DATABASE_URL: url,
    FRAISEQL_CLICKHOUSE_URL: String(clickhouse),
    FRAISEQL_TOPOLOGY: "dual",
    FRAISEQL_LOG_LEVEL: "warn",
  });
}

/** A random question, as GraphQL and as PostgreSQL has it. */
function aggregate(pick: Pick): Question {
  const by = ["HOUR", "DAY", "MONTH"][pick(3)];
  const zone = ["UTC", "Europe/Paris", "Asia/Kolkata"][pick(3)];
  const period = `to_char(date_trunc('${by}', recorded_at, '${zone}') at time zone 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;
  const groups = [
    ["field: orgId", "org", "org_id"],
    ["field: userId", "user", "user_id"],
    ["field: entityType", "type", "entity_type"],
    ['path: ["region"]', "region", "data::jsonb #>> '{region}'"],
    [`field: timestamp, by: ${by}, timeZone: "${zone}"`, "period", period],
  ].filter(() => pick(3) === 0);
  const [where, condition] = [
    ["", "true"],
    ['where: { entityType: { eq: "Order" } }, ', "entity_type = 'Order'"],
    ["where: { orgId: { isNull: false } }, ", "org_id is not null"],
  ][pick(3)] ?? [];
  const total = 'path: ["total"]';
  const number = `case when jsonb_typeof(data::jsonb -> 'total') = 'number'
    then round((data::jsonb ->> 'total')::numeric, 6) end`;
  const keys = groups.map(([, , sql]) => sql);
  return {
    ordered: false,
    query: `{ eventsAggregate(${where}groupBy: [${
      groups.map(([entry, as]) => `{ ${entry}, as: "${as}" }`).join(", ")
    }]) {
        group { key value } count users: countDistinct(field: userId)
        entities: countDistinct(field: entityId)
        sum(${total}) avg(${total}) min(${total}) max(${total}) } }`,
    sql: `select json_build_object(
       'group', json_build_array(${
      groups.map(([, as, key]) => `json_build_object('key', '${as}', 'value', ${key})`)
    }),
       'count', count(*)::text, 'users', count(distinct user_id)::text,
       'entities', count(distinct entity_id)::text, 'sum', sum(${number})::text,
       'avg', round(avg(${number}), 6)::text, 'min', min(${number})::text,
       'max', max(${number})::text)
     from fraiseql.change_log where ${condition}
     ${keys.length > 0 ? `group by ${keys}` : ""}`,
  };
}
