import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import {
  ACTION,
  ACTION_TYPE,
  CANCEL_FLIGHT_INFO_REQUEST,
  CANCEL_FLIGHT_INFO_RESULT,
  CRITERIA,
  decodeMessage,
  encodeMessage,
  FLIGHT_DESCRIPTOR,
  FLIGHT_INFO,
  HANDSHAKE,
  POLL_INFO,
  RESULT,
  SCHEMA_RESULT,
} from "../../flight/protobuf.ts";
import { serveFlight } from "../../flight/server.ts";
import { AppError, CODES, type ErrorCode } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import {
  endlessPeople,
  FakeEngine,
  people,
  peopleChunk,
  root,
  silentPeople,
  value,
} from "./fake_engine.ts";
import { type Answer, RawClient } from "./raw_client.ts";
import { SocketClient } from "./socket_client.ts";
import { command, counted, NO_EVENTS, type Served, served, ticketBytes, until } from "./serve.ts";

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const bytes = (some: string) => new TextEncoder().encode(some);

const SCRIPT = {
  "{ people { id name } }": [root("people")],
  "{ person { id name } }": [root("person", 0, "row")],
  "{ a { id } b { id } }": [root("a"), root("b", 1)],
  "{ __typename a { id } }": [value("__typename"), root("a")],
  "{ __typename }": [value("__typename")],
  "{ people @skip(if: true) { id } }": [],
};
const engine = () => new FakeEngine(SCRIPT);
const silent = () => new FakeEngine(SCRIPT, (_, signal) => silentPeople(signal));
const endless = () => new FakeEngine(SCRIPT, (_, signal) => endlessPeople(signal));
const first = (answer: Answer): Uint8Array => answer.messages[0] ?? new Uint8Array();

/** A client that has asked for the people, and reads nothing. */
async function asking(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<SocketClient> {
  const client = await SocketClient.connect(url);
  await client.headers("/arrow.flight.protocol.FlightService/DoGet", headers);
  await client.message(ticketBytes("{ people { id name } }"));
  await client.end();
  return client;
}

// deno-lint-ignore require-yield -- a run that fails before its first row
async function* failing(error: Error) {
  await Promise.resolve();
  throw error;
}

Deno.test("GetFlightInfo gives the query's own text as the ticket of its one root field", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call("GetFlightInfo", command("{ people { id name } }"));
    const info = decodeMessage(FLIGHT_INFO, first(answer));
    deepEqual(info.endpoint.map((row) => text(row.ticket?.ticket)), ["{ people { id name } }"]);
    equal(info.totalRecords, -1);
    equal(info.totalBytes, -1);
    equal(info.ordered, false);
    equal(text(info.flightDescriptor?.cmd), "{ people { id name } }");
    ok(info.schema.length > 0);
  }));

Deno.test("GetFlightInfo gives an endpoint for each of several root fields, and an empty schema", () =>
  served(engine(), async ({ client, get }) => {
    const answer = await client.call("GetFlightInfo", command("{ a { id } b { id } }"));
    const info = decodeMessage(FLIGHT_INFO, first(answer));
    deepEqual(info.endpoint.map((row) => JSON.parse(text(row.ticket?.ticket)).field), ["a", "b"]);
    equal(info.schema.length, 0);
    for (const { ticket } of info.endpoint) {
      const cmd = ticket?.ticket ?? new Uint8Array();
      equal((await get(cmd)).messages.length, 2);
      const schema = await client.call("GetSchema", command(cmd));
      ok(decodeMessage(SCHEMA_RESULT, first(schema)).schema.length > 0);
    }
  }));

Deno.test("GetFlightInfo leaves out root fields that give no rows", () =>
  served(engine(), async ({ client, get }) => {
    const answer = await client.call("GetFlightInfo", command("{ __typename a { id } }"));
    const info = decodeMessage(FLIGHT_INFO, first(answer));
    equal(info.endpoint.length, 1);
    equal((await get("{ __typename a { id } }")).code, 0);
  }));

Deno.test("GetFlightInfo takes a path of one plain word", () =>
  served(engine(), async ({ client }) => {
    const path = encodeMessage(FLIGHT_DESCRIPTOR, { type: 1, path: ["people"] });
    const info = decodeMessage(FLIGHT_INFO, first(await client.call("GetFlightInfo", path)));
    deepEqual(info.endpoint.map((row) => text(row.ticket?.ticket)), ["people"]);
  }));

Deno.test("GetSchema, GetFlightInfo and DoGet give the same schema", () =>
  served(engine(), async ({ client, get }) => {
    const asked = command("{ people { id name } }");
    const { schema } = decodeMessage(SCHEMA_RESULT, first(await client.call("GetSchema", asked)));
    const info = decodeMessage(FLIGHT_INFO, first(await client.call("GetFlightInfo", asked)));
    deepEqual(info.schema, schema);
    const header = { header: [2, "bytes"] } as const;
    const sent = decodeMessage(header, first(await get("{ people { id name } }"))).header;
    deepEqual(schema.subarray(8, 8 + sent.length), sent);
  }));

Deno.test("PollFlightInfo is complete at once", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call("PollFlightInfo", command("{ people { id name } }"));
    const poll = decodeMessage(POLL_INFO, first(answer));
    equal(poll.progress, 1);
    equal(poll.flightDescriptor, null);
    equal(poll.info?.endpoint.length, 1);
  }));

for (const [criteria, names] of [["", ["people"]], ["eop", ["people"]], ["x", []]] as const) {
  Deno.test(`ListFlights gives of the root lists those whose name holds "${criteria}"`, () =>
    served(engine(), async ({ client }) => {
      const request = encodeMessage(CRITERIA, { expression: bytes(criteria) });
      const { messages } = await client.call("ListFlights", request);
      const infos = messages.map((message) => decodeMessage(FLIGHT_INFO, message));
      deepEqual(infos.map((info) => info.flightDescriptor?.path[0]), names);
    }));
}

Deno.test("Handshake accepts whatever is presented and says it back", () =>
  served(engine(), async ({ client }) => {
    const request = encodeMessage(HANDSHAKE, { protocolVersion: 1, payload: bytes("token") });
    const answer = await client.call("Handshake", [request, request]);
    equal(answer.code, 0);
    equal(answer.messages.length, 2);
    equal(text(decodeMessage(HANDSHAKE, first(answer)).payload), "token");
  }));

Deno.test("ListActions names the actions", () =>
  served(engine(), async ({ client }) => {
    const { messages } = await client.call("ListActions", new Uint8Array());
    deepEqual(messages.map((message) => decodeMessage(ACTION_TYPE, message).type), [
      "HealthCheck",
      "RefreshSchema",
      "CancelFlightInfo",
    ]);
  }));

Deno.test("DoAction HealthCheck answers", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call("DoAction", encodeMessage(ACTION, { type: "HealthCheck" }));
    equal(text(decodeMessage(RESULT, first(answer)).body), '{"status":"ok"}');
  }));

Deno.test("DoAction RefreshSchema reads the catalog again", () =>
  served(engine(), async ({ client, engine }) => {
    await client.call("DoAction", encodeMessage(ACTION, { type: "RefreshSchema" }));
    equal(engine.refreshed, 1);
  }));

Deno.test("DoAction suggests the nearest action as UNIMPLEMENTED", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call("DoAction", encodeMessage(ACTION, { type: "HealthChek" }));
    equal(answer.code, 12);
    match(answer.message, /did you mean HealthCheck\?/);
  }));

Deno.test("DoAction CancelFlightInfo ends the streams of its tickets as CANCELLED", () =>
  served(endless(), async ({ client, engine, get }) => {
    const asked = command("{ people { id name } }");
    const info = decodeMessage(FLIGHT_INFO, first(await client.call("GetFlightInfo", asked)));
    const stream = get("{ people { id name } }");
    const other = get("{ person { id name } }", { deadlineMs: 60_000 });
    await until("both run", () => engine.running === 2);
    const body = encodeMessage(CANCEL_FLIGHT_INFO_REQUEST, { info });
    const cancel = () =>
      client.call("DoAction", encodeMessage(ACTION, { type: "CancelFlightInfo", body }));
    const status = (answer: Answer) =>
      decodeMessage(CANCEL_FLIGHT_INFO_RESULT, decodeMessage(RESULT, first(answer)).body).status;
    equal(status(await cancel()), 1);
    const ended = await stream;
    equal(ended.code, 1);
    match(ended.message, /CancelFlightInfo/);
    equal(engine.running, 1);
    await until("its place is free", async () => (status(await cancel())) === 3);
    void other;
  }));

Deno.test("DoAction CancelFlightInfo without a FlightInfo is INVALID_ARGUMENT", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call(
      "DoAction",
      encodeMessage(ACTION, { type: "CancelFlightInfo" }),
    );
    equal(answer.code, 3);
  }));

for (const method of ["DoPut", "DoExchange"]) {
  Deno.test(`${method} answers UNIMPLEMENTED with a hint, however much comes`, () =>
    served(engine(), async ({ client }) => {
      const answer = await client.call(method, [new Uint8Array(4_000_000), new Uint8Array(10)]);
      equal(answer.code, 12);
      match(answer.message, /hint/);
    }));
}

const refusedTickets: [name: string, ticket: string | Uint8Array, code: number, says: RegExp][] = [
  ["nothing", "", 3, /empty/],
  ["what is not UTF-8", Uint8Array.of(0xc3), 3, /UTF-8/],
  ["several root fields and none named", "{ a { id } b { id } }", 3, /root fields: a, b/],
  [
    "a root field that is not there",
    '{"type":"GraphQLQuery","query":"{ a { id } b { id } }","field":"c"}',
    3,
    /"c".*a, b/,
  ],
  ["values alone", "{ __typename }", 12, /HTTP/],
  ["no root field left", "{ people @skip(if: true) { id } }", 3, /selects no root field/],
  ["what the engine does not parse", "{ nope", 3, /Syntax Error/],
  ["a word that is no root field", "nobody", 5, /nobody/],
  ["a view that is not offered", '{"type":"OptimizedView","view":"x"}', 5, /no view x/],
  ["more than ticketBytesMax", "{" + " ".repeat(262_144), 8, /262145 bytes/],
  ["far more than ticketBytesMax", "{" + " ".repeat(3_000_000), 8, /larger than max/],
];

for (const [name, ticket, code, says] of refusedTickets) {
  Deno.test(`DoGet refuses a ticket with ${name} as gRPC status ${code}`, () =>
    served(engine(), async ({ get, engine }) => {
      const answer = await get(ticket);
      equal(answer.code, code);
      match(answer.message, says);
      equal(answer.messages.length, 0);
      equal(engine.diary.filter((line) => line.startsWith("run")).length, 0);
    }));
}

const people20 = () => new FakeEngine(SCRIPT, () => people(20_000));
const bodyBytes = (answer: Answer) => answer.messages.reduce((sum, each) => sum + each.length, 0);
const withKey = (compression: string | null) =>
  JSON.stringify({ type: "GraphQLQuery", query: "{ people { id name } }", compression });

const compressions: [name: string, ticket: string, header: string | undefined, smaller: boolean][] =
  [
    ["neither key nor header", "{ people { id name } }", undefined, false],
    ["an empty header", "{ people { id name } }", "", false],
    ["the header identity", "{ people { id name } }", "identity", false],
    ["the header lz4", "{ people { id name } }", "lz4", true],
    ["the header zstd on a word", "people", "zstd", true],
    ["the key null", withKey(null), undefined, false],
    ["the key lz4", withKey("lz4"), undefined, true],
    ["the key zstd", withKey("zstd"), undefined, true],
    ["the key zstd and the header identity", withKey("zstd"), "identity", false],
    ["the key null and the header zstd", withKey(null), "zstd", true],
  ];

for (const [name, ticket, header, smaller] of compressions) {
  Deno.test(`DoGet ${smaller ? "compresses" : "does not compress"} bodies by ${name}, and GetFlightInfo's tickets say the same`, () =>
    served(people20(), async ({ client, get }) => {
      const options = header === undefined ? {} : { headers: { "x-fraiseql-compression": header } };
      const plain = bodyBytes(await get("{ people { id name } }"));
      const expected = (answer: Answer) => bodyBytes(answer) < plain * 0.8;
      equal(expected(await get(ticket, options)), smaller);
      const answer = await client.call("GetFlightInfo", command(ticket), options);
      const [endpoint] = decodeMessage(FLIGHT_INFO, first(answer)).endpoint;
      equal(expected(await get(endpoint?.ticket?.ticket ?? "")), smaller);
    }));
}

Deno.test("DoGet, GetFlightInfo and PollFlightInfo refuse another compression as INVALID_ARGUMENT", () =>
  served(engine(), async ({ client, get }) => {
    const options = { headers: { "x-fraiseql-compression": "zst" } };
    const asked = command("{ people { id name } }");
    const answers = [
      await get("{ people { id name } }", options),
      await client.call("GetFlightInfo", asked, options),
      await client.call("PollFlightInfo", asked, options),
    ];
    for (const { code, message } of answers) {
      equal(code, 3);
      match(message, /"zst", did you mean zstd\?.*hint: it is one of identity, lz4, zstd/);
    }
  }));

Deno.test("GetFlightInfo refuses a descriptor that is neither a command nor a path", () =>
  served(engine(), async ({ client }) => {
    const descriptors = [{}, { type: 1 }, { type: 1, path: ["a", "b"] }, { type: 7 }];
    for (const descriptor of descriptors) {
      const request = encodeMessage(FLIGHT_DESCRIPTOR, descriptor);
      equal((await client.call("GetFlightInfo", request)).code, 3);
    }
  }));

for (const [name, requests] of [["none", []], ["two", ["a", "b"]]] as const) {
  Deno.test(`DoGet refuses ${name} in place of one request as INVALID_ARGUMENT`, () =>
    served(engine(), async ({ client }) => {
      const answer = await client.call("DoGet", requests.map((ticket) => ticketBytes(ticket)));
      equal(answer.code, 3);
    }));
}

for (const code of Object.keys(CODES) as ErrorCode[]) {
  if (code === "INTERNAL") continue;
  Deno.test(`DoGet ends as ${code} before any message when the query fails so`, () => {
    const error = new AppError(code, "an ü in the message %\n", {
      hint: "a hint",
      path: [5, "name"],
    });
    return served(new FakeEngine(SCRIPT, () => failing(error)), async ({ get }) => {
      const answer = await get("{ people { id name } }");
      equal(answer.code, CODES[code].grpc);
      equal(answer.message, "an ü in the message %\n (hint: a hint)");
      equal(answer.messages.length, 0);
      const [entry] = JSON.parse(String(answer.trailers.get("fraiseql-error")[0]));
      deepEqual(entry, { ...error.entries()[0], path: ["people", 5, "name"] });
    });
  });
}

Deno.test("DoGet tells of a single object's column without the index of its row, as HTTP does", () => {
  const error = new AppError("UNREPRESENTABLE", "x", { path: [0, "name"] });
  return served(new FakeEngine(SCRIPT, () => failing(error)), async ({ get }) => {
    const answer = await get("{ person { id name } }");
    const [entry] = JSON.parse(String(answer.trailers.get("fraiseql-error")[0]));
    deepEqual(entry.path, ["person", "name"]);
  });
});

Deno.test("DoGet and GetFlightInfo tell all that is wrong with a query, with its places, as HTTP does", () => {
  const locations = [{ line: 1, column: 3 }];
  const others = [new AppError("VALIDATION_ERROR", "second", { locations })];
  const error = new AppError("VALIDATION_ERROR", "first", { locations, others });
  return served(new FakeEngine({ "{ bad }": error }), async ({ get, client }) => {
    const answers = [await get("{ bad }"), await client.call("GetFlightInfo", command("{ bad }"))];
    for (const { code, trailers } of answers) {
      equal(code, 3);
      deepEqual(JSON.parse(String(trailers.get("fraiseql-error")[0])), error.entries());
    }
  });
});

const batch = (...queries: string[]) => JSON.stringify({ type: "BatchedQueries", queries });
const FLIGHT_DATA = {
  header: [2, "bytes"],
  metadata: [3, "bytes"],
  body: [1000, "bytes"],
} as const;

Deno.test("DoGet gives BatchedQueries as one stream, each batch with its query's index", () =>
  served(
    new FakeEngine({
      "{ a { id name } }": [root("a")],
      "{ none { id name } }": [root("none")],
      "{ b { id name } }": [value("__typename"), root("b")],
    }, ({ name }) => people(name === "none" ? 0 : name === "a" ? 1500 : 1)),
    async ({ get, engine, client }) => {
      const ticket = batch("{ a { id name } }", "{ none { id name } }", "{ b { id name } }");
      const { code, messages } = await get(ticket);
      equal(code, 0);
      const metadata = messages.map((message) =>
        text(decodeMessage(FLIGHT_DATA, message).metadata)
      );
      deepEqual(metadata, ["", "0", "0", "2"]);
      deepEqual(engine.diary.filter((line) => line.startsWith("run")), [
        "run a",
        "run none",
        "run b",
      ]);
      const info = decodeMessage(
        FLIGHT_INFO,
        first(await client.call("GetFlightInfo", command(ticket))),
      );
      deepEqual(info.endpoint.map((endpoint) => text(endpoint.ticket?.ticket)), [ticket]);
      ok(info.schema.length > 0);
    },
  ));

Deno.test("DoGet says in which of BatchedQueries rows failed", () => {
  async function* rows({ name }: { name: string }) {
    yield* people(1);
    if (name === "b") throw new AppError("UNREPRESENTABLE", "NaN", { path: [1, "name"] });
  }
  const script = { "{ a }": [root("a")], "{ b }": [root("b")] };
  return served(new FakeEngine(script, rows), async ({ get }) => {
    const { code, message, trailers } = await get(batch("{ a }", "{ b }"));
    equal([code, message].join(), "11,queries[1]: NaN");
    deepEqual(JSON.parse(String(trailers.get("fraiseql-error")[0]))[0].path, ["b", 1, "name"]);
  });
});

const partitioned = (query: string, partitions: number) =>
  command(JSON.stringify({ type: "GraphQLQuery", query, partitions, compression: "lz4" }));

Deno.test("GetFlightInfo gives partitions one ticket each, that DoGet reads in their one snapshot", () =>
  served(engine(), async ({ client, get, engine }) => {
    const answer = await client.call("GetFlightInfo", partitioned("{ people { id name } }", 3));
    const info = decodeMessage(FLIGHT_INFO, first(answer));
    equal(text(info.appMetadata), '{"partitions":3}');
    ok(info.schema.length > 0);
    ok(info.endpoint.every((each) => (each.expirationTime?.seconds ?? 0) * 1000 > Date.now()));
    for (const { ticket } of info.endpoint) {
      equal(JSON.parse(text(ticket?.ticket)).compression, "lz4");
      equal((await get(ticket?.ticket ?? "")).code, 0);
    }
    deepEqual(engine.diary.filter((line) => line.startsWith("run")), [
      "run people 0000-1 0-10",
      "run people 0000-1 10-20",
      "run people 0000-1 20-null",
    ]);
  }));

Deno.test("GetFlightInfo says of one partition too when its ticket expires", () =>
  served(engine(), async ({ client }) => {
    const answer = await client.call("GetFlightInfo", partitioned("{ people { id name } }", 1));
    const { endpoint } = decodeMessage(FLIGHT_INFO, first(answer));
    equal(endpoint.length, 1);
    ok((endpoint[0]?.expirationTime?.seconds ?? 0) > 0);
  }));

Deno.test("GetFlightInfo says why what has partitions is one endpoint", () =>
  served(engine(), async ({ client, get }) => {
    const answer = await client.call("GetFlightInfo", partitioned("{ person { id name } }", 3));
    const info = decodeMessage(FLIGHT_INFO, first(answer));
    equal(text(info.appMetadata), '{"partitions":1,"why":"person is a view"}');
    deepEqual(info.endpoint.map(({ expirationTime }) => expirationTime), [null]);
    equal((await get(info.endpoint[0]?.ticket?.ticket ?? "")).code, 0);
  }));

Deno.test("FlightServer.stop() gives up the snapshots that are held", () =>
  served(engine(), async ({ client, engine, stop }) => {
    await client.call("GetFlightInfo", partitioned("{ people { id name } }", 2));
    await client.call("GetFlightInfo", partitioned("{ people { id name } }", 2));
    ok(!engine.diary.some((line) => line.startsWith("release")));
    await stop(1);
    deepEqual(engine.diary.filter((line) => line.startsWith("release")), [
      "release 0000-1",
      "release 0000-2",
    ]);
  }));

const faults: [name: string, error: Error][] = [
  ["an unknown error", new TypeError("secret")],
  [
    "an AppError INTERNAL with its cause",
    new AppError("INTERNAL", "secret refusal", {
      hint: "secret",
      cause: new Error("secret cause"),
    }),
  ],
];

for (const [name, error] of faults) {
  Deno.test(`DoGet tells of ${name} only the request's id, and the log has the cause under it`, () =>
    served(new FakeEngine(SCRIPT, () => failing(error)), async ({ get, log }) => {
      const headers = { "x-request-id": "mine-1" };
      for (const options of [{ headers }, {}]) {
        const answer = await get("{ people { id name } }", options);
        equal(answer.code, 13);
        const [entry] = JSON.parse(String(answer.trailers.get("fraiseql-error")[0]));
        ok(!JSON.stringify([answer.message, entry]).includes("secret"));
        const { id } = entry.extensions;
        match(answer.message, new RegExp(id));
        const line = log.findLast((row) => row.event === "internal");
        equal(line?.requestId, id);
        match(JSON.stringify(line?.cause), error.cause ? /secret cause/ : /secret/);
        await until(
          "the call is logged under the same id",
          () => log.some((row) => row.event === "request" && row.requestId === id),
        );
      }
      equal(log.find((row) => row.event === "internal")?.requestId, "mine-1");
    }));
}

Deno.test("DoGet keeps long errors short enough for clients' limits on headers", () => {
  const others = Array.from({ length: 100 }, () => new AppError("BAD_INPUT", "ü".repeat(300)));
  const error = new AppError("BAD_INPUT", "\u{1F600}".repeat(100_000), { hint: "ü", others });
  return served(new FakeEngine({ "{ people }": error }), async ({ get }) => {
    const answer = await get("{ people }");
    equal(answer.code, 3);
    const trailer = String(answer.trailers.get("fraiseql-error")[0]);
    ok(encodeURI(answer.message).length + trailer.length < 7000);
    equal(JSON.parse(trailer)[0].extensions.code, "BAD_INPUT");
  });
});

Deno.test("DoGet writes half a surrogate pair in an error as a replacement", () => {
  const error = new AppError("BAD_INPUT", "half \ud800");
  return served(new FakeEngine({ "{ people }": error }), async ({ get }) => {
    equal((await get("{ people }")).message, "half \ufffd");
  });
});

Deno.test("DoGet ends half way as an error and not as a clean end", () => {
  async function* halfWay() {
    yield* people(20_000);
    throw new AppError("UNREPRESENTABLE", "column total, row 20001");
  }
  return served(new FakeEngine(SCRIPT, halfWay), async ({ get }) => {
    const answer = await get("{ people { id name } }");
    equal(answer.code, 11);
    ok(answer.messages.length >= 2);
  });
});

Deno.test("DoGet of a single object is one batch, or none when it is null", async () => {
  for (const [count, messages] of [[1, 2], [0, 1]] as const) {
    await served(new FakeEngine(SCRIPT, () => people(count)), async ({ get }) => {
      equal((await get("{ person { id name } }")).messages.length, messages);
    });
  }
});

Deno.test("DoGet cancels the query at the client's deadline, as DEADLINE_EXCEEDED", () =>
  served(silent(), async ({ get, engine, log }) => {
    equal((await get("{ people { id name } }", { deadlineMs: 200 })).code, 4);
    await until("the query ends", () => engine.running === 0);
    ok(engine.diary.includes("cancelled people"));
    // The client's own clock may have cancelled the call before the server's deadline.
    await until("the log has it", () => /TIMEOUT|CANCELLED/.test(String(log[0]?.code)));
  }));

Deno.test("DoGet ends at the deadline also where the client does not look at its clock", () =>
  served(silent(), async ({ url, engine, log }) => {
    const other = await asking(url, { "grpc-timeout": "100m" });
    equal((await other.readAll()).ended, true);
    other.close();
    await until("the log has it", () => log.some((line) => line.code === "TIMEOUT"));
    equal(engine.running, 0);
  }));

Deno.test("DoGet refuses a deadline that is none as INVALID_ARGUMENT", () =>
  served(silent(), async ({ url, log }) => {
    const other = await asking(url, { "grpc-timeout": "soon" });
    equal((await other.readAll()).ended, true);
    other.close();
    await until("the log has it", () => log[0]?.code === "BAD_INPUT");
  }));

Deno.test("DoGet cancels the query when the client cancels", () =>
  served(endless(), async ({ get, engine, log }) => {
    const answer = await get("{ people { id name } }", { onMessage: (_, cancel) => cancel() });
    equal(answer.code, 1);
    await until("the query ends", () => engine.running === 0);
    ok(engine.diary.includes("cancelled people"));
    await until("the log has it", () => log.some((line) => line.code === "CANCELLED"));
  }));

Deno.test("DoGet cancels a query that gives nothing when the client's connection is gone", () =>
  served(silent(), async ({ url, engine }) => {
    const other = await asking(url);
    await until("the query runs", () => engine.running === 1);
    other.close();
    await until("the query ends", () => engine.running === 0);
    ok(engine.diary.includes("cancelled people"));
  }));

Deno.test("DoGet cancels the query when a client that does not read is gone", () =>
  served(endless(), async ({ url, engine }) => {
    const other = await asking(url);
    await until("the query runs", () => engine.asked > 0);
    other.close();
    await until("the query ends", () => engine.running === 0);
  }));

Deno.test("DoGet holds the rows back while the client does not read, and gives all when it does", () =>
  served(new FakeEngine(SCRIPT, () => people(300_000)), async ({ url, engine }) => {
    const other = await asking(url);
    let asked = -1;
    await until("no more is asked for", async () => {
      const before = asked;
      asked = engine.asked;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return before > 0 && before === asked;
    });
    ok(asked < 150, `${asked} of 300 chunks were asked for without a reader`);
    equal(engine.running, 1);
    await other.allow(100_000_000);
    const { data, ended } = await other.readAll();
    equal(ended, true);
    ok(data > 6_000_000);
    other.close();
  }));

Deno.test("DoGet keeps the place of a stream whose rows have ended until the client has them", () =>
  served(new FakeEngine(SCRIPT, () => people(20_000)), async ({ url, engine, get }) => {
    const other = await asking(url);
    await until("the rows have ended", () => engine.diary.includes("end people"));
    equal((await get("{ people { id name } }")).code, 8);
    await other.allow(100_000_000);
    equal((await other.readAll()).ended, true);
    other.close();
    await until("its place is free", async () => (await get("{ people { id name } }")).code === 0);
  }, { flightStreamsMax: 1 }));

Deno.test("DoGet ends a stream after statementSecondsMax as TIMEOUT", () =>
  served(silent(), async ({ get, engine }) => {
    const answer = await get("{ people { id name } }");
    equal(answer.code, 4);
    match(answer.message, /longer than 1 s/);
    equal(engine.running, 0);
  }, { statementSecondsMax: 1 }));

Deno.test("DoGet refuses one stream more than flightStreamsMax until one has ended", () =>
  served(silent(), async ({ get, engine, metrics }) => {
    const streams = [1, 2].map(() => get("{ people { id name } }", { deadlineMs: 500 }));
    await until("both run", () => engine.running === 2);
    equal(await counted(metrics, "fraiseql_streams", { transport: "flight" }), 2);
    const refused = await get("{ people { id name } }");
    equal(refused.code, 8);
    const [entry] = JSON.parse(String(refused.trailers.get("fraiseql-error")[0]));
    equal(entry.extensions.code, "TOO_MANY_STREAMS");
    equal(entry.extensions.retryAfterSeconds, 1);
    await Promise.all(streams);
    await until("the places are free", async () => {
      return await counted(metrics, "fraiseql_streams", { transport: "flight" }) === 0;
    });
    const later = await get("{ people { id name } }", { deadlineMs: 50 });
    equal(later.code, 4);
  }, { flightStreamsMax: 2 }));

Deno.test("serveFlight() refuses headers longer than flightHeaderBytesMax", () =>
  served(engine(), async ({ get, log }) => {
    const headers = { "x-much": "x".repeat(2000) };
    equal((await get("{ people { id name } }", { headers })).code, 8);
    await until("the log has it", () => log[0]?.code === "TOO_LARGE");
  }, { flightHeaderBytesMax: 1024 }));

Deno.test("DoGet sees a cancel while the rows come faster than the client takes them", () => {
  const chunk = peopleChunk(0, 10_000);
  async function* flood(_: unknown, signal: AbortSignal) {
    for (let i = 0; i < 1_000_000 && !signal.aborted; i++) yield await Promise.resolve(chunk);
  }
  return served(new FakeEngine(SCRIPT, flood), async ({ url, engine }) => {
    const other = await asking(url);
    await other.allow(2_000_000_000);
    await until("it is flooded", () => engine.asked > 10);
    const before = engine.asked;
    other.close();
    await until("the query ends", () => engine.running === 0);
    ok(engine.asked - before < 1000);
  });
});

Deno.test("serveFlight() logs each call with its id, name and code, and no ticket", () =>
  served(engine(), async ({ get, log }) => {
    const ticket =
      '{"type":"GraphQLQuery","query":"{ people { id name } }","operationName":"Q","variables":{"s":"secret"}}';
    await get(ticket, { headers: { "x-request-id": "abc" } });
    await until("the line is there", () => log.length === 1);
    const [line] = log;
    equal(line?.requestId, "abc");
    equal(line?.operation, "Q");
    equal(line?.method, "DoGet");
    equal(line?.code, "OK");
    equal(line?.rows, 3);
    ok(!JSON.stringify(log).includes("secret"));
  }));

Deno.test("serveFlight() counts calls, rows and bytes", () =>
  served(engine(), async ({ get, metrics, log }) => {
    await get("{ people { id name } }");
    await get("{ nope");
    await until("both are logged", () => log.length === 2);
    const of = (name: string, code: string) =>
      counted(metrics, name, { transport: "flight", code });
    equal(await of("fraiseql_requests_total", "OK"), 1);
    equal(await of("fraiseql_requests_total", "PARSE_ERROR"), 1);
    equal(await counted(metrics, "fraiseql_rows_total", { transport: "flight" }), 3);
    ok(await counted(metrics, "fraiseql_bytes_total", { transport: "flight" }) > 100);
  }));

Deno.test("serveFlight() says which address it cannot have, and what to do", () =>
  served(engine(), async ({ url }) => {
    const port = Number(new URL(url).port);
    await rejects(() =>
      serveFlight({
        events: NO_EVENTS,
        engine: engine(),
        address: { hostname: "127.0.0.1", port },
        limits: limits(),
        log: createLog("error"),
        metrics: createMetrics(),
        unrepresentable: "error",
        refresh: () => Promise.resolve(),
      }), { name: "AppError", code: "BAD_INPUT", message: new RegExp(`${port}`), hint: /port/ });
  }));

Deno.test("FlightServer.stop() lets streams under way end, and refuses new ones", async () => {
  const gate = Promise.withResolvers<void>();
  async function* gated() {
    yield* people(10_000);
    await gate.promise;
    yield* people(10_000);
  }
  await served(new FakeEngine(SCRIPT, gated), async ({ get, engine, stop, url }: Served) => {
    const stream = get("{ people { id name } }");
    await until("the query runs", () => engine.running === 1);
    const stopped = stop(30);
    const late = new RawClient(url);
    equal((await late.call("DoGet", ticketBytes("people"))).code, 14);
    late.close();
    gate.resolve();
    equal((await stream).code, 0);
    await stopped;
  });
});

Deno.test("FlightServer.stop() cuts what does not end in time, and its query", () =>
  served(silent(), async ({ get, engine, stop }) => {
    const stream = get("{ people { id name } }");
    await until("the query runs", () => engine.running === 1);
    await stop(0.1);
    ok((await stream).code !== 0);
    await until("the query ends", () => engine.running === 0);
  }));

Deno.test("FlightServer.stop() cuts the connection of a client that takes nothing", () =>
  served(endless(), async ({ url, engine, stop }) => {
    const other = await asking(url);
    // A batch is more than the client's window takes unasked.
    await until("a batch is on its way", () => engine.asked > 10);
    await stop(0);
    equal((await other.readAll()).ended, false);
    other.close();
    await until("the query ends", () => engine.running === 0);
  }));
