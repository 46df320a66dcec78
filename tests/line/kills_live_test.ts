/**
 * Everything between a table and ClickHouse is killed at random moments under writers: publisher,
 * bridge, sink, nats-server, PostgreSQL and ClickHouse.
 * Another seed and more kills: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { keepClickhouse } from "../../lib/embedded/clickhouse_keep.ts";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import { migrateNats, storeBytesMax } from "../../lib/events/streams.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { verify } from "../../lib/observer/verify.ts";
import { connect } from "../../lib/postgres/connection.ts";
import { KeptPostgres } from "../lib/observer/kept_postgres.ts";
import { loggedIds, storedEvents } from "../lib/observer/observed.ts";
import { holdOpen, write, WRITTEN_TABLES } from "../lib/observer/writers.ts";
import { captured } from "../lib/postgres/change_log/captured.ts";
import { randomOf } from "../lib/random.ts";
import { type Program, run } from "../serve/serve.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../services/nats.ts";
import { checkViews, eventsSeen } from "./in_views.ts";

await testNats(); // which fetches the program

const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 20);
const writers = 3;
const retentionDays = 90;
const log = createLog("error", () => {});

const COMMANDS = {
  publisher: ["observe"],
  bridge: ["bridge"],
  sink: ["sink", "clickhouse"],
} as const;
const VICTIMS = ["publisher", "bridge", "sink", "nats", "postgres", "clickhouse"] as const;
type Victim = typeof VICTIMS[number];

Deno.test(`the whole line loses no event and shows none twice, through ${kills} kills`, async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-line-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.chmod(dir, 0o755);
  const random = randomOf(seed);

  const postgres = await KeptPostgres.start(`${dir}/postgres`);
  stack.defer(() => postgres.stop());
  const nats = await keepNats({
    dataDir: `${dir}/nats`,
    log,
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(testLimits),
    messageBytesMax: testLimits.natsMessageBytesMax,
  });
  stack.defer(() => nats.stop());
  const engine = await keepClickhouse({
    dataDir: `${dir}/clickhouse`,
    log,
    limits: limits(),
    inUseMsMax: 5000,
  });
  stack.defer(() => engine.stop());

  const setUp = await connect({ url: postgres.url });
  await setUp.query(WRITTEN_TABLES);
  await captured(postgres.url, ["t", "u"]);
  await setUp.close();
  const admin = await connectTo(nats.url);
  stack.defer(() => admin.close());
  await migrateNats(admin, testLimits);
  const clickhouse = connectClickhouse(readClickhouseUrl(engine.url), limits());
  await migrateClickhouse(clickhouse, { retentionDays });

  const env = {
    FRAISEQL_LOG_LEVEL: "error",
    FRAISEQL_LIMITS_RETRY_WAIT_MS_MAX: "500",
    // Small batches and inserts, so that there are many moments to be killed at.
    FRAISEQL_LIMITS_BATCH_ROWS_MAX: "37",
    FRAISEQL_LIMITS_BRIDGE_FLUSH_MS_MAX: "10",
  };
  const envs = {
    publisher: { ...env, DATABASE_URL: postgres.url, FRAISEQL_NATS_URL: nats.urls.publisher },
    bridge: { ...env, FRAISEQL_NATS_URL: nats.urls.bridge },
    sink: {
      ...env,
      FRAISEQL_NATS_URL: nats.urls.clickhouse,
      FRAISEQL_CLICKHOUSE_URL: engine.url,
      FRAISEQL_EVENT_RETENTION_DAYS: String(retentionDays),
      FRAISEQL_LIMITS_PULL_MESSAGES_MAX: "5",
    },
  };
  const start = (name: keyof typeof COMMANDS) => run(COMMANDS[name], envs[name]);
  const programs: Record<keyof typeof COMMANDS, Program> = {
    publisher: start("publisher"),
    bridge: start("bridge"),
    sink: start("sink"),
  };
  stack.defer(async () => {
    for (const program of Object.values(programs)) {
      program.signal("SIGKILL"); // has ended already where the test came to its end
      await program.ended;
    }
  });
  const kill = async (victim: Victim) => {
    switch (victim) {
      case "postgres":
        return await postgres.kill();
      case "nats":
        return Deno.kill(await pidOf(nats), "SIGKILL");
      case "clickhouse":
        return Deno.kill(await pidOf(engine), "SIGKILL");
      default: {
        const program = programs[victim];
        program.signal("SIGKILL");
        await program.ended;
        programs[victim] = start(victim);
      }
    }
  };

  const stopping = new AbortController();
  stack.defer(() => stopping.abort());
  await Promise.all(Object.values(programs).map((program) => program.said(/at work/)));
  const working = [
    holdOpen(postgres.url, stopping.signal),
    ...Array.from(
      { length: writers },
      (_, n) => write(postgres.url, n, randomOf(seed * 1000 + n), stopping.signal),
    ),
  ];
  // Each of them in every turn, in an order of the turn's own.
  let turn: Victim[] = [];
  for (let n = 0; n < kills; n++) {
    await delay(100 + random() * 900);
    if (turn.length === 0) turn = [...VICTIMS];
    const [victim] = turn.splice(Math.floor(random() * turn.length), 1);
    if (victim) await kill(victim);
  }
  await delay(500); // some more writes after the last kill
  stopping.abort();
  const written = (await Promise.all(working)).reduce((sum, count) => sum + count, 0);
  ok(written > 100, `${written} transactions`);

  const connection = await connect({ url: postgres.url });
  stack.defer(() => connection.close());
  const logged = await loggedIds(connection);
  // The line finds back by itself.
  while (await eventsSeen(clickhouse) < logged.length) {
    await delay(200);
    for (const [name, program] of Object.entries(programs)) {
      if (/hint:|fraiseql:/.test(program.stderr())) throw new Error(`${name} ${program.stderr()}`);
    }
  }
  deepEqual((await storedEvents(admin)).map(({ id }) => id).sort(), logged.sort());
  await checkViews(clickhouse, (sql) => connection.query(sql));
  const { signal } = new AbortController();
  const verified = await verify({
    connection,
    nats: admin,
    limits: testLimits,
    since: null,
    signal,
  });
  deepEqual(
    [verified.differences, verified.gaps, verified.logged, verified.stored],
    [[], [], logged.length, logged.length],
  );
  for (const [name, program] of Object.entries(programs)) {
    equal(await program.stop(), 0, `${name} ${program.stderr()}`);
  }
});

/** Of a server that may be on its way back. */
async function pidOf(kept: { pid(): number | null }): Promise<number> {
  for (;;) {
    const pid = kept.pid();
    if (pid !== null) return pid;
    await delay(20);
  }
}
