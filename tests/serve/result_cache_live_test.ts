/** The result cache over a real database and both transports: the same bytes, and what drops them. */

import { deepStrictEqual as equal, notStrictEqual as notEqual, ok } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { counted } from "../flight/serve.ts";
import { python } from "../clients/python.ts";
import { rawPost, Wire } from "../lib/http/serve.ts";
import { serveInProcess } from "./in_process.ts";
import { serve, until } from "./serve.ts";

const postgres = await testPostgres();

/** Rows of every size and nesting, none, one and several statements. */
const queries = [
  "{ orders(limit: 3000) { id total status createdAt user { name } } }",
  "{ users(limit: 50) { id name orders { id total orderItems { quantity } } } }",
  '{ orders(where: { region: { eq: "nowhere" } }) { id } }',
  "{ product(id: 1) { id sku tags attributes } }",
  "{ product(id: -1) { id } }",
  "{ a: users(limit: 2) { id } __typename b: orders(limit: 2) { id } }",
];

const bodyOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

for (const query of queries) {
  Deno.test(`a hit over HTTP equals the miss byte for byte: ${query}`, async () => {
    await using served = await serveInProcess(await postgres.shop(), { resultCache: ["*"] });
    for (const encoding of ["identity", "gzip"]) {
      const ask = () => served.httpServer.post(query, {}, { "accept-encoding": encoding });
      const miss = await ask();
      const missed = await bodyOf(miss);
      const hit = await ask();
      equal(await bodyOf(hit), missed);
      equal([hit.status, hit.headers.get("x-fraiseql-cache")], [200, "hit"]);
      ok(/^\d+$/.test(hit.headers.get("age") ?? ""));
      if (encoding === "identity") {
        equal([miss.headers.get("x-fraiseql-cache"), miss.headers.get("age")], [null, null]);
      }
    }
  });
}

for (const query of queries.slice(0, 5)) {
  Deno.test(`a hit over Flight equals the miss byte for byte: ${query}`, async () => {
    await using served = await serveInProcess(await postgres.shop(), { resultCache: ["*"] });
    const miss = await served.get(query);
    const hit = await served.get(query);
    equal([miss.code, hit.code], [0, 0]);
    equal(hit.messages.map((message) => [...message]), miss.messages.map((bytes) => [...bytes]));
    equal(miss.headers.get("x-fraiseql-cache"), []);
    equal(hit.headers.get("x-fraiseql-cache"), ["hit"]);
    ok(/^\d+$/.test(String(hit.headers.get("age")[0])));
  });
}

Deno.test("a hit asks nothing of PostgreSQL, and shows the database as it was", async () => {
  const url = await postgres.createShop();
  await using served = await serveInProcess(url, { resultCache: ["users"] });
  const query = "{ users(limit: 1) { id name } }";
  const first = await served.http(query);
  await postgres.query("update users set name = name || ' the second'", url);
  equal(await served.http(query), first);
  // Each process has its own, and orders are always read.
  notEqual(JSON.stringify((await served.flight(query)).rows), JSON.stringify(first.rows));
  const orders = "{ orders(limit: 1) { id total } }";
  await served.http(orders);
  await postgres.query("update orders set total = total + 1", url);
  const { metrics } = served;
  const before = await counted(metrics.http, "fraiseql_result_cache_misses_total");
  await served.http(orders);
  equal(await counted(metrics.http, "fraiseql_result_cache_misses_total"), before);
  equal(await counted(metrics.http, "fraiseql_result_cache_hits_total"), 1);
  equal(await counted(metrics.http, "fraiseql_result_cache_entries"), 1);
  ok(await counted(metrics.http, "fraiseql_result_cache_bytes") > 0);
});

Deno.test("a refresh drops what is kept", async () => {
  const url = await postgres.createShop();
  await using served = await serveInProcess(url, { resultCache: ["users"] });
  const query = "{ users(limit: 1) { name } }";
  await served.http(query);
  await served.flight(query);
  await postgres.query("update users set name = 'x'", url);
  await served.engines.http.refresh();
  await served.engines.flight.refresh();
  equal((await served.http(query)).rows, [{ name: "x" }]);
  equal((await served.flight(query)).rows, [{ name: "x" }]);
});

Deno.test("a query that fails is not kept", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    "create view v as select 1 / (2 - n) as x from generate_series(1, 2) n",
    url,
  );
  await using served = await serveInProcess(url, { resultCache: ["*"] });
  for (const ask of [served.http, served.flight]) {
    for (const _ of ["once", "and again"]) equal((await ask("{ vs { x } }")).code, "INTERNAL");
  }
  await postgres.query("create or replace view v as select 1 as x", url);
  for (const ask of [served.http, served.flight]) {
    equal((await ask("{ vs { x } }")).rows, [{ x: 1 }]);
  }
});

Deno.test("a client that leaves in the middle leaves nothing in the cache, and the next gets all", async () => {
  const url = await postgres.createDatabase();
  // More than all buffers between take, so that the server cannot be done when the client leaves.
  await postgres.query(
    "create view wide as select n as id, repeat('x', 400) as x from generate_series(1, 100000) n",
    url,
  );
  const bytesMax = 256 * 1024 * 1024;
  await using served = await serveInProcess(url, {
    resultCache: ["wide"],
    limits: { resultCacheBytesMax: bytesMax, resultCacheEntryBytesMax: bytesMax },
  });
  const query = "{ wides { id x } }";
  const wire = await Wire.open(served.httpServer.port);
  await wire.send(rawPost(query));
  await wire.read(1000);
  wire.close();
  equal((await served.httpServer.logged("request")).code, "CANCELLED");
  const count = (name: string) => counted(served.metrics.http, `fraiseql_result_cache_${name}`);
  equal([await count("entries"), await count("bytes")], [0, 0]);
  for (const hits of [0, 1]) {
    const { rows } = await served.http(query);
    equal((rows as unknown[]).length, 100_000);
    equal([await count("entries"), await count("hits_total")], [1, hits]);
  }
});

Deno.test("a result above result_cache_entry_bytes_max is whole each time and never kept", async () => {
  await using served = await serveInProcess(await postgres.shop(), {
    resultCache: ["*"],
    limits: { resultCacheEntryBytesMax: 16 * 1024 },
  });
  for (const _ of ["once", "and again"]) {
    equal(((await served.http("{ orders { id } }")).rows as unknown[]).length, 10_000);
  }
  await served.http("{ orders(limit: 10) { id } }");
  equal(await counted(served.metrics.http, "fraiseql_result_cache_hits_total"), 0);
  equal(await counted(served.metrics.http, "fraiseql_result_cache_entries"), 1);
});

Deno.test("many clients with many queries stay within result_cache_bytes_max", async () => {
  const resultCacheBytesMax = 1024 * 1024;
  await using served = await serveInProcess(await postgres.shop(), {
    resultCache: ["*"],
    limits: { resultCacheBytesMax, resultCacheEntryBytesMax: 512 * 1024 },
  });
  let most = 0;
  await Promise.all(Array.from({ length: 8 }, async (_, client) => {
    for (let n = 0; n < 6; n++) {
      const offset = 1000 * ((client + n) % 9);
      const query = `{ orders(limit: 1000, offset: ${offset}) { id total status createdAt } }`;
      equal(((await served.http(query)).rows as unknown[]).length, 1000);
      most = Math.max(most, await counted(served.metrics.http, "fraiseql_result_cache_bytes"));
    }
  }));
  ok(most > 0 && most <= resultCacheBytesMax, `${most}`);
});

Deno.test("serve keeps results where result_cache and result_cache_seconds say so, and pyarrow sees their age", async () => {
  const url = await postgres.createShop();
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_RESULT_CACHE: "users",
    FRAISEQL_RESULT_CACHE_SECONDS: "86400",
    FRAISEQL_LOG_LEVEL: "warn",
  });
  const query = "{ users(limit: 1) { name } }";
  const ask = () => fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`);
  await (await ask()).body?.cancel();
  await until(
    async () => {
      const response = await ask();
      await response.body?.cancel();
      return Number(response.headers.get("age"));
    },
    (age) => age >= 1,
  );
  const client = new URL("../clients/flight_age.py", import.meta.url);
  const seen = JSON.parse(await python(client, [served.flight, query]));
  equal(seen.map((headers: Record<string, string[]>) => headers["x-fraiseql-cache"] ?? []), [
    [],
    ["hit"],
  ]);
  ok(/^\d+$/.test(seen[1].age[0]));
  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  ok(/^fraiseql_result_cache_entries 2$/m.test(metrics), "one in each process");
});
