/** Every example of docs/events_queries.md answers with rows, and alike on both transports. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { limits } from "../../lib/limits.ts";
import { compare } from "../clients/both_ways.ts";
import { python } from "../clients/python.ts";
import { storedEvent, toArrowStream, today } from "../lib/clickhouse/arrow_events.ts";
import { post, serve } from "../serve/serve.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testPostgres } from "../services/postgres.ts";
import { fencedBlocks } from "./examples.ts";

const server = await testClickhouse();
const postgres = await testPostgres();

/** A ClickHouse with some days of a shop's events. */
async function shopEvents(): Promise<string> {
  const url = server.url();
  const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
  const { database } = clickhouse.settings;
  await clickhouse.command(`CREATE DATABASE ${database}`, { inDatabase: false });
  await migrateClickhouse(clickhouse, { retentionDays: 90 });
  const events = Array.from({ length: 400 }, (_, i) =>
    storedEvent({
      entity_type: i % 2 === 0 ? "Order" : "OrderItem",
      event_type: i % 10 === 9 ? "Updated" : "Created",
      entity_id: String(i),
      timestamp: today - BigInt(i) * 1_800_000_123n,
      user_id: i % 5 === 0 ? null : `user-${i % 7}`,
      org_id: i % 3 === 0 ? null : `org-${i % 2}`,
      position: BigInt(i + 1),
      data: i % 2 === 0
        ? `{"id":${i},"total":${i}.${10 + i % 90},"address":{"region":"${i % 4 ? "eu" : "us"}"}}`
        : `{"id":${i},"product":"p${i % 12}","amount":${i % 17}.25}`,
    }));
  await clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), { token: "shop" });
  return url;
}

Deno.test("docs/events_queries.md has examples that give rows, the same over HTTP and Flight", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/events_queries.md", import.meta.url));
  const blocks = fencedBlocks(page);
  const queries = blocks.filter(({ language }) => language === "graphql");
  const programs = blocks.filter(({ language }) => language === "python");
  deepEqual([queries.length >= 8, programs.length], [true, 1]);
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_CLICKHOUSE_URL: await shopEvents(),
    FRAISEQL_LOG_LEVEL: "warn",
  });
  for (const { text, line } of queries) {
    const { body } = await post(served.http, text);
    equal(`line ${line}: ${JSON.stringify(body.errors)}`, `line ${line}: undefined`);
    for (const value of Object.values(body.data)) {
      ok(Array.isArray(value) && value.length > 0, `line ${line} gives nothing`);
    }
  }
  const jobs = queries.map(({ text }) => ({ query: text, ordered: true }));
  equal((await compare(served.http, served.flight, jobs)).faults.join("\n"), "");

  const input = programs.map(({ text }) => JSON.stringify({ kind: "python", text }) + "\n").join(
    "",
  );
  const program = new URL("../clients/flight_examples.py", import.meta.url);
  const told = JSON.parse(await python(program, [served.flight], input));
  equal(told.fault, undefined);
  equal(told.printed, "(7, 4) float64\n");

  const sdl = await (await fetch(`${served.http}/schema.graphql`)).text();
  ok(sdl.includes("eventsAggregate("));
  const both = "{ events(limit: 1) { position } products(limit: 1) { id } }";
  const { body } = await post(served.http, both);
  deepEqual([body.data.events.length, body.data.products.length], [1, 1]);
});

Deno.test("tickets of events: BatchedQueries and a word give batches, partitions are one", async () => {
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_CLICKHOUSE_URL: await shopEvents(),
    FRAISEQL_LOG_LEVEL: "warn",
  });
  const program = new URL("event_tickets.py", import.meta.url);
  deepEqual(JSON.parse(await python(program, [served.flight])), {
    batched: 6,
    word: 400,
    empty: true,
    endpoints: 1,
  });
});

Deno.test("serve says UNAVAILABLE of events alone while ClickHouse is down", async () => {
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_CLICKHOUSE_URL: "http://127.0.0.1:9/fraiseql",
    FRAISEQL_LOG_LEVEL: "error",
  });
  const { status, body } = await post(
    served.http,
    "{ products(limit: 1) { id } events { eventId } }",
  );
  equal(status, 503);
  const [error] = body.errors ?? [];
  equal(error?.extensions.code, "UNAVAILABLE");
  equal(error?.path?.[0], "events");
  ok(error?.extensions.hint?.includes("FRAISEQL_CLICKHOUSE_URL"));
  const { body: others } = await post(served.http, "{ products(limit: 1) { id } }");
  equal(others.data.products.length, 1);
});
