import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { STREAM, SUBJECT } from "../../../lib/events/names.ts";
import { streamState } from "../../../lib/events/stream_state.ts";
import { checkStream, migrateNats, STREAM_ROWS } from "../../../lib/events/streams.ts";
import { limits } from "../../../lib/limits.ts";
import { connectTo, natsWithStreams, testLimits, testNats } from "../../services/nats.ts";
import { events, publishEvents } from "./events.ts";

const server = await testNats();

Deno.test("migrateNats() makes every stream, and does nothing the second time", async () => {
  const nats = await connectTo(await server.createAccount());
  const made = await migrateNats(nats, testLimits);
  deepEqual(
    made.map(({ stream, done }) => [stream, done]),
    STREAM_ROWS.map(({ name }) => [
      name,
      "made",
    ]),
  );
  const again = await migrateNats(nats, testLimits);
  deepEqual(
    again.map(({ done, changes }) => [done, changes]),
    STREAM_ROWS.map(() => ["nothing", []]),
  );
  for (const { name } of STREAM_ROWS) await checkStream(nats, name);
  await nats.close();
});

Deno.test("migrateNats() makes streams that are files, bounded, without age, and lose nothing", async () => {
  const nats = await natsWithStreams();
  for (const { name, bytesMax, atomic } of STREAM_ROWS) {
    const { config } = await nats.manager.streams.info(name);
    equal(config.storage, "file", name);
    equal(config.max_bytes, bytesMax(testLimits), name);
    equal(config.max_age, 0, name);
    equal(config.discard, name === STREAM.progress ? "old" : "new", name);
    equal(config.allow_atomic ?? false, atomic ?? false, name);
  }
  await nats.close();
});

Deno.test("migrateNats() changes what can be changed, and keeps the messages", async () => {
  const nats = await connectTo(await server.createAccount());
  await nats.manager.streams.add({
    name: STREAM.events,
    subjects: [SUBJECT.allEvents],
    max_age: 3_600_000_000_000,
    max_msgs: 5,
  });
  nats.connection.publish(SUBJECT.event("Order"), "{}");
  await nats.connection.flush();
  await rejects(checkStream(nats, STREAM.events), {
    code: "BAD_INPUT",
    message: /does not take fraiseql\.checkpoint; .*drops messages by age; .*no atomic batches/,
    hint: /run fraiseql migrate/,
  });
  const [changed] = await migrateNats(nats, testLimits);
  equal(changed?.done, "changed");
  match(changed?.changes.join("\n") ?? "", /^max_age 3600000000000 -> 0$/m);
  await checkStream(nats, STREAM.events);
  equal((await streamState(nats, STREAM.events)).messages, 1);
  await publishEvents(nats, events(0, 10));
  await nats.close();
});

Deno.test("migrateNats() refuses streams of other kinds, and touches none then", async () => {
  const nats = await connectTo(await server.createAccount());
  await nats.manager.streams.add({
    name: STREAM.dead,
    subjects: [SUBJECT.allDead],
    storage: "memory",
  });
  await rejects(migrateNats(nats, testLimits), {
    code: "BAD_INPUT",
    message: /FRAISEQL_DEAD is kept in memory, not in files/,
    hint: /remove the stream/,
  });
  await rejects(checkStream(nats, STREAM.events), { code: "NOT_FOUND" });
  await nats.close();
});

Deno.test("migrateNats() refuses a stream of ours that cannot be purged", async () => {
  const nats = await connectTo(await server.createAccount());
  await nats.manager.streams.add({
    name: STREAM.ingest,
    subjects: [SUBJECT.ingest],
    deny_purge: true,
  });
  await rejects(migrateNats(nats, testLimits), {
    code: "BAD_INPUT",
    message: /FRAISEQL_INGEST cannot be purged/,
  });
  await nats.close();
});

Deno.test("migrateNats() refuses to make a stream smaller than what it holds", async () => {
  const nats = await natsWithStreams();
  const data = `{"text":"${"x".repeat(100_000)}"}`;
  await publishEvents(nats, events(0, 15).map((one) => ({ ...one, data })), 1);
  await rejects(migrateNats(nats, limits({ ...testLimits, eventStreamBytesMax: 1024 * 1024 })), {
    code: "BAD_INPUT",
    message: /FRAISEQL_EVENTS holds \d+ bytes and shall hold 1048576/,
  });
  equal((await streamState(nats, STREAM.events)).messages, 16);
  await nats.close();
});

Deno.test("migrateNats() says that another stream takes our subjects", async () => {
  const nats = await connectTo(await server.createAccount());
  await nats.manager.streams.add({ name: "OTHER", subjects: ["fraiseql.>"] });
  await rejects(migrateNats(nats, testLimits), {
    code: "BAD_INPUT",
    hint: /another stream takes subjects of fraiseql\.>/,
  });
  await nats.close();
});

Deno.test("migrateNats() names the limits where the server has no room for the streams", async () => {
  const nats = await connectTo(await server.createAccount());
  const large = limits({ eventStreamBytesMax: 2 * 1024 ** 4 });
  await rejects(migrateNats(nats, large), {
    code: "TOO_LARGE",
    hint: /raise max_file_store .* event_stream_bytes_max/,
  });
  await nats.close();
});
