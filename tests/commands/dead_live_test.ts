import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { type Dead, park } from "../../lib/events/dead.ts";
import { STREAM } from "../../lib/events/names.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { streamState } from "../../lib/events/stream_state.ts";
import { connectTo, testLimits, testNats } from "../services/nats.ts";
import { run } from "./program.ts";

const server = await testNats();

function dead(n: number, some: Partial<Dead> = {}): Dead {
  return {
    worker: "clickhouse",
    reason: `reason ${n}`,
    data: new TextEncoder().encode(`{"n":${n}}`),
    contentType: "application/json",
    origin: { subject: "fraiseql.events.Order", sequence: n, index: 0 },
    entityType: "Order",
    eventId: `event-${n}`,
    refusals: 1,
    ...some,
  };
}

/** Four that are parked: three of ClickHouse, one of them a user, and one of Elasticsearch. */
async function parked() {
  const url = await server.createAccount();
  const nats = await connectTo(url);
  await migrateNats(nats, testLimits);
  await park(nats, dead(1));
  await park(nats, dead(2, { entityType: "User" }));
  await park(nats, dead(3, { worker: "elasticsearch" }));
  await park(nats, dead(4, { reason: "Too Large" }));
  const env = { FRAISEQL_NATS_URL: url };
  const list = async (...flags: string[]) => {
    const { stdout } = await run(["dead", "list", "--json", ...flags], env);
    return stdout.trim().split("\n").filter((line) => line).map((line) => JSON.parse(line).number);
  };
  return { nats, env, list };
}

Deno.test("dead list shows what is parked, a line each", async () => {
  const { nats, env } = await parked();
  const { code, stdout } = await run(["dead", "list"], env);
  equal(code, 0);
  const lines = stdout.trim().split("\n");
  equal(lines.length, 4);
  match(lines[0] ?? "", /^1 {2}\d{4}-.*Z {2}clickhouse {2}Order {2}event-1 {2}reason 1$/);
  await nats.close();
});

Deno.test("dead list chooses by worker, reason, entity and time, and stops at the limit", async () => {
  const { nats, list } = await parked();
  deepEqual(await list("--worker", "clickhouse"), [1, 2, 4]);
  deepEqual(await list("--reason", "too large"), [4]);
  deepEqual(await list("--entity", "User"), [2]);
  deepEqual(await list("--worker", "clickhouse", "--entity", "Order"), [1, 4]);
  deepEqual(await list("--since", "2020-01-01"), [1, 2, 3, 4]);
  deepEqual(await list("--until", "2020-01-01T00:00:00Z"), []);
  deepEqual(await list("--limit", "2"), [1, 2]);
  await nats.close();
});

Deno.test("dead show gives the reason, the place and the content", async () => {
  const { nats, env } = await parked();
  const { code, stdout } = await run(["dead", "show", "2"], env);
  equal(code, 0);
  match(stdout, /^worker +clickhouse$/m);
  match(stdout, /^reason +reason 2$/m);
  match(stdout, /^subject +fraiseql\.events\.Order$/m);
  match(stdout, /\n\n\{"n":2\}\n$/);
  const absent = await run(["dead", "show", "99"], env);
  equal(absent.code, 1);
  match(absent.stderr, /nothing is parked under the number 99/);
  await nats.close();
});

Deno.test("dead replay gives a message to its worker alone, and parks it no longer", async () => {
  const { nats, env, list } = await parked();
  const { code, stderr } = await run(["dead", "replay", "1", "3"], env);
  equal(code, 0);
  match(stderr, /^2 replayed$/m);
  deepEqual(await list(), [2, 4]);
  const { state } = await nats.manager.streams.info(STREAM.replay, { subjects_filter: ">" });
  deepEqual({ ...state.subjects }, {
    "fraiseql.replay.clickhouse": 1,
    "fraiseql.replay.elasticsearch": 1,
  });
  equal((await streamState(nats, STREAM.events)).messages, 0, "no other worker sees it");
  await nats.close();
});

Deno.test("dead replay touches nothing where one of the numbers is not there", async () => {
  const { nats, env, list } = await parked();
  equal((await run(["dead", "replay", "1", "99"], env)).code, 1);
  deepEqual(await list(), [1, 2, 3, 4]);
  await nats.close();
});

Deno.test("dead discard removes what the flags name", async () => {
  const { nats, env, list } = await parked();
  match((await run(["dead", "discard", "--worker", "clickhouse"], env)).stderr, /^3 discarded$/m);
  deepEqual(await list(), [3]);
  match((await run(["dead", "discard", "--all"], env)).stderr, /^1 discarded$/m);
  deepEqual(await list(), []);
  await nats.close();
});

const wrong: [name: string, args: string[], said: RegExp][] = [
  ["a worker that does not exist", ["list", "--worker", "nobody"], /known: publisher, bridge/],
  ["a number that is none", ["show", "x"], /the number must be a whole number/],
  ["replay without saying of what", ["replay"], /which parked messages are meant\?/],
  [
    "discard of numbers and filters at once",
    ["discard", "1", "--worker", "bridge"],
    /one of these/,
  ],
  ["a limit beyond the limit", ["list", "--limit", "10001"], /from 1 to 10000/],
];

for (const [name, args, said] of wrong) {
  Deno.test(`dead refuses ${name} with exit status 2`, async () => {
    const { code, stderr } = await run(["dead", ...args], {
      FRAISEQL_NATS_URL: "nats://127.0.0.1:1",
    });
    equal(code, 2);
    match(stderr, said);
  });
}

Deno.test("dead tells of NATS that is down, with exit status 1", async () => {
  const { code, stderr } = await run(["dead", "list"], { FRAISEQL_NATS_URL: "nats://127.0.0.1:1" });
  equal(code, 1);
  match(stderr, /NATS at 127\.0\.0\.1:1 does not answer/);
});
