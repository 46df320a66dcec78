import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { Nats } from "../../lib/events/connect.ts";
import { writeEvent } from "../../lib/events/entity_event.ts";
import { rangeOf } from "../../lib/events/feed.ts";
import { STREAM } from "../../lib/events/names.ts";
import { readProgress, recordedFeed } from "../../lib/events/recorded_feed.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { untrackedFeed } from "../../lib/events/untracked_feed.ts";
import { type Destination, openWorld, testSink } from "../contracts/sink.ts";
import { event, events, publishEvents, publishLines } from "../lib/events/events.ts";
import { natsWithStreams, testLimits, testNats } from "../services/nats.ts";
import { encodeEvents, type MemoryPayload, MemorySink, MemoryStore } from "./memory_sink.ts";

await testNats();

interface MemoryDestination extends Destination<MemoryPayload> {
  readonly store: MemoryStore;
}

const contract = {
  make(): Promise<MemoryDestination> {
    const store = new MemoryStore();
    return Promise.resolve({
      store,
      sink: () => new MemorySink(store),
      encode: encodeEvents,
      storedIds: () => Promise.resolve([...store.byId.keys()]),
      heldLast: () => Promise.resolve(store.lastSequence),
      down: () => Promise.resolve(void (store.isDown = true)),
      up: () => Promise.resolve(void (store.isDown = false)),
      close: () => Promise.resolve(),
    });
  },
  refused: (n: number) => event(n, { entityId: "refused" }),
};

testSink("MemorySink", { ...contract, kinds: ["acknowledged", "recorded", "untracked"] });

async function memoryWorld(kind: "acknowledged" | "recorded" | "untracked", nats?: Nats) {
  const world = await openWorld(kind, contract, nats);
  return { ...world, store: (world.destination as MemoryDestination).store };
}

Deno.test("deliver() writes a payload that is refused as a whole in halves, down to the bad message", async () => {
  const world = await memoryWorld("recorded");
  const bad = event(17, { entityId: "breaks" });
  await publishEvents(world.nats, [...events(0, 17), bad, ...events(18, 40)], 1);
  await world.deliverUntil(39);
  const dead = await world.dead();
  deepEqual(dead.map(({ eventId, reason }) => [eventId, reason]), [
    [bad.id, "BAD_INPUT: the payload cannot be read"],
  ]);
  await world.close();
});

Deno.test("deliver() parks a message that makes the encoder throw, and goes on", async () => {
  const world = await memoryWorld("acknowledged");
  await publishLines(world.nats, [[writeEvent(event(1))], ["throw"], [writeEvent(event(2))]]);
  await world.deliverUntil(2);
  const [dead] = await world.dead();
  equal(dead?.reason, "INTERNAL: a fault of the encoder");
  equal(new TextDecoder().decode(dead?.data), "throw\n");
  await world.close();
});

Deno.test("deliver() forms a range that was begun again exactly, though other bounds hold now", async () => {
  const world = await memoryWorld("recorded");
  await publishEvents(world.nats, events(0, 100), 1);
  const five = { messages: 5, bytes: 1024 * 1024 };
  await rejects(world.start({ max: five, crash: { place: "done", after: 2 } }).ended, /crash/);
  const two = { messages: 2, bytes: 1024 * 1024 };
  await world.deliverUntil(100, { max: two });
  const [, second, again] = world.store.writes;
  equal(second?.length, 5);
  deepEqual(again, second);
  await world.close();
});

Deno.test("deliver() keeps no more than two pulls in memory, however slow the destination is", async () => {
  const world = await memoryWorld("recorded");
  world.store.writeMs = 15;
  const line = writeEvent(event(1, { data: `{"text":"${"x".repeat(20_000)}"}` }));
  await publishLines(world.nats, Array.from({ length: 100 }, () => [line]));
  const max = { messages: 1000, bytes: 100_000 };
  let [held, most, pulls, doneLast] = [0, 0, 0, 0];
  const sizeOf = (messages: readonly { data: Uint8Array }[]) =>
    messages.reduce((sum, { data }) => sum + data.length, 0);
  const run = world.start({
    max,
    onPulled({ messages }) {
      pulls++;
      held += sizeOf(messages);
      most = Math.max(most, held);
    },
    onDone(pulled) {
      held -= sizeOf(pulled.messages);
      doneLast = rangeOf(pulled).last;
    },
  });
  await run.until(() => doneLast === 101);
  await run.stop();
  ok(most <= 2 * max.bytes, `${most} bytes`);
  ok(pulls > 20, `${pulls} pulls`);
  await world.close();
});

Deno.test("deliver() takes a message alone that is larger than a pull may be", async () => {
  const world = await memoryWorld("acknowledged");
  const large = event(1, { data: `{"text":"${"x".repeat(300_000)}"}` });
  await publishEvents(world.nats, [event(0), large, event(2)], 1);
  await world.deliverUntil(3, { max: { messages: 100, bytes: 100_000 } });
  equal(world.store.byId.get(large.id)?.data, large.data);
  await world.close();
});

Deno.test("deliver() keeps messages from other copies while a write takes longer than the deadline", async () => {
  const world = await memoryWorld("acknowledged"); // whose deadline is half a second
  world.store.writeMs = 1200;
  await publishEvents(world.nats, events(0, 3), 1);
  const [one, two] = [world.start(), world.start()];
  await one.until(() => world.hasStored(3));
  await Promise.all([one.stop(), two.stop()]);
  equal(world.store.writes.flat().length, 3, "no event was written by both");
  await world.close();
});

Deno.test("deliver() lets several workers of one consumer share the work", async () => {
  const world = await memoryWorld("acknowledged");
  world.store.writeMs = 5;
  await publishEvents(world.nats, events(0, 200), 1);
  const runs = [world.start(), world.start()];
  await runs[0]?.until(() => world.hasStored(200));
  await Promise.all(runs.map((run) => run.stop()));
  equal(world.store.writes.flat().length, 200);
  await world.close();
});

Deno.test("deliver() lets a second worker with a record stand by until the first has stopped", async () => {
  const world = await memoryWorld("recorded");
  const one = world.start();
  await publishEvents(world.nats, events(0, 20));
  await one.until(() => world.hasStored(20));
  const two = world.start();
  await one.stop();
  await publishEvents(world.nats, events(20, 40));
  await two.until(() => world.hasStored(40));
  await two.stop();
  const found = await readProgress(world.nats, "elasticsearch");
  equal(found?.record.done, true);
  equal(found?.record.stopped, true);
  await world.close();
});

Deno.test("deliver() with two workers of one record at once stores everything all the same", async () => {
  const world = await memoryWorld("recorded");
  world.store.writeMs = 20;
  await publishEvents(world.nats, events(0, 200), 1);
  const runs = [world.start(), world.start()];
  await runs[0]?.until(() => world.hasStored(200));
  await Promise.all(runs.map((run) => run.stop()));
  equal(world.store.byId.size, 200);
  await world.close();
});

for (const kind of ["recorded", "untracked"] as const) {
  Deno.test(`deliver() of kind ${kind} refuses a stream that was made anew`, async () => {
    const world = await memoryWorld(kind);
    await publishEvents(world.nats, events(0, 10));
    await world.deliverUntil(10);
    await world.nats.manager.streams.delete(STREAM.events);
    await migrateNats(world.nats, testLimits);
    await rejects(world.start().ended, {
      code: "BAD_INPUT",
      message: /not the stream that was read/,
    });
    await world.close();
  });
}

Deno.test("deliver() waits for a stream that is not there, which migrate makes", async () => {
  const world = await memoryWorld("acknowledged");
  await world.nats.manager.streams.delete(STREAM.events);
  const reasons: string[] = [];
  const run = world.start({ watch: { waiting: (_whom, reason) => void reasons.push(reason) } });
  await run.until(() => reasons.length >= 2);
  await migrateNats(world.nats, testLimits);
  await publishEvents(world.nats, events(0, 10));
  await run.until(() => world.hasStored(10));
  await run.stop();
  match(reasons[0] ?? "", /no stream FRAISEQL_EVENTS/);
  await world.close();
});

Deno.test("deliver() waits while there is no room to park, and loses nothing then", async () => {
  const world = await memoryWorld("recorded");
  const { manager } = world.nats;
  await manager.streams.update(STREAM.dead, { max_bytes: 1024 });
  await publishLines(world.nats, [["x".repeat(2000)], [writeEvent(event(1))]]);
  const whom: string[] = [];
  const run = world.start({ watch: { waiting: (name) => void whom.push(name) } });
  await run.until(() => whom.includes(STREAM.dead));
  equal((await readProgress(world.nats, "elasticsearch"))?.record.done, false);
  await migrateNats(world.nats, testLimits);
  await run.until(async () => (await world.dead()).length === 1);
  await run.stop();
  await world.close();
});

for (const kind of ["recorded", "untracked"] as const) {
  Deno.test(`deliver() of kind ${kind} tells of messages that left the stream unread`, async () => {
    const nats = await natsWithStreams();
    await publishEvents(nats, events(0, 10), 1);
    const { created } = await streamState(nats, STREAM.events);
    const gaps: unknown[] = [];
    const onGap = (gap: unknown) => void gaps.push(gap);
    const max = { messages: 3, bytes: 1024 * 1024 };
    const shared = { nats, stream: STREAM.events, worker: "bridge", max, onGap };
    const feed = kind === "untracked"
      ? untrackedFeed({ ...shared, heldLast: () => Promise.resolve({ created, sequence: 3 }) })
      : recordedFeed({ ...shared, standByMs: 10 });
    const { signal } = new AbortController();
    if (kind === "recorded") {
      await feed.open(signal);
      const pulled = await feed.pull(signal);
      await feed.begin(pulled);
      await feed.done(pulled);
    }
    await nats.manager.streams.purge(STREAM.events, { seq: 7 });
    await feed.open(signal);
    deepEqual(gaps, [{ first: 4, last: 6 }]);
    equal(rangeOf(await feed.pull(signal)).first, 7);
    await feed.close();
    await nats.close();
  });
}
