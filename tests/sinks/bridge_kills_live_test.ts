/**
 * Bridges and nats-server are killed at random moments under a publisher. More kills, other moments:
 * FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import { lastCheckpoint, publishPage } from "../../lib/events/atomic_publish.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { type EntityEvent, writeEvent } from "../../lib/events/entity_event.ts";
import { STREAM, SUBJECT } from "../../lib/events/names.ts";
import { readOrdered } from "../../lib/events/ordered_reader.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { migrateNats, storeBytesMax } from "../../lib/events/streams.ts";
import { createLog } from "../../lib/log.ts";
import { readBatch } from "../lib/arrow/read_batch.ts";
import { events } from "../lib/events/events.ts";
import { randomOf } from "../lib/random.ts";
import { type Program, run } from "../serve/serve.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../services/nats.ts";

await testNats(); // which fetches the program

const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 15);
const log = createLog("error", () => {});

Deno.test(`bridge loses no event and writes none twice, in order, through ${kills} kills`, async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-bridge-" });
  const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
  const nats = await keepNats({
    dataDir: dir,
    log,
    programs: natsPrograms,
    storeBytesMax: storeBytesMax(testLimits),
    messageBytesMax: testLimits.natsMessageBytesMax,
  });
  const admin = await connectTo(nats.url);
  await migrateNats(admin, testLimits);
  const env = {
    FRAISEQL_NATS_URL: nats.urls.bridge,
    FRAISEQL_LOG_LEVEL: "error",
    // Small batches, so that there are many moments to be killed at.
    FRAISEQL_LIMITS_BATCH_ROWS_MAX: "37",
    FRAISEQL_LIMITS_BRIDGE_FLUSH_MS_MAX: "10",
  };
  const bridges: Program[] = [run(["bridge"], env), run(["bridge"], env)];
  const stopping = new AbortController();
  const publishing = publishAll(admin, random, stopping.signal);
  await Promise.race(bridges.map((bridge) => bridge.said(/at work/)));
  const killed = { bridge: 0, nats: 0 };
  for (let n = 0; n < kills; n++) {
    await delay(200 + random() * 800);
    if (random() < 0.8) {
      killed.bridge++;
      const victim = bridges.shift();
      victim?.signal("SIGKILL");
      await victim?.ended;
      bridges.push(run(["bridge"], env));
    } else {
      killed.nats++;
      const pid = nats.pid();
      if (pid !== null) Deno.kill(pid, "SIGKILL");
    }
  }
  ok(killed.bridge > 0 && killed.nats > 0, JSON.stringify(killed));
  stopping.abort();
  const published = await publishing;
  ok(published.length > 1000, `${published.length} events`);
  let rows: { id: string; position: bigint }[] = [];
  while (rows.length < published.length) {
    await delay(200);
    rows = await storedRows(admin).catch(() => rows); // NATS may not be back
    const failed = bridges.find((bridge) => bridge.stderr().includes("hint:"));
    if (failed) throw new Error(failed.stderr());
  }
  equal(new Set(rows.map(({ id }) => id)).size, rows.length, "none came twice");
  deepEqual(rows.map(({ id }) => id), published.map(({ id }) => id));
  ok(rows.every(({ position }, i) => i === 0 || position > rows[i - 1]!.position), "they grow");
  for (const bridge of bridges) equal(await bridge.stop(), 0, bridge.stderr());
  await admin.close();
  await nats.stop();
  await Deno.remove(dir, { recursive: true });
});

/** Pages of random sizes, one after the other; gives what is in the stream. */
async function publishAll(
  nats: Nats,
  random: () => number,
  signal: AbortSignal,
): Promise<EntityEvent[]> {
  const encoder = new TextEncoder();
  let [expected, total] = [0, 0];
  while (!signal.aborted) {
    const some = events(total, total + 1 + Math.floor(random() * 200));
    const cut = Math.floor(random() * some.length);
    const data = [some.slice(0, cut), some.slice(cut)].filter(({ length }) => length > 0)
      .map((part) => encoder.encode(part.map(writeEvent).join("\n") + "\n"));
    const after = total + some.length;
    const published = await publishPage(nats, {
      messages: data.map((data) => ({ subject: SUBJECT.event("Order"), data })),
      checkpoint: encoder.encode(JSON.stringify({ epoch: 1, done: true, total: after })),
      expected,
    });
    if (published.kind === "published") [expected, total] = [published.sequence, after];
    // It is there or it is not, or comes late and fences the next one off; the checkpoint tells.
    else [expected, total] = await lastPage(nats);
    await delay(random() * 20);
  }
  return events(0, (await lastPage(nats))[1]);
}

/** Sequence of the last checkpoint, and the events up to it; waits for NATS. */
async function lastPage(nats: Nats): Promise<[sequence: number, total: number]> {
  for (;;) {
    await delay(50);
    const last = await lastCheckpoint(nats).catch(() => undefined); // NATS is on its way back
    if (last === null) return [0, 0];
    if (last) return [last.sequence, JSON.parse(new TextDecoder().decode(last.data)).total];
  }
}

async function storedRows(nats: Nats): Promise<{ id: string; position: bigint }[]> {
  const { lastSequence } = await streamState(nats, STREAM.batches);
  const reader = await readOrdered({ nats, stream: STREAM.batches, from: 1 });
  const rows: { id: string; position: bigint }[] = [];
  const { signal } = new AbortController();
  try {
    for (let last = 0; last < lastSequence;) {
      for (const message of await reader.pull({ messages: 1000, bytes: 8_000_000 }, signal)) {
        last = message.sequence;
        rows.push(...readBatch(message.data));
      }
    }
  } finally {
    reader.close();
  }
  return rows;
}
