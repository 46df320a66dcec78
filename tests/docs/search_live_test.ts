/**
 * Every example of docs/search.md answers with events, alike on both transports over Elasticsearch,
 * and over the embedded store the same.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { openElasticsearchIndex } from "../../lib/elasticsearch/event_index.ts";
import { readElasticsearchUrl } from "../../lib/elasticsearch/url.ts";
import { limits } from "../../lib/limits.ts";
import { sqliteIndex } from "../../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../../lib/search/sqlite/sqlite_search.ts";
import type { IndexedEvent } from "../../lib/search/store.ts";
import { compare } from "../clients/both_ways.ts";
import { python } from "../clients/python.ts";
import { COLUMNS, indexed, timestampOf } from "../contracts/search_events.ts";
import { engineOver } from "../lib/query/search_engine.ts";
import { post, serve } from "../serve/serve.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testPostgres } from "../services/postgres.ts";
import { fencedBlocks } from "./examples.ts";

const elasticsearch = await testElasticsearch();
const postgres = await testPostgres();

const page = await Deno.readTextFile(new URL("../../docs/search.md", import.meta.url));
const queries = fencedBlocks(page).filter(({ language }) => language === "graphql");
const programs = fencedBlocks(page).filter(({ language }) => language === "python");

/** Two hours of a shop, up to noon. */
function shopEvents(): IndexedEvent[] {
  const noon = Date.UTC(2026, 0, 31, 12) * 1000;
  return Array.from({ length: 240 }, (_, n) => {
    const data = {
      id: n,
      status: n % 6 === 0 ? "failed" : "paid",
      ...n % 12 === 0 && { error_code: n % 24 === 0 ? "PAYMENT_DECLINED" : "OUT_OF_STOCK" },
      total: 20 * (n % 10) + 0.5,
      items: [{ sku: `A-${n % 7}`, price: n % 5 + 0.25 }, { sku: "B", price: 50 }],
      note: n % 5 === 0 ? "Customer asks for a refund" : "as usual",
    };
    return indexed(n, data, {
      timestamp: timestampOf(noon - (240 - n) * 30_000_000),
      userId: n % 3 === 0 ? "user-123" : null,
      entityType: n % 2 === 0 ? "Order" : "Payment",
    });
  });
}

const names = COLUMNS.map(({ name }) => name);

Deno.test("docs/search.md has examples that find events, over HTTP and Flight, in Elasticsearch and the embedded store", async () => {
  deepEqual([queries.length >= 6, programs.length], [true, 1]);
  const signal = AbortSignal.timeout(60_000);
  const url = elasticsearch.url();
  const index = openElasticsearchIndex({
    settings: readElasticsearchUrl(url),
    columns: names,
    retentionDays: 90,
    limits: limits(),
  });
  await index.ensure(signal);
  deepEqual(await index.write(shopEvents(), signal), []);
  await index.sums(0, signal); // after it, searches see all
  await index.close();
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_ELASTICSEARCH_URL: url,
    FRAISEQL_SEARCH_COLUMNS: "total, items.price",
    FRAISEQL_LOG_LEVEL: "warn",
  });
  const answers: unknown[] = [];
  for (const { text, line } of queries) {
    const { body } = await post(served.http, text);
    equal(`line ${line}: ${JSON.stringify(body.errors)}`, `line ${line}: undefined`);
    const found = body.data.searchEvents as { edges: unknown[] };
    ok(found.edges.length > 0, `line ${line} finds nothing`);
    answers.push(body.data);
  }
  const jobs = queries.map(({ text }) => ({ query: text, ordered: true }));
  equal((await compare(served.http, served.flight, jobs)).faults.join("\n"), "");

  const input = programs.map(({ text }) => JSON.stringify({ kind: "python", text }) + "\n").join(
    "",
  );
  const program = new URL("../clients/flight_examples.py", import.meta.url);
  const told = JSON.parse(await python(program, [served.flight], input));
  equal(told.fault, undefined);
  equal(
    told.printed,
    "48 48 ['cursor', 'eventId', 'timestamp', 'entityType', 'entityId', 'data']\n",
  );

  const { body } = await post(
    served.http,
    '{ products(limit: 1) { id } searchEvents(text: "refund") { total } }',
  );
  deepEqual([body.data.products.length, body.data.searchEvents], [1, { total: "48" }]);

  const folder = await Deno.makeTempDir();
  const embedded = sqliteIndex({ folder, columns: names, retentionDays: 90 });
  const store = openSqliteSearch({ folder, limits: limits() });
  try {
    await embedded.ensure(signal);
    deepEqual(await embedded.write(shopEvents(), signal), []);
    const { data } = await engineOver(store);
    for (const [i, { text, line }] of queries.entries()) {
      deepEqual(await data(text), answers[i], `line ${line}`);
    }
  } finally {
    await store.close();
    await embedded.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("serve says UNAVAILABLE of searches alone while Elasticsearch is down", async () => {
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_ELASTICSEARCH_URL: "http://127.0.0.1:9",
    FRAISEQL_LOG_LEVEL: "error",
  });
  const { status, body } = await post(
    served.http,
    '{ products(limit: 1) { id } searchEvents(text: "a") { total } }',
  );
  equal(status, 503);
  const [error] = body.errors ?? [];
  deepEqual([error?.extensions.code, error?.path], ["UNAVAILABLE", ["searchEvents"]]);
  ok(error?.extensions.hint);
  const { body: others } = await post(served.http, "{ products(limit: 1) { id } }");
  equal(others.data.products.length, 1);
});
