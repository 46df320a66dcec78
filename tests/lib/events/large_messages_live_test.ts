import { ok, strictEqual as equal } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { publishOne } from "../../../lib/events/atomic_publish.ts";
import type { Nats } from "../../../lib/events/connect.ts";
import { release } from "../../../lib/events/large_messages.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { readOrdered } from "../../../lib/events/ordered_reader.ts";
import type { EventMessage } from "../../../lib/events/puller.ts";
import { natsWithStreams, testNats } from "../../services/nats.ts";

await testNats();

const KiB = 1024;

/** Each byte tells of its message and its place. */
function filled(size: number, n: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + n) & 255);
}

async function read(nats: Nats, count: number): Promise<EventMessage[]> {
  const reader = await readOrdered({ nats, stream: STREAM.batches, from: 1 });
  const found: EventMessage[] = [];
  while (found.length < count) {
    const max = { messages: 100, bytes: 8 << 20 };
    found.push(...await reader.pull(max, new AbortController().signal));
  }
  reader.close();
  return found;
}

Deno.test("large and small messages that are sent at once come whole and in order", async () => {
  const nats = await natsWithStreams();
  const sizes = [1, 64 * KiB, 300, 3_000_000, 0, 70_000, 64 * KiB - 1, 5_000_000, 12];
  const sent = sizes.map((size, n) => filled(size, n));
  await Promise.all(sent.map((data) => publishOne(nats, SUBJECT.batches, data)));
  const found = await read(nats, sizes.length);
  for (const [n, data] of sent.entries()) {
    equal(Buffer.compare(found[n]!.data, data), 0, `${sizes[n]} bytes`);
  }
  await nats.close();
});

Deno.test("a large message holds no more memory than its bytes and two reads of the socket", async () => {
  const nats = await natsWithStreams();
  await publishOne(nats, SUBJECT.batches, filled(5_000_000, 1));
  const [found] = await read(nats, 1);
  const { buffer, length } = found!.data;
  ok(buffer.byteLength <= length + 129 * KiB, `${buffer.byteLength} bytes for ${length}`);
  await nats.close();
});

Deno.test("release() gives back a large message, and takes no byte of the others", async () => {
  const nats = await natsWithStreams();
  const sizes = [100, 3_000_000, 200, 300, 2_000_000, 400];
  for (const [n, size] of sizes.entries()) {
    await publishOne(nats, SUBJECT.batches, filled(size, n));
  }
  const found = await read(nats, sizes.length);
  release(found[1]!.data);
  equal(found[1]!.data.length, 0);
  for (const n of [0, 2, 3, 4, 5]) {
    equal(Buffer.compare(found[n]!.data, filled(sizes[n]!, n)), 0, `message ${n}`);
  }
  await nats.close();
});
