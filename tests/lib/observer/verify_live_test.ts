import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { STREAM } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { publisherLag } from "../../../lib/observer/lag.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { run } from "../../commands/program.ts";
import { testNats } from "../../services/nats.ts";
import { testPostgres } from "../../services/postgres.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = {
  sql: "create table t (id int primary key, v int); create table u (id int primary key)",
  tables: ["t", "u"],
};

const verified = ({ connection, nats, limits }: Observed, since: Date | null = null) =>
  verify({ connection, nats, limits, since, signal: new AbortController().signal });

Deno.test("verify() finds the same events on both sides, what is on its way left out", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 100); insert into u values (1)");
    await observed.publishAll();
    await observed.query("insert into t values (101)");
    deepEqual(await verified(observed), { logged: 101, stored: 101, differences: [], gaps: [] });
    deepEqual((await verified(observed, new Date())).differences, []);
    const later = await verified(observed, new Date(Date.now() + 7_200_000));
    equal(later.logged + later.stored, 0);
  });
});

Deno.test("verify() is right within a window that is published in part", async () => {
  const some = { publishPageBytesMax: 64 * 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    await observed.query("insert into t select generate_series(1, 3000)");
    const running = observed.start();
    await running.until(({ events }) => events > 500);
    await running.stop();
    const found = await verified(observed);
    deepEqual(found.differences, []);
    equal(found.stored < 3000, true);
  });
});

Deno.test("verify() counts what has left the change log by its digest", async () => {
  const some = { changeLogKeepHours: 0 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    for (let n = 1; n <= 3; n++) {
      await observed.query(`insert into t values (${n})`);
      await observed.publishAll();
    }
    equal((await observed.logged()).length < 3, true);
    deepEqual(await verified(observed), { logged: 3, stored: 3, differences: [], gaps: [] });
  });
});

Deno.test("verify() tells what the stream lacks, and what was never captured", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 10); insert into u values (1)");
    await observed.publishAll();
    const { firstSequence } = await streamState(observed.nats, STREAM.events);
    await observed.nats.manager.streams.deleteMessage(STREAM.events, firstSequence);
    await observed.query("select fraiseql.mark_gap('t', 'full')");
    const { differences, gaps } = await verified(observed);
    deepEqual(differences.map(({ entityType, logged, stored }) => [entityType, logged, stored]), [
      ["t", 10, 0],
    ]);
    deepEqual(gaps.map(({ entityType, reason, endedAt }) => [entityType, reason, endedAt]), [
      ["t", "full", null],
    ]);
    const env = { DATABASE_URL: observed.url, FRAISEQL_NATS_URL: observed.natsUrl };
    const { code, stdout } = await run(["verify"], env);
    equal(code, 1);
    match(stdout, /Z t: 10 in the change log, 0 in NATS\n/);
    match(stdout, /writes of t were not captured from .* to now: full\n/);
    match(stdout, /NOT the same\n$/);
  });
});

Deno.test("fraiseql verify ends with 0 and status tells how far the publisher is", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await observed.publishAll();
    await observed.query("insert into t values (2), (3)");
    const env = { DATABASE_URL: observed.url, FRAISEQL_NATS_URL: observed.natsUrl };
    const { code, stdout } = await run(["verify", "--since", "2020-01-01"], env);
    deepEqual([code, stdout], [0, "1 events in the change log, 1 in NATS: the same\n"]);
    const shown = await run(["status"], env);
    equal(shown.code, 0);
    match(
      shown.stdout,
      /^publisher +position 1, stream sequence 2, epoch 1, behind by 2 events and .*, nobody publishes$/m,
    );
    const running = observed.start();
    await running.until(({ kind }) => kind === "asleep");
    const held = await run(["status"], env);
    match(held.stdout, /^publisher .* 0 events\/s, held by process \d+ since 2/m);
    await running.stop();
  });
});

Deno.test("publisherLag() counts what is committed and not published, also within a window", async () => {
  const some = { publishPageBytesMax: 64 * 1024 };
  await Observed.run(server, { ...table, some }, async (observed) => {
    const lag = async () => (await publisherLag(observed.connection, observed.nats)).events;
    await observed.query("insert into t select generate_series(1, 3000)");
    equal(await lag(), 3000);
    const running = observed.start();
    await running.until(({ events }) => events > 500);
    await running.stop();
    equal(await lag(), 3000 - (await observed.stored()).length);
    await observed.publishAll();
    equal(await lag(), 0);
  });
});

Deno.test("verify() since an hour counts what was written at its first moment", async () => {
  await Observed.run(server, table, async (observed) => {
    await observed.query("insert into t select generate_series(1, 3)");
    await observed.query(
      "update fraiseql.change_log set recorded_at = date_trunc('hour', recorded_at)",
    );
    await observed.publishAll();
    const [row] = await observed.query(
      "select min(extract(epoch from recorded_at) * 1000)::bigint from fraiseql.change_log",
    );
    const { logged, stored, differences } = await verify({
      connection: observed.connection,
      nats: observed.nats,
      limits: observed.limits,
      since: new Date(Number(row?.[0])),
      signal: new AbortController().signal,
    });
    deepEqual([logged, stored, differences], [3, 3, []]);
  });
});
