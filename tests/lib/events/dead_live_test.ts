import { ok, rejects, strictEqual as equal } from "node:assert/strict";
import { dataBytesMax, publishOne } from "../../../lib/events/atomic_publish.ts";
import {
  type Dead,
  deadAt,
  discardDead,
  listDead,
  park,
  replayDead,
} from "../../../lib/events/dead.ts";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { natsWithStreams, testLimits, testNats } from "../../services/nats.ts";

await testNats();

function dead(some: Partial<Dead> = {}): Dead {
  return {
    worker: "bridge",
    reason: "a reason",
    data: new TextEncoder().encode("{}"),
    contentType: "application/json",
    origin: { subject: "fraiseql.events.Order", sequence: 7, index: 2 },
    entityType: "Order",
    eventId: "1",
    refusals: 1,
    ...some,
  };
}

Deno.test("park() keeps the same part of the same message once", async () => {
  const nats = await natsWithStreams();
  await park(nats, dead());
  await park(nats, dead());
  await park(nats, dead({ origin: { ...dead().origin, index: 3 } }));
  equal((await Array.fromAsync(listDead(nats, {}, 100))).length, 2);
  await nats.close();
});

Deno.test("park() puts a reason of any length and with line ends on one line", async () => {
  const nats = await natsWithStreams();
  await park(nats, dead({ reason: `first\r\nNats-Msg-Id: second\n${"ä".repeat(5000)}` }));
  const found = await deadAt(nats, 1);
  ok(found?.reason.startsWith("first Nats-Msg-Id: second äää"), found?.reason);
  equal(found?.reason.length, 500);
  await nats.close();
});

Deno.test("park() cuts a message that has no room for a reason, which is then not replayed", async () => {
  const nats = await natsWithStreams();
  const data = new Uint8Array(testLimits.natsMessageBytesMax - 10).fill(0x20);
  await park(nats, dead({ data, reason: "ä".repeat(5000) }));
  const found = await deadAt(nats, 1);
  equal(found?.cutFromBytes, data.length);
  equal(found?.data.length, dataBytesMax(nats));
  ok(found);
  await rejects(replayDead(nats, found), { code: "BAD_INPUT", message: /1 was cut from 8388598/ });
  await nats.close();
});

Deno.test("publishOne() refuses a message over which the server would close the connection", async () => {
  const nats = await natsWithStreams();
  const data = new Uint8Array(dataBytesMax(nats) + 1);
  await rejects(publishOne(nats, SUBJECT.batches, data), { code: "TOO_LARGE" });
  ok(await publishOne(nats, SUBJECT.batches, data.subarray(1)) > 0);
  await nats.close();
});

Deno.test("replayDead() done again after it ended in the middle gives the message once", async () => {
  const nats = await natsWithStreams();
  await park(nats, dead());
  const [parked] = await Array.fromAsync(listDead(nats, {}, 10));
  ok(parked);
  await replayDead(nats, parked);
  await replayDead(nats, parked); // as if the first had not come to the removal
  equal((await streamState(nats, STREAM.replay)).messages, 1);
  equal((await streamState(nats, STREAM.dead)).messages, 0);
  await nats.close();
});

Deno.test("discardDead() takes a number that is gone for done", async () => {
  const nats = await natsWithStreams();
  await discardDead(nats, 99);
  await nats.close();
});
