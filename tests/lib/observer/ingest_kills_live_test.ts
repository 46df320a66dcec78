/**
 * Publishers, nats-server and PostgreSQL are killed at random moments while another producer sends
 * messages of all kinds, each again until it is acknowledged.
 * Others: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { keepNats } from "../../../lib/embedded/nats_keep.ts";
import { AppError } from "../../../lib/errors.ts";
import { publishOne } from "../../../lib/events/atomic_publish.ts";
import type { Nats } from "../../../lib/events/connect.ts";
import { listDead } from "../../../lib/events/dead.ts";
import { HEADER, STREAM } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { migrateNats, storeBytesMax } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { publisherLag } from "../../../lib/observer/lag.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../../services/nats.ts";
import { type Program, run } from "../../serve/serve.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { KeptPostgres } from "./kept_postgres.ts";
import { storedEvents } from "./observed.ts";

await testNats(); // which fetches the program

const kills = Math.ceil(Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 15) / 2);
const encoder = new TextEncoder();
const limits = testLimits;

function randomOf(seed: number): (max: number) => number {
  let state = seed * 7919 + 1;
  return (max) => (state = (state * 48271) % 2147483647) % max;
}

interface Sent {
  /** In order, each once. */
  readonly ids: string[];
  readonly bad: string[];
}

/** Sends messages of one to fifty lines: new events, events that were sent before, and others. */
async function produce(
  nats: Nats,
  random: (max: number) => number,
  signal: AbortSignal,
): Promise<Sent> {
  const sent: Sent = { ids: [], bad: [] };
  for (let message = 0; !signal.aborted; message++) {
    const lines = Array.from({ length: 1 + random(50) }, () => line(sent, random));
    const headers = { [HEADER.id]: `message ${message}` };
    await untilStored(nats, encoder.encode(lines.join("\n")), headers);
    if (random(3) === 0) await delay(random(20));
  }
  return sent;
}

function line({ ids, bad }: Sent, random: (max: number) => number): string {
  const kind = random(20);
  if (kind === 0) {
    const nonsense = `nonsense ${bad.length}`;
    bad.push(nonsense);
    return nonsense;
  }
  const n = kind < 4 && ids.length > 0 ? random(ids.length) : ids.length;
  const id = `10000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
  if (n === ids.length) ids.push(id);
  return JSON.stringify({
    id,
    event_type: "UPDATE",
    entity_type: "Order",
    entity_id: String(n % 10),
    timestamp: "2026-01-01T00:00:00Z",
    data: { n },
  });
}

/** As a producer must: without an answer the same message again. */
async function untilStored(
  nats: Nats,
  data: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  for (;;) {
    try {
      await publishOne(nats, "fraiseql.ingest.Order", data, headers);
      return;
    } catch (error) {
      // There is no stream to answer while the server starts.
      const passes = error instanceof AppError && ["UNAVAILABLE", "NOT_FOUND"].includes(error.code);
      if (!passes) throw error;
      await delay(20);
    }
  }
}

Deno.test(`ingest loses no event and writes none twice, in order, through ${kills} kills`, async () => {
  const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-ingest-kills-" });
  await Deno.chmod(dir, 0o755);
  const postgres = await KeptPostgres.start(`${dir}/postgres`);
  const nats = await keepNats({
    dataDir: `${dir}/nats`,
    log: createLog("error", () => {}),
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(limits),
    messageBytesMax: limits.natsMessageBytesMax,
  });
  await captured(postgres.url, []);
  const admin = await connectTo(nats.url);
  await migrateNats(admin, limits);
  const env = {
    DATABASE_URL: postgres.url,
    FRAISEQL_NATS_URL: nats.urls.publisher,
    FRAISEQL_LOG_LEVEL: "error",
    FRAISEQL_LIMITS_INGEST_ROWS_MAX: "60",
  };
  const observers: Program[] = [run(["observe"], env), run(["observe"], env)];
  const stopping = new AbortController();
  const producing = produce(admin, random, stopping.signal);
  await Promise.all(observers.map((observer) => observer.said(/at work|standing by/)));
  for (let n = 0; n < kills; n++) {
    await delay(100 + random(900));
    // Each of them, in turns that begin with the publisher.
    if (n % 3 === 0) {
      const victim = observers.shift();
      victim?.signal("SIGKILL");
      await victim?.ended;
      observers.push(run(["observe"], env));
    } else if (n % 3 === 1) {
      const pid = nats.pid();
      if (pid !== null) Deno.kill(pid, "SIGKILL");
    } else await postgres.kill();
  }
  await delay(500);
  stopping.abort();
  const sent = await producing;
  ok(sent.ids.length > 100 && sent.bad.length > 10, `${sent.ids.length} events`);

  const connection = await connect({ url: postgres.url });
  // The publishers find back by themselves.
  for (;;) {
    const left = (await streamState(admin, STREAM.ingest)).messages;
    if (left === 0 && (await publisherLag(connection, admin)).events === 0) break;
    if (observers.some((observer) => observer.stderr().includes("hint:"))) {
      throw new Error(observers.map((observer) => observer.stderr()).join("\n"));
    }
    await delay(50);
  }
  for (const observer of observers) equal(await observer.stop(), 0, observer.stderr());

  const stored = await storedEvents(admin);
  deepEqual(stored.map(({ id }) => id), sent.ids, "each once, in the order in which they came");
  // A message that was stored and not acknowledged is sent again, and its nonsense parked again.
  const parked = new Set<string>();
  for await (const { data } of listDead(admin, {}, 1_000_000)) {
    parked.add(new TextDecoder().decode(data));
  }
  deepEqual([...parked], sent.bad);
  const signal = new AbortController().signal;
  const verified = await verify({ connection, nats: admin, limits, since: null, signal });
  deepEqual([verified.differences, verified.gaps], [[], []]);

  await connection.close();
  await admin.close();
  await nats.stop();
  await postgres.stop();
  await Deno.remove(dir, { recursive: true });
});
