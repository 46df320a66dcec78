/** `fraiseql migrate` with a ClickHouse and an Elasticsearch, as a person runs it. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { limits } from "../../lib/limits.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testPostgres } from "../services/postgres.ts";
import { run } from "./program.ts";

const postgres = await testPostgres();
const server = await testClickhouse();
const elasticsearch = await testElasticsearch();

Deno.test("migrate makes the tables in ClickHouse, says so, and --down removes them", async () => {
  const url = server.url();
  const env = { DATABASE_URL: await postgres.createDatabase(), FRAISEQL_CLICKHOUSE_URL: url };
  const names = [
    "fraiseql_events_data",
    "fraiseql_events",
    "fraiseql_events_hourly",
    "fraiseql_org_daily",
    "fraiseql_event_type_stats",
  ];
  const lines = ({ stdout }: { stdout: string }) =>
    stdout.split("\n").filter((line) => line.includes("ClickHouse"));
  const made = await run(["migrate"], env);
  equal(made.code, 0, made.stderr);
  deepEqual(lines(made), names.map((name) => `made ${name} in ClickHouse`));
  const again = await run(["migrate"], env);
  deepEqual(lines(again), names.map((name) => `up to date: ${name} in ClickHouse`));
  const down = await run(["migrate", "--down"], env);
  equal(down.code, 0, down.stderr);
  deepEqual(
    lines(down).toSorted(),
    names.map((name) => `removed ${name} in ClickHouse`).toSorted(),
  );
  const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
  deepEqual(await clickhouse.rows("SHOW TABLES"), []);
});

Deno.test("migrate says what is wrong with a ClickHouse that it cannot ask", async () => {
  const wrong = new URL(server.url());
  wrong.password = "wrong";
  const env = { DATABASE_URL: await postgres.createDatabase() };
  const refused = await run(["migrate"], { ...env, FRAISEQL_CLICKHOUSE_URL: String(wrong) });
  equal(refused.code, 1);
  match(refused.stderr, /ClickHouse: Code: (516|194)\..*\nhint: see user and password/s);
  const odd = await run(["migrate"], { ...env, FRAISEQL_CLICKHOUSE_URL: "http://ch:8123/a/b" });
  equal(odd.code, 2);
  match(odd.stderr, /FRAISEQL_CLICKHOUSE_URL: must have nothing but the database's name/);
});

Deno.test("migrate makes policy and template in Elasticsearch, says so, and --down removes them", async () => {
  const url = elasticsearch.url();
  const prefix = new URL(url).searchParams.get("prefix");
  const env = { DATABASE_URL: await postgres.createDatabase(), FRAISEQL_ELASTICSEARCH_URL: url };
  const parts = [`policy ${prefix}fraiseql-events-policy`, `template ${prefix}fraiseql-events`];
  const lines = ({ stdout }: { stdout: string }) =>
    stdout.split("\n").filter((line) => line.includes("Elasticsearch"));
  const made = await run(["migrate"], env);
  equal(made.code, 0, made.stderr);
  deepEqual(lines(made), parts.map((part) => `made ${part} in Elasticsearch`));
  deepEqual(
    lines(await run(["migrate"], env)),
    parts.map((part) => `up to date: ${part} in Elasticsearch`),
  );
  const wider = { ...env, FRAISEQL_SEARCH_COLUMNS: "total" };
  match(
    (await run(["migrate"], wider)).stdout,
    /changed template .*fraiseql-events in Elasticsearch/,
  );
  const down = await run(["migrate", "--down"], env);
  equal(down.code, 0, down.stderr);
  deepEqual(
    lines(down).toSorted(),
    parts.map((part) => `removed ${part} in Elasticsearch`).toSorted(),
  );
});

Deno.test("migrate says what is wrong with an Elasticsearch that it cannot ask", async () => {
  const env = { DATABASE_URL: await postgres.createDatabase() };
  const away = await run(["migrate"], { ...env, FRAISEQL_ELASTICSEARCH_URL: "http://127.0.0.1:9" });
  equal(away.code, 1);
  match(
    away.stderr,
    /Elasticsearch at http:\/\/127.0.0.1:9 cannot be reached.*\nhint: see that it/s,
  );
  const odd = await run(["migrate"], { ...env, FRAISEQL_ELASTICSEARCH_URL: "http://es?index=a" });
  equal(odd.code, 2);
  match(odd.stderr, /FRAISEQL_ELASTICSEARCH_URL: has the parameter index/);
});
