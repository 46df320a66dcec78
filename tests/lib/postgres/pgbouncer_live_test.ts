/** Behind a real pgbouncer, in each of its modes. */

import {
  deepStrictEqual as deepEqual,
  notDeepStrictEqual as notDeepEqual,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { type PoolMode, startPgBouncer } from "./pgbouncer.ts";
import { ask, ints, never, sql } from "./rows.ts";
import { quiet, TestServer, until } from "./server.ts";

const server = await TestServer.start();
await server.allow([]);
Deno.test.afterAll(() => server.stop());

for (const mode of ["transaction", "session"] satisfies PoolMode[]) {
  Deno.test(`openDatabase() behind pgbouncer in ${mode} mode`, async (test) => {
    const pooler = await startPgBouncer(server, mode);
    const database = await openDatabase({ url: pooler.url, ...quiet({ poolConnectionsMax: 2 }) });
    try {
      await test.step("knows that it is there", () => equal(database.pooled, true));

      await test.step("reads rows with settings that hold for each read", async () => {
        const settings = sql(`select (current_setting('TimeZone') = 'UTC'
            and current_setting('IntervalStyle') = 'iso_8601'
            and current_setting('transaction_read_only') = 'on'
            and current_setting('statement_timeout') = '7s')::int4`);
        const reads = Array.from({ length: 50 }, async () => {
          deepEqual(await ints(database, [settings], { statementTimeoutMs: 7000 }), [[0, 1]]);
        });
        await Promise.all(reads);
      });

      await test.step("leaves the pooler's connections as they were", async () => {
        const rows = await database.query("select count(*) from pg_prepared_statements");
        deepEqual(rows, [["0"]]);
        await until(async () => {
          const open = "select from pg_stat_activity where usename = 'pooled' and state <> 'idle'";
          return (await server.sql(open)).length === 0;
        });
      });

      await test.step("reads several statements in one snapshot", async () => {
        const snapshot = sql("select pg_snapshot_xmin(pg_current_snapshot())::text::int4");
        const [one, two] = await ints(database, [snapshot, snapshot]);
        equal(one?.[1], two?.[1]);
      });

      await test.step("reads in a snapshot that is held", async () => {
        const table = { schema: "pg_catalog", name: "pg_am" };
        const held = await database.holdTable(table, sql("select 1"), never);
        if (held.kind !== "held") throw new Error(held.why);
        const snapshot = held.snapshot.name;
        const last = [sql("select pg_snapshot_xmax(pg_current_snapshot())::text::int4")];
        const before = await ints(database, last, { snapshot });
        await server.sql("create table later (); drop table later");
        deepEqual(await ints(database, last, { snapshot }), before);
        notDeepEqual(await ints(database, last), before);
        await held.snapshot.release();
        await until(() =>
          ints(database, last, { snapshot }).then(() => false, ({ code }) => code === "NOT_FOUND")
        );
      });

      await test.step("goes on after an error", async () => {
        await rejects(ints(database, [sql("select 1/0")]), { code: "INTERNAL" });
        deepEqual(await ints(database, [sql("select 1")]), [[0, 1]]);
      });

      await test.step("cancels what is left early", async () => {
        for await (const _ of ask(database, [sql("select generate_series(1, 5000000)")])) break;
        await until(async () => {
          const active =
            "select from pg_stat_activity where usename = 'pooled' and state = 'active'";
          return (await server.sql(active)).length === 0;
        });
        deepEqual(await ints(database, [sql("select 2")]), [[0, 2]]);
      });
    } finally {
      await database.close();
      await pooler.stop();
    }
  });
}

Deno.test("openDatabase() refuses pgbouncer in statement mode, with the reason", async () => {
  const pooler = await startPgBouncer(server, "statement");
  await rejects(openDatabase({ url: pooler.url, ...quiet() }), {
    code: "BAD_INPUT",
    message: /no transactions/,
    hint: /pool_mode/,
  });
  await pooler.stop();
});

Deno.test("openDatabase() refuses what pgbouncer refuses, with its reason", async () => {
  const pooler = await startPgBouncer(server, "transaction");
  const refused: [url: string, message: RegExp][] = [
    [pooler.url + "?options=-c%20work_mem%3D1MB", /unsupported startup parameter: options/],
    [pooler.url.replace("/postgres", "/nope"), /no such database: nope/],
    [pooler.url.replace(":pooled@", ":wrong@"), /authentication failed/],
  ];
  for (const [url, message] of refused) {
    await rejects(openDatabase({ url, ...quiet() }), { code: "BAD_INPUT", message });
  }
  await pooler.stop();
});
