/** What the publisher tells of the events that lie before it. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../../services/postgres.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
const sql = "create table t (id int primary key)";

Deno.test("publish() tells after each page how many events lie before it, at last none", async () => {
  const some = { publishPageBytesMax: 64 * 1024 };
  await Observed.run(server, { sql, tables: ["t"], some }, async (observed) => {
    await observed.query("insert into t select generate_series(1, 3000)");
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    await running.stop();
    const lags = running.states.filter(({ events }) => events > 0).map(({ lagEvents }) =>
      lagEvents
    );
    equal(new Set(lags).size > 3, true);
    deepEqual(lags, lags.toSorted((a, b) => b - a));
    equal(lags.at(-1), 0);
  });
});

Deno.test("publish() tells of no events that were rolled back once the stream has all", async () => {
  await Observed.run(server, { sql, tables: ["t"] }, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.query("begin; insert into t select generate_series(2, 100); rollback");
    const running = observed.start();
    const { lagEvents } = await running.until(({ kind }) => kind === "asleep");
    await running.stop();
    equal(running.states.some((state) => state.lagEvents === 99), true);
    equal(lagEvents, 0);
  });
});
