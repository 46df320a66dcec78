/** Back-filled events on their way into NATS. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { publisherLag } from "../../../../lib/observer/lag.ts";
import { verify } from "../../../../lib/observer/verify.ts";
import type { BackfillProgress } from "../../../../lib/postgres/change_log/backfill.ts";
import { testNats } from "../../../services/nats.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { Observed } from "../../observer/observed.ts";
import { backfilled } from "./backfilled.ts";
import { captured } from "./captured.ts";

const server = await testPostgres();
await testNats();

const sql = `create table t (id int primary key, at timestamptz);
  insert into t select n, now() - n * interval '7 minutes' from generate_series(1, 200) n`;

for (const changeLogKeepHours of [24, 0]) {
  const where = changeLogKeepHours > 0 ? "the change log" : "its digest";
  Deno.test(`verify() finds back-filled events of old hours the same in NATS and in ${where}`, async () => {
    const some = { changeLogKeepHours };
    await Observed.run(server, { sql, tables: ["t"], some }, async (observed) => {
      await captured(observed.url, ["t"], { timestampColumn: "at" });
      await backfilled(observed.url, "t", { some: { backfillRowsMax: 30 } });
      await observed.publishAll();
      // The slot that is written to is let go in the round after.
      await observed.query("insert into t values (0, now())");
      await observed.publishAll();
      const stored = await observed.stored();
      ok(new Set(stored.map(({ timestamp }) => timestamp.slice(0, 13))).size > 20, "hours");
      equal((await observed.logged()).length < 201, changeLogKeepHours === 0);
      const { connection, nats, limits } = observed;
      const signal = new AbortController().signal;
      deepEqual(await verify({ connection, nats, limits, since: null, signal }), {
        logged: 201,
        stored: 201,
        differences: [],
        gaps: [],
      });
    });
  });
}

Deno.test("publisherLag() counts back-filled events, and takes none of their times for its age", async () => {
  await Observed.run(server, { sql, tables: ["t"] }, async (observed) => {
    await captured(observed.url, ["t"], { timestampColumn: "at" });
    await backfilled(observed.url, "t");
    const { events, seconds } = await publisherLag(observed.connection, observed.nats);
    deepEqual([events, seconds], [200, 0]);
  });
});

Deno.test("backfill() that waits knows whether a publisher empties the log", async () => {
  await Observed.run(server, { sql, tables: ["t"] }, async (observed) => {
    const publisher = observed.start();
    await publisher.until(({ kind }) => kind === "asleep");
    await observed.query("update fraiseql.capture_settings set log_bytes_max = 1000");
    const waits: BackfillProgress[] = [];
    const stop = new AbortController();
    await backfilled(observed.url, "t", {
      signal: stop.signal,
      onProgress: (step) => {
        if (step.kind !== "log is full") return;
        waits.push(step);
        stop.abort();
      },
    });
    equal(waits[0]?.kind === "log is full" && waits[0].log.isPublishing, true);
    await publisher.stop();
  });
});
