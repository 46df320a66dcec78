import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  batchMessagesMax,
  lastCheckpoint,
  type PageMessage,
  publishPage,
} from "../../../lib/events/atomic_publish.ts";
import { readOrdered } from "../../../lib/events/ordered_reader.ts";
import type { EventMessage } from "../../../lib/events/puller.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { limits } from "../../../lib/limits.ts";
import { natsWithStreams, testLimits, testNats } from "../../services/nats.ts";

await testNats();

const bytes = (text: string) => new TextEncoder().encode(text);
const message = (text = "{}"): PageMessage => ({
  subject: SUBJECT.event("Order"),
  data: bytes(text),
});

Deno.test("publishPage() puts a page into the stream, the checkpoint last", async () => {
  const nats = await natsWithStreams();
  const page = { messages: [message(), message()], checkpoint: bytes("at 7"), expected: 0 };
  deepEqual(await publishPage(nats, page), { kind: "published", sequence: 3 });
  const last = await lastCheckpoint(nats);
  equal(last?.sequence, 3);
  equal(new TextDecoder().decode(last?.data), "at 7");
  await nats.close();
});

Deno.test("publishPage() brings messages of every size, in order, with their headers", async () => {
  const nats = await natsWithStreams();
  const sizes = [0, 70_000, 65_536, 10, 65_535, 3_000_000, 1, 1_000_000];
  const messages = sizes.map((size, n): PageMessage => ({
    subject: SUBJECT.event(`T${n}`),
    data: Uint8Array.from({ length: size }, (_, i) => (i * 31 + n) & 255),
    headers: { traceparent: `of ${n}` },
  }));
  const page = { messages, checkpoint: bytes("1"), expected: 0 };
  // What else is sent meanwhile comes between.
  const asked = nats.manager.streams.info(STREAM.events);
  deepEqual(await publishPage(nats, page), { kind: "published", sequence: sizes.length + 1 });
  await asked;
  const reader = await readOrdered({ nats, stream: STREAM.events, from: 1 });
  const found: EventMessage[] = [];
  const max = { messages: 100, bytes: 8 << 20 };
  while (found.length <= sizes.length) {
    found.push(...await reader.pull(max, new AbortController().signal));
  }
  reader.close();
  for (const [n, { subject, data }] of messages.entries()) {
    equal(found[n]?.subject, subject);
    equal(found[n]?.header("traceparent"), `of ${n}`);
    equal(Buffer.compare(found[n]!.data, data), 0, `${sizes[n]} bytes`);
  }
  await nats.close();
});

Deno.test("publishPage() takes a checkpoint alone", async () => {
  const nats = await natsWithStreams();
  const page = { messages: [], checkpoint: bytes("1"), expected: 0 };
  deepEqual(await publishPage(nats, page), { kind: "published", sequence: 1 });
  await nats.close();
});

Deno.test("lastCheckpoint() is null in a stream where nothing was published", async () => {
  const nats = await natsWithStreams();
  equal(await lastCheckpoint(nats), null);
  await nats.close();
});

Deno.test("publishPage() is fenced off where another publisher has written since", async () => {
  const nats = await natsWithStreams();
  const page = { messages: [message()], checkpoint: bytes("1"), expected: 0 };
  await publishPage(nats, page);
  equal((await publishPage(nats, page)).kind, "fenced");
  equal((await streamState(nats, STREAM.events)).lastSequence, 2, "nothing of it is there");
  await nats.close();
});

Deno.test("publishPage() takes as many messages as a batch may have, and refuses one more", async () => {
  const nats = await natsWithStreams();
  const messages = Array.from({ length: batchMessagesMax - 1 }, () => message());
  const page = { messages, checkpoint: bytes("1"), expected: 0 };
  deepEqual(await publishPage(nats, page), { kind: "published", sequence: batchMessagesMax });
  await rejects(
    publishPage(nats, { ...page, messages: [...messages, message()] }),
    { code: "TOO_LARGE" },
  );
  await nats.close();
});

Deno.test("publishPage() refuses a message that the server would not take", async () => {
  const nats = await natsWithStreams();
  const large = { subject: SUBJECT.event("Order"), data: new Uint8Array(8 * 1024 * 1024) };
  await rejects(
    publishPage(nats, { messages: [large], checkpoint: bytes("1"), expected: 0 }),
    { code: "TOO_LARGE" },
  );
  await nats.close();
});

Deno.test("publishPage() tells of a full stream, which keeps what it has", async () => {
  const nats = await natsWithStreams(limits({ ...testLimits, eventStreamBytesMax: 1024 * 1024 }));
  const messages = Array.from({ length: 9 }, () => message("x".repeat(100_000)));
  const first = { messages, checkpoint: bytes("1"), expected: 0 };
  equal((await publishPage(nats, first)).kind, "published");
  equal((await publishPage(nats, { ...first, expected: 10 })).kind, "full");
  equal((await streamState(nats, STREAM.events)).messages, 10);
  await nats.close();
});

Deno.test("publishPage() tells of a stream that is gone, and of one made without batches", async () => {
  const nats = await natsWithStreams();
  const page = { messages: [message()], checkpoint: bytes("1"), expected: 0 };
  await nats.manager.streams.delete(STREAM.events);
  equal((await publishPage(nats, page)).kind, "gone");
  await nats.manager.streams.add({
    name: STREAM.events,
    subjects: [SUBJECT.allEvents, SUBJECT.checkpoint],
  });
  equal((await publishPage(nats, page)).kind, "gone");
  await nats.close();
});

Deno.test("publishPage() does not know what became of a page whose answer does not come", async () => {
  const nats = await natsWithStreams();
  const page = { messages: [message()], checkpoint: bytes("1"), expected: 0 };
  await nats.connection.close();
  equal((await publishPage(nats, page)).kind, "unknown");
});
