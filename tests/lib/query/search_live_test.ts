/** `searchEvents` against the same rows in PostgreSQL, whose three truth values are the measure. */

import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import { COLUMNS, indexed } from "../../contracts/search_events.ts";
import { SearchModel } from "../../contracts/search_model.ts";
import { testPostgres } from "../../services/postgres.ts";
import { readData } from "./engine.ts";
import {
  insertModel,
  MODEL,
  pick,
  type Random,
  randomEvents,
  seeded,
  TEXTS,
} from "./event_rows.ts";

const postgres = await testPostgres();

const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 3);
const cases = Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 150);
const text = JSON.stringify;

const textOf = (timestamp: bigint) =>
  new Date(Number(timestamp / 1000n)).toISOString().slice(0, 20) +
  `${String(timestamp % 1_000_000n).padStart(6, "0")}Z`;

async function world() {
  const random = seeded(seed);
  const events = randomEvents(random, 300);
  const store = new SearchModel();
  await store.write(events.map((event, n) =>
    indexed(n, event.data, {
      eventId: event.event_id,
      eventType: event.event_type,
      entityType: event.entity_type,
      entityId: event.entity_id,
      timestamp: textOf(event.timestamp),
      userId: event.user_id,
      orgId: event.org_id,
    })
  ));
  const url = await postgres.createDatabase();
  await postgres.query(MODEL, url);
  await postgres.query(insertModel(events), url);
  const log = createLog("error", () => {});
  const database = await openDatabase({ url, limits: limits(), log });
  const engine = await openEngine({
    database,
    readCatalog: () => readCatalog(database, ["public"]),
    limits: limits(),
    unrepresentable: "error",
    views: [],
    search: { store, columns: COLUMNS },
  });
  return {
    random,
    events,
    engine,
    async [Symbol.asyncDispose]() {
      await database.close();
      await postgres.dropDatabase(url);
    },
  };
}

function randomText(random: Random): string {
  const one = () => text(pick(random, [...TEXTS, "Order", "Created", "3"]));
  return pick(random, [
    () => `{ eq: ${one()} }`,
    () => `{ neq: ${one()} }`,
    () => `{ in: [${one()}, ${one()}] }`,
    () => `{ nin: [${one()}, ${one()}] }`,
    () => "{ in: [] }",
    () => "{ nin: [] }",
    () => `{ startsWith: ${text(pick(random, ["", "a", "back\\", "%", "é"]))} }`,
    () => `{ isNull: ${random() < 0.5} }`,
    () => `{ neq: ${one()}, startsWith: "a" }`,
  ])();
}

function randomTime(random: Random, times: readonly string[]): string {
  const one = () => text(pick(random, times));
  return pick(random, [
    () => `{ ${pick(random, ["eq", "neq", "gt", "gte", "lt", "lte"])}: ${one()} }`,
    () => `{ gte: ${one()}, lt: ${one()} }`,
    () => `{ ${pick(random, ["in", "nin"])}: [${one()}, ${one()}] }`,
    () => `{ isNull: ${random() < 0.5} }`,
  ])();
}

function randomWhere(random: Random, times: readonly string[], depth = 0): string {
  const inner = () => randomWhere(random, times, depth + 1);
  if (depth < 3 && random() < 0.5) {
    return pick(random, [
      () => `{ and: [${inner()}, ${inner()}] }`,
      () => `{ or: [${inner()}, ${inner()}] }`,
      () => `{ not: ${inner()} }`,
      () => `{ not: ${inner()}, userId: ${randomText(random)} }`,
      () => `{ ${pick(random, ["and", "or"])}: [] }`,
    ])();
  }
  return pick(random, [
    () => `{ userId: ${randomText(random)} }`,
    () => `{ orgId: ${randomText(random)}, entityType: ${randomText(random)} }`,
    () => `{ entityId: ${randomText(random)} }`,
    () => `{ timestamp: ${randomTime(random, times)} }`,
    () => "{}",
  ])();
}

Deno.test("searchEvents answers any where and order as PostgreSQL answers it of the same rows", async () => {
  await using there = await world();
  const { random, engine, events } = there;
  const times = events.map(({ timestamp }) => textOf(timestamp));
  times.push("2026-01-01T00:00:00+05:30", "0001-01-01T00:00:00Z", "+012026-01-01T00:00:00Z");
  const fields = "eventId eventType entityType entityId timestamp data userId orgId " +
    'sku: data(path: ["items", "0", "sku"]) region: data(path: ["region"]) ' +
    'last: data(path: ["items", "-1"])';
  let found = 0;
  for (let n = 0; n < cases; n++) {
    const where = randomWhere(random, times);
    const direction = pick(random, ["ASC", "DESC"]);
    const first = pick(random, [0, 5, 1000]);
    const { searchEvents, modelEvents, modelEventsAggregate: [all] } = await readData(
      engine,
      `{
        searchEvents(where: ${where}, orderBy: { timestamp: ${direction} }, first: ${first}) {
          total edges { node { ${fields} } }
        }
        modelEvents(
          where: ${where}
          orderBy: [{ timestamp: ${direction} }, { eventId: ${direction} }]
          limit: ${first}
        ) { ${fields} }
        modelEventsAggregate(where: ${where}) { count }
      }`,
    );
    const said = `seed ${seed}, search ${n}: ${where}`;
    deepEqual(searchEvents.edges.map(({ node }: { node: unknown }) => node), modelEvents, said);
    deepEqual(searchEvents.total, all.count, said);
    found += modelEvents.length;
  }
  ok(found > cases, `${found} were found`);
});
