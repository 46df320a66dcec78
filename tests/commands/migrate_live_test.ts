/** `fraiseql migrate` with a ClickHouse, as a person runs it. */

import { deepEqual, equal, match } from "node:assert/strict";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { limits } from "../../lib/limits.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { testPostgres } from "../services/postgres.ts";
import { run } from "./program.ts";

const postgres = await testPostgres();
const server = await testClickhouse();

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
