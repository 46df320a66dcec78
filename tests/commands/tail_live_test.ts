import { match, strictEqual as equal } from "node:assert/strict";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import { storeBytesMax } from "../../lib/events/streams.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { writeEvent } from "../../lib/events/entity_event.ts";
import { createLog } from "../../lib/log.ts";
import { event, events, publishEvents, publishLines } from "../lib/events/events.ts";
import { connectTo, natsPrograms, testLimits, testNats } from "../services/nats.ts";
import { run, start } from "./program.ts";

const server = await testNats();

async function account() {
  const url = await server.createAccount();
  const nats = await connectTo(url);
  await migrateNats(nats, testLimits);
  return { nats, env: { FRAISEQL_NATS_URL: url } };
}

Deno.test("tail prints the events of the stream, a line each, and ends well", async () => {
  const { nats, env } = await account();
  await publishEvents(nats, events(0, 3), 2);
  const tail = start(["tail", "--from", "first"], env);
  for (const one of events(0, 3)) equal(await tail.line(), writeEvent(one));
  await publishEvents(nats, [event(3)]);
  equal(await tail.line(), writeEvent(event(3)));
  equal(await tail.end("SIGINT"), 0);
  await nats.close();
});

Deno.test("tail --entity prints the events of one type, from a sequence on", async () => {
  const { nats, env } = await account();
  const user = event(1, { entityType: "User" });
  await publishEvents(nats, [event(0)]); // 1, and the checkpoint 2
  await publishLines(nats, [[writeEvent(user)]], "User"); // 3 and 4
  await publishEvents(nats, [event(2)]);
  const tail = start(["tail", "--entity", "User", "--from", "1"], env);
  equal(await tail.line(), writeEvent(user));
  const behind = start(["tail", "--from", "5"], env);
  equal(await behind.line(), writeEvent(event(2)));
  equal(await tail.end("SIGTERM"), 0);
  equal(await behind.end(), 0);
  await nats.close();
});

Deno.test("tail waits for NATS that is down, and misses nothing meanwhile", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "fraiseql_tail_" });
  const options = {
    dataDir,
    programs: natsPrograms,
    log: createLog("error", () => {}),
    storeBytesMax: storeBytesMax(testLimits),
    messageBytesMax: testLimits.natsMessageBytesMax,
  };
  let kept = await keepNats(options);
  let nats = await connectTo(kept.url);
  await migrateNats(nats, testLimits);
  await nats.close();
  await kept.stop();

  // The URL stands in services.json.
  const tail = start(["tail", "--from", "first"], { FRAISEQL_DATA_DIR: dataDir });
  match(await tail.said(/waiting/), /waiting for NATS at 127\.0\.0\.1:\d+: .*does not answer/);
  kept = await keepNats(options);
  nats = await connectTo(kept.url);
  await publishEvents(nats, [event(0)]);
  equal(await tail.line(), writeEvent(event(0)));

  await nats.close();
  await kept.stop();
  match(await tail.said(/waiting/), /waiting for NATS/);
  kept = await keepNats(options);
  nats = await connectTo(kept.url);
  await publishEvents(nats, [event(1)]);
  equal(await tail.line(), writeEvent(event(1)));
  equal(await tail.end(), 0);
  await nats.close();
  await kept.stop();
  await Deno.remove(dataDir, { recursive: true });
});

const wrong: [name: string, args: string[], said: RegExp][] = [
  ["a type that is no name", ["--entity", "a.b"], /--entity is no type's name: "a\.b"/],
  ["a start that is no moment", ["--from", "later"], /--from .* is no moment: "later"/],
];

for (const [name, args, said] of wrong) {
  Deno.test(`tail refuses ${name} with exit status 2`, async () => {
    const { code, stderr } = await run(["tail", ...args], {
      FRAISEQL_NATS_URL: "nats://127.0.0.1",
    });
    equal(code, 2);
    match(stderr, said);
  });
}

Deno.test("tail without any NATS says how to name one", async () => {
  const dataDir = await Deno.makeTempDir();
  const { code, stderr } = await run(["tail"], { FRAISEQL_DATA_DIR: dataDir });
  equal(code, 1);
  match(stderr, /has no embedded NATS\nhint: set FRAISEQL_NATS_URL/);
  await Deno.remove(dataDir, { recursive: true });
});
