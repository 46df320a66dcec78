import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { acknowledgedFeed } from "../../../lib/events/acknowledged_feed.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import type { Nats } from "../../../lib/events/connect.ts";
import { natsWithStreams, testNats } from "../../services/nats.ts";
import { events, publishEvents } from "./events.ts";

await testNats();

const { signal } = new AbortController();
const mebibyte = 1024 * 1024;

function feedOf(nats: Nats, some: { gatherMs?: number; messages?: number; deadlineMs?: number }) {
  const { messages = 100, ...rest } = some;
  return acknowledgedFeed({
    nats,
    stream: STREAM.events,
    worker: "elasticsearch",
    subject: SUBJECT.allEvents,
    max: { messages, bytes: mebibyte },
    ...rest,
  });
}

Deno.test("acknowledgedFeed() waits for further messages where it is told to, and not for more than fit", async () => {
  const nats = await natsWithStreams();
  const feed = feedOf(nats, { gatherMs: 3_600_000, messages: 4 });
  await feed.open(signal);
  const pulling = feed.pull(signal);
  for (let n = 0; n < 6; n++) await publishEvents(nats, events(n, n + 1));
  equal((await pulling).messages.length, 4);
  await feed.close();
  await nats.close();
});

Deno.test("acknowledgedFeed() gives what came while it waited, once the time is over", async () => {
  const nats = await natsWithStreams();
  const feed = feedOf(nats, { gatherMs: 1500 });
  await feed.open(signal);
  const pulling = feed.pull(signal);
  await publishEvents(nats, events(0, 1));
  await publishEvents(nats, events(1, 2));
  const { messages } = await pulling;
  ok(messages.length >= 1);
  const rest = messages.length < 2 ? (await feed.pull(signal)).messages : [];
  equal(messages.length + rest.length, 2);
  await feed.close();
  await nats.close();
});

Deno.test("acknowledgedFeed() gives back what it holds when it closes, long before the deadline", async () => {
  const nats = await natsWithStreams();
  await publishEvents(nats, events(0, 30));
  const deadlineMs = 3_600_000;
  const first = feedOf(nats, { messages: 2, deadlineMs });
  await first.open(signal);
  const { messages } = await first.pull(signal);
  await first.close();
  const second = feedOf(nats, { deadlineMs });
  await second.open(signal);
  const again = new Set<number>();
  while (again.size < 3) {
    for (const { sequence } of (await second.pull(signal)).messages) again.add(sequence);
  }
  deepEqual([...again].sort(), [1, 2, 3]);
  deepEqual(messages.map(({ sequence }) => sequence), [1, 2]);
  await second.close();
  await nats.close();
});
