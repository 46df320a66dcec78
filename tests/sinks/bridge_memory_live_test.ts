import { ok, strictEqual as equal } from "node:assert/strict";
import { lastCheckpoint, publishPage } from "../../lib/events/atomic_publish.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { writeEvent } from "../../lib/events/entity_event.ts";
import { STREAM, SUBJECT } from "../../lib/events/names.ts";
import { lastMessage, streamState } from "../../lib/events/stream_state.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { limits } from "../../lib/limits.ts";
import { readBridgeProgress } from "../../sinks/bridge_progress.ts";
import { event } from "../lib/events/events.ts";
import { residentBytes, run } from "../serve/serve.ts";
import { connectTo, testLimits, testNats } from "../services/nats.ts";

const server = await testNats();
const GiB = 1024 ** 3;
const thousands = 1000;

Deno.test("bridge takes no more memory for a million events than for a hundred thousand", async () => {
  const url = await server.createAccount();
  const nats = await connectTo(url);
  await migrateNats(
    nats,
    limits({ ...testLimits, eventStreamBytesMax: GiB, batchStreamBytesMax: GiB }),
  );
  const bridge = run(["bridge"], { FRAISEQL_NATS_URL: url, FRAISEQL_LOG_LEVEL: "error" });
  let [early, most] = [0, 0];
  const timer = setInterval(() => most = Math.max(most, residentBytes(bridge.pid)), 50);
  for (let n = 0; n < thousands; n += 50) {
    await publishThousands(nats, 50);
    if (n !== 50) continue;
    await untilDone(nats, 100_000);
    early = most;
  }
  await untilDone(nats, thousands * 1000);
  clearInterval(timer);
  ok(most < early + 100 * 1024 * 1024, `${early} bytes at first, ${most} later`);
  const last = await lastMessage(nats, STREAM.batches, SUBJECT.batches);
  const events = await streamState(nats, STREAM.events);
  equal(last?.headers.get("Fraiseql-Source-Last"), `${events.lastSequence - 1}.999`);
  equal(await bridge.stop(), 0);
  await nats.close();
});

/** Messages of a thousand events each, in one page. */
async function publishThousands(nats: Nats, count: number): Promise<void> {
  const published = await publishPage(nats, {
    messages: Array.from({ length: count }, () => ({ subject: SUBJECT.event("Order"), data })),
    checkpoint: new TextEncoder().encode(JSON.stringify({ epoch: 1, done: true })),
    expected: (await lastCheckpoint(nats))?.sequence ?? 0,
  });
  equal(published.kind, "published");
}

// The same again and again: the bridge compares ids only where NATS lost some.
const note = "a text of a usual length in a row";
const some = Array.from({ length: 1000 }, (_, n) =>
  event(n, {
    data: JSON.stringify({
      id: n,
      status: "paid",
      total: "12.50",
      note,
      address: { city: "Oslo" },
    }),
    userId: "user-123",
    orgId: "acme",
  }));
const data = new TextEncoder().encode(some.map(writeEvent).join("\n") + "\n");

async function untilDone(nats: Nats, events: number): Promise<void> {
  while ((await readBridgeProgress(nats))?.events !== events) {
    await new Promise((done) => setTimeout(done, 100));
  }
}
