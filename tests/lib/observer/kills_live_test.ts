/**
 * Publishers, nats-server and PostgreSQL are killed at random moments under writers that do all that
 * writers do; once the stream loses its end, and once it is made anew. Another seed and more kills: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { keepNats } from "../../../lib/embedded/nats_keep.ts";
import { lastCheckpoint } from "../../../lib/events/atomic_publish.ts";
import type { Nats } from "../../../lib/events/connect.ts";
import { STREAM } from "../../../lib/events/names.ts";
import { migrateNats, storeBytesMax } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { decodeCheckpoint } from "../../../lib/observer/checkpoint.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../../services/nats.ts";
import { type Program, run } from "../../serve/serve.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { type Rebuilt, replay } from "../postgres/change_log/replay.ts";
import { randomOf } from "../random.ts";
import { KeptPostgres } from "./kept_postgres.ts";
import { loggedIds, storedEvents } from "./observed.ts";
import { holdOpen, write, WRITTEN_TABLES } from "./writers.ts";

await testNats(); // which fetches the program

const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 15);
const writers = 6;
const log = createLog("error", () => {});

Deno.test(`observe loses no event and none comes twice, through ${kills} kills`, async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-kills-" });
  await Deno.chmod(dir, 0o755);
  const random = randomOf(seed);
  const postgres = await KeptPostgres.start(`${dir}/postgres`);
  const startNats = () =>
    keepNats({
      dataDir: `${dir}/nats`,
      log,
      programs: natsPrograms,
      storeBytesMax: storeBytesMax(testLimits),
      messageBytesMax: testLimits.natsMessageBytesMax,
    });
  let nats = await startNats();
  const setUp = await connect({ url: postgres.url });
  await setUp.query(WRITTEN_TABLES);
  await captured(postgres.url, ["t", "u"]);
  await setUp.close();
  const admin = await connectTo(nats.url);
  await migrateNats(admin, testLimits);

  const env = {
    DATABASE_URL: postgres.url,
    FRAISEQL_NATS_URL: nats.urls.publisher,
    FRAISEQL_LOG_LEVEL: "error",
  };
  const observers: Program[] = [run(["observe"], env), run(["observe"], env)];
  const stopping = new AbortController();
  const working = [
    holdOpen(postgres.url, stopping.signal),
    ...Array.from(
      { length: writers },
      (_, n) => write(postgres.url, n, randomOf(seed * 1000 + n), stopping.signal),
    ),
  ];
  const killed = { observer: 0, nats: 0, postgres: 0 };
  await observers[0]?.said(/at work|standing by/);
  const store = `${dir}/nats/nats/jetstream`;
  const whileNatsIsDown = async (work: () => Promise<unknown>) => {
    await nats.stop();
    await work();
    nats = await startNats();
  };
  for (let n = 0; n < kills; n++) {
    await delay(100 + random() * 900);
    // The stream's end is lost, as with a disk that had not written it yet: what comes then has the
    // same sequences again.
    if (n === Math.floor(kills / 5)) await whileNatsIsDown(() => copy(store, `${dir}/earlier`));
    if (n === Math.floor(kills / 2)) {
      await whileNatsIsDown(async () => {
        await Deno.remove(store, { recursive: true });
        await Deno.rename(`${dir}/earlier`, store);
      });
    }
    if (n === Math.floor(kills * 4 / 5)) {
      await untilNoticed(admin);
      await makeStreamAnew(admin);
    }
    const what = (["observer", "nats", "postgres"] as const)[Math.floor(random() * 3)] ?? "nats";
    killed[what]++;
    if (what === "observer") {
      const victim = observers.shift();
      victim?.signal("SIGKILL");
      await victim?.ended;
      observers.push(run(["observe"], env));
    } else if (what === "nats") {
      const pid = nats.pid();
      if (pid !== null) Deno.kill(pid, "SIGKILL");
    } else await postgres.kill();
  }
  ok(killed.observer > 0 && killed.nats > 0 && killed.postgres > 0, JSON.stringify(killed));
  await delay(500); // some more writes after the last kill
  stopping.abort();
  const written = (await Promise.all(working)).reduce((sum, count) => sum + count, 0);
  ok(written > 100, `${written} transactions`);

  const connection = await connect({ url: postgres.url });
  const logged = await loggedIds(connection);
  const limits = testLimits;
  const signal = new AbortController().signal;
  // The publishers find back by themselves.
  for (let found = -1; found < logged.length;) {
    await delay(200);
    if (observers.some((observer) => observer.stderr().includes("hint:"))) {
      throw new Error(observers.map((observer) => observer.stderr()).join("\n"));
    }
    found = await verify({ connection, nats: admin, limits, since: null, signal })
      .then(({ stored }) => stored, () => -1); // NATS may not be back
  }
  const { differences, gaps } = await verify({
    connection,
    nats: admin,
    limits,
    since: null,
    signal,
  });
  deepEqual([differences, gaps], [[], []]);
  const stored = await storedEvents(admin);
  equal(new Set(stored.map(({ id }) => id)).size, stored.length, "none came twice");
  deepEqual(stored.map(({ id }) => id).sort(), logged.sort(), "none is lost");
  const rebuilt: Rebuilt = new Map();
  for (const event of stored) replay(rebuilt, event); // throws where one entity's order is not right
  for (const table of ["t", "u"]) {
    const rows = await connection.query(`select id, row_to_json(r)::text from ${table} r`);
    deepEqual(
      [...rebuilt.get(table) ?? []].sort(),
      rows.map(([id, row]) => [id ?? "", JSON.stringify(JSON.parse(row ?? ""))]).sort(),
      table,
    );
  }
  // It was noticed that the stream had lost its end, and that it was another.
  const checkpoint = await lastCheckpoint(admin);
  ok(checkpoint && decodeCheckpoint(checkpoint.data).epoch >= 3);

  await connection.close();
  for (const observer of observers) equal(await observer.stop(), 0, observer.stderr());
  await admin.close();
  await nats.stop();
  await postgres.stop();
  await Deno.remove(dir, { recursive: true });
});

async function copy(from: string, to: string): Promise<void> {
  equal((await new Deno.Command("cp", { args: ["-a", from, to] }).output()).code, 0);
}

/** That the stream has lost its end; the last check tells where it never is. */
async function untilNoticed(admin: Nats): Promise<void> {
  for (const endMs = performance.now() + 60_000; performance.now() < endMs;) {
    // NATS may be on its way back.
    const checkpoint = await lastCheckpoint(admin).catch(() => null);
    if (checkpoint && decodeCheckpoint(checkpoint.data).epoch >= 2) return;
    await delay(100);
  }
}

/** NATS may be on its way back. */
async function makeStreamAnew(admin: Nats): Promise<void> {
  for (let isGone = false;;) {
    try {
      if (!isGone) await admin.manager.streams.delete(STREAM.events);
      isGone = true;
      await migrateNats(admin, testLimits);
      return;
    } catch {
      await delay(50);
      isGone ||= await admin.manager.streams.info(STREAM.events).then(() => false, isNotFound);
    }
  }
}

const isNotFound = (error: unknown) => error instanceof Error && /not found/.test(error.message);
