/** What anyone can send: never INTERNAL, and the server lives. Seeds are fixed, so a failure repeats. */

import { notStrictEqual as notEqual, ok, strictEqual as equal } from "node:assert/strict";
import { METHOD_NAMES } from "../../flight/server.ts";
import { encodeMessage, FLIGHT_DESCRIPTOR } from "../../flight/protobuf.ts";
import { FakeEngine, root } from "./fake_engine.ts";
import { SocketClient } from "./socket_client.ts";
import { command, counted, type Served, served, ticketBytes, until } from "./serve.ts";

const OK = "{ people { id name } }";
const JSON_TICKET = `{"type":"GraphQLQuery","query":"${OK}","variables":{"n":[1,{"a":null}]}}`;
/** Every type of ticket with most of its keys. */
const JSON_TICKETS = [
  JSON_TICKET,
  `{"type":"GraphQLQuery","query":"${OK}","partitions":3,"compression":"lz4","field":"people"}`,
  `{"type":"GraphQLQuery","query":"${OK}","partition":{"snapshot":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","from":0,"to":null}}`,
  `{"type":"OptimizedView","view":"va_people","filter":{"id":{"eq":1}},"order_by":"id DESC"}`,
  `{"type":"BulkExport","table":"people","filter":null,"limit":5,"format":"csv"}`,
  `{"type":"BulkExport","table":"people","format":"json","compression":"zstd"}`,
  `{"type":"BatchedQueries","queries":["${OK}","${OK}"]}`,
];
const INTERNAL = 13;
const engine = () => new FakeEngine({ [OK]: [root("people")] });

/** Numbers that look random and are the same in each run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function randomBytes(next: () => number): Uint8Array {
  return Uint8Array.from({ length: Math.floor(next() * 64) }, () => Math.floor(next() * 256));
}

/** A good message with some bytes changed, cut off or doubled. */
function mutated(bytes: Uint8Array, next: () => number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  for (let i = 0; i < 3; i++) changed[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
  const cut = changed.subarray(0, Math.floor(next() * (bytes.length + 1)));
  return next() < 0.5 ? cut : Uint8Array.from([...changed, ...cut]);
}

/** Sends all, a hundred at a time; none may end as INTERNAL. */
async function send(
  { client, get, metrics }: Served,
  calls: Iterable<[method: string, request: Uint8Array]>,
): Promise<void> {
  let burst: Promise<void>[] = [];
  for (const [method, request] of calls) {
    burst.push(
      client.call(method, request).then(({ code }) => {
        notEqual(code, INTERNAL, `${method} ${request.toHex()}`);
      }),
    );
    if (burst.length < 100) continue;
    await Promise.all(burst);
    burst = [];
  }
  await Promise.all(burst);
  equal(await counted(metrics, "fraiseql_requests_total", { code: "INTERNAL" }), 0);
  equal((await get(OK)).code, 0);
}

Deno.test("DoGet answers 1,000 tickets of random bytes, none as INTERNAL", () =>
  served(engine(), async (server) => {
    const next = random(1);
    const calls = Array.from({ length: 1000 }, () => ["DoGet", ticketBytes(randomBytes(next))]);
    await send(server, calls as [string, Uint8Array][]);
  }));

Deno.test("DoGet and GetFlightInfo answer 1,000 tickets of broken JSON, none as INTERNAL", () =>
  served(engine(), async (server) => {
    const next = random(2);
    const calls = Array.from({ length: 1000 }, (_, i): [string, Uint8Array] => {
      const json = new TextEncoder().encode(JSON_TICKETS[i % JSON_TICKETS.length]);
      const ticket = mutated(json, next);
      return i % 3 === 0 ? ["GetFlightInfo", command(ticket)] : ["DoGet", ticketBytes(ticket)];
    });
    await send(server, calls);
  }));

Deno.test("Every method answers 1,000 requests of random bytes, none as INTERNAL", () =>
  served(engine(), async (server) => {
    const next = random(3);
    const method = () => METHOD_NAMES[Math.floor(next() * METHOD_NAMES.length)] ?? "DoGet";
    const calls = Array.from({ length: 1000 }, () => [method(), randomBytes(next)]);
    await send(server, calls as [string, Uint8Array][]);
  }));

Deno.test("Every method answers 1,000 broken protobuf messages, none as INTERNAL", () =>
  served(engine(), async (server) => {
    const next = random(4);
    const good = [
      command(JSON_TICKET),
      ticketBytes(JSON_TICKET),
      encodeMessage(FLIGHT_DESCRIPTOR, { type: 1, path: ["people"] }),
    ];
    const calls = Array.from({ length: 1000 }, () => {
      const method = METHOD_NAMES[Math.floor(next() * METHOD_NAMES.length)] ?? "DoGet";
      return [method, mutated(good[Math.floor(next() * 3)] ?? new Uint8Array(1), next)];
    });
    await send(server, calls as [string, Uint8Array][]);
  }));

Deno.test("Every method answers a good message cut at every byte, none as INTERNAL", () =>
  served(engine(), async (server) => {
    const whole = command(JSON_TICKET);
    const calls = Array.from(whole, (_, length) => ["GetFlightInfo", whole.subarray(0, length)]);
    await send(server, calls as [string, Uint8Array][]);
  }));

const frames: [name: string, send: (client: SocketClient) => Promise<void>][] = [
  ["a message shorter than it says", async (client) => {
    await client.message(ticketBytes(OK), 1000);
    await client.end();
  }],
  ["a message of 4 GiB, as it says", async (client) => {
    await client.message(ticketBytes(OK), 0xffff_ffff);
    await client.end();
  }],
  ["a message that says to be compressed and is not", async (client) => {
    await client.message(ticketBytes(OK), undefined, 1);
    await client.end();
  }],
  ["bytes that are not gRPC's", async (client) => {
    await client.message(new Uint8Array(), 3, 7);
    await client.end();
  }],
];

for (const encoding of ["gzip", "identity", "snappy"]) {
  for (const [name, sendFrames] of frames) {
    Deno.test(`DoGet ends ${name} (grpc-encoding ${encoding}) as a fault of the client`, () =>
      served(engine(), async ({ url, get, log }) => {
        const client = await SocketClient.connect(url);
        const headers = { "grpc-encoding": encoding };
        await client.headers("/arrow.flight.protocol.FlightService/DoGet", headers);
        await sendFrames(client);
        equal((await client.readAll()).ended, true);
        client.close();
        await until("the log has it", () => log.length === 1);
        ok(["BAD_INPUT", "TOO_LARGE", "UNSUPPORTED", "OK"].includes(String(log[0]?.code)));
        equal((await get(OK)).code, 0);
      }));
  }
}

Deno.test("serveFlight() lives when clients go away at every point of a call", () =>
  served(engine(), async ({ url, get, engine }) => {
    const steps: ((client: SocketClient) => Promise<unknown>)[] = [
      (client) => client.headers("/arrow.flight.protocol.FlightService/DoGet"),
      (client) => client.message(ticketBytes(OK)),
      (client) => client.end(),
      (client) => client.readAll(),
    ];
    for (let count = 0; count <= steps.length; count++) {
      // GOAWAY behind a whole answer can abort the process, see supervise_test.ts.
      for (const isPolite of count < steps.length ? [true, false] : [false]) {
        const client = await SocketClient.connect(url);
        for (const step of steps.slice(0, count)) await step(client);
        if (isPolite) await client.goAway();
        client.close();
      }
    }
    equal((await get(OK)).code, 0);
    await until("no query is left", () => engine.running === 0);
  }));
