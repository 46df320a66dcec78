import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import {
  chunk,
  date,
  FakeEngine,
  infinity,
  int,
  list,
  many,
  root,
  silent,
  words,
} from "./fake_engine.ts";
import { rawPost, serve, Wire } from "./serve.ts";

/** 100 rows of about 1 KiB: a chunk of 100 KiB, more than what is held back. */
const wide = chunk(Array.from({ length: 100 }, (_, i) => [i, "x".repeat(1000)]));
const wideRows = [root("users", [int("id"), words("name")])];
const engineWith = (chunks: (signal: AbortSignal) => ReturnType<ReturnType<typeof list>>) =>
  new FakeEngine({ "{ users }": { roots: wideRows, chunks } });

Deno.test("serveHttp() streams a long answer in chunks and ends it as one JSON document", async () => {
  const engine = engineWith(many(50, wide));
  await using http = await serve(engine);
  const response = await http.post("{ users }");
  equal(response.headers.get("content-length"), null);
  equal((await response.json()).data.users.length, 5000);
  equal((await http.logged("request")).rows, 5000);
  equal(engine.diary.at(-1), "end");
});

Deno.test("serveHttp() gives a body of less than 64 KiB its length", async () => {
  await using http = await serve(engineWith(list(chunk([[1, "a"]]))));
  const response = await http.post("{ users }");
  equal(response.headers.get("content-length"), String((await response.text()).length));
});

Deno.test("serveHttp() sends the first rows while the last are not there yet", async () => {
  const engine = engineWith(silent(wide));
  await using http = await serve(engine);
  const response = await http.post("{ users }");
  const reader = response.body!.getReader();
  match(new TextDecoder().decode((await reader.read()).value), /^\{"data":\{"users":\[\{"id":0,/);
  await reader.cancel();
  await engine.rowsEnded;
});

for (const gzip of [false, true]) {
  const form = gzip ? "a gzip'ed" : "a plain";
  const headers = gzip ? { "accept-encoding": "gzip" } : { "accept-encoding": "identity" };

  Deno.test(`serveHttp() closes ${form} started answer as valid JSON with errors when the query fails`, async () => {
    const roots = [
      { kind: "value", name: "t", field: "__typename", value: "Query" } as const,
      ...wideRows,
      root("one", [int("id")], { kind: "row", statement: 1 }),
      { kind: "value", name: "u", field: "__typename", value: "Query" } as const,
    ];
    const lost = new AppError("UNAVAILABLE", "PostgreSQL went away", { hint: "ask again" });
    await using http = await serve(
      new FakeEngine({ "{ users }": { roots, chunks: list(wide, wide, lost) } }),
    );
    const response = await http.post("{ users }", {}, headers);
    equal(response.status, 200);
    const answer = await response.json();
    equal(Object.keys(answer), ["data", "errors"]);
    equal(answer.data.users.length, 200);
    equal([answer.data.t, answer.data.one, answer.data.u], ["Query", null, "Query"]);
    equal(answer.errors, [{
      message: "PostgreSQL went away",
      path: ["users", 200],
      extensions: { code: "UNAVAILABLE", hint: "ask again" },
    }]);
    const line = await http.logged("request");
    equal([line.status, line.code, line.late, line.rows], [200, "UNAVAILABLE", true, 200]);
    match(await http.metrics.text(), /requests_total\{transport="http",code="UNAVAILABLE"\} 1/);
  });

  Deno.test(`serveHttp() aborts the query when the client of ${form} answer leaves in its middle`, async () => {
    const engine = engineWith(silent(wide, wide));
    await using http = await serve(engine);
    const response = await http.post("{ users }", {}, headers);
    await response.body!.cancel();
    await engine.rowsEnded;
    equal(engine.diary.at(-1), "aborted");
    const line = await http.logged("request");
    equal([line.code, line.late], ["CANCELLED", true]);
  });

  Deno.test(`serveHttp() asks the engine for no more while the reader of ${form} answer takes nothing`, async () => {
    // Random, so that gzip cannot shrink it.
    const rows = Array.from({ length: 100 }, (_, i) => [i, randomText(1000)]);
    const engine = engineWith(many(2000, chunk(rows)));
    await using http = await serve(engine, { limits: { httpStallSecondsMax: 1 } });
    await using wire = await Wire.open(http.port);
    await wire.send(rawPost("{ users }", headers));
    // The stall watch ends it; until then only the sockets' own buffers were filled.
    await engine.rowsEnded;
    ok(engine.chunksAsked < 150, `${engine.chunksAsked} chunks of 100 KiB were asked for`);
    const line = await http.logged("request");
    equal([line.code, line.late], ["CANCELLED", true]);
  });
}

function randomText(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length));
  return bytes.reduce((text, byte) => text + String.fromCharCode(32 + byte % 90), "");
}

Deno.test("serveHttp() closes a started answer as valid JSON at a value that JSON cannot hold", async () => {
  const roots = [root("days", [words("pad"), date("d")])];
  const fine = chunk(Array.from({ length: 100 }, (_, i) => ["x".repeat(1000), i]));
  const bad = chunk([["a", 1], ["b", 2], ["c", infinity], ["d", 3]]);
  await using http = await serve(
    new FakeEngine({ "{ days }": { roots, chunks: list(fine, bad, fine) } }),
  );
  const response = await http.post("{ days }");
  equal(response.status, 200);
  const { data, errors } = await response.json();
  equal(data.days.length, 102);
  equal(errors.length, 1);
  equal(errors[0].extensions.code, "UNREPRESENTABLE");
  equal(errors[0].path, ["days", 102, "d"]);
});

Deno.test("serveHttp() hides the detail of a fault in a started answer and names the request's id", async () => {
  await using http = await serve(engineWith(list(wide, new TypeError("secret detail"))));
  const response = await http.post("{ users }", {}, { "x-request-id": "late-1" });
  const text = await response.text();
  ok(!text.includes("secret"));
  const { extensions, path } = JSON.parse(text).errors[0];
  equal([extensions.code, extensions.id, path], ["INTERNAL", "late-1", ["users", 100]]);
  match(causeOf(await http.logged("internal")), /secret detail/);
});

Deno.test("serveHttp() aborts the query of a client that leaves while it waits for the first row", async () => {
  const engine = engineWith(silent());
  await using http = await serve(engine);
  const wire = await Wire.open(http.port);
  await wire.send(rawPost("{ users }"));
  while (!engine.diary.includes("rows")) await new Promise((resolve) => setTimeout(resolve, 1));
  wire.close();
  await engine.rowsEnded;
  equal(engine.diary.at(-1), "aborted");
  equal((await http.logged("request")).status, 499);
});

Deno.test("serveHttp() lives on and logs CANCELLED where the client leaves half way through its body", async () => {
  const engine = new FakeEngine();
  await using http = await serve(engine);
  for (const size of [0, 1, 20]) {
    const wire = await Wire.open(http.port);
    const whole = rawPost("{ __typename }");
    const head = whole.indexOf("\r\n\r\n") + 4;
    await wire.send(whole.slice(0, head + size));
    wire.close();
  }
  const line = await http.logged("request");
  equal([line.status, line.code], [499, "CANCELLED"]);
  equal(engine.diary, []);
  equal((await http.post("{ __typename }")).status, 200);
});

Deno.test("serveHttp() cuts without a terminal chunk where a started answer cannot be closed", async () => {
  const engine = engineWith(silent(wide));
  await using http = await serve(engine, { limits: { httpStallSecondsMax: 1 } });
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ users }"));
  await wire.read(1000);
  const stopping = http.server.stop(0);
  const rest = await wire.readAll();
  await stopping;
  // At a stop there is time to close it as JSON; only a client that does not read is cut.
  match(rest, /"code":"UNAVAILABLE"[^]*\r\n0\r\n\r\n$/);

  const stalled = engineWith(many(2000, wide));
  await using other = await serve(stalled, { limits: { httpStallSecondsMax: 1 } });
  await using slow = await Wire.open(other.port);
  await slow.send(rawPost("{ users }"));
  await stalled.rowsEnded;
  ok(!(await slow.readAll()).endsWith("0\r\n\r\n"));
});

Deno.test("serveHttp() compresses when asked and it is worth it, and says what the answer depends on", async () => {
  await using http = await serve(
    new FakeEngine({
      "{ small }": { roots: wideRows, chunks: list(chunk([[1, "a"]])) },
      "{ medium }": {
        roots: wideRows,
        chunks: list(chunk(Array.from({ length: 20 }, (_, i) => [i, "x".repeat(1000)]))),
      },
      "{ large }": { roots: wideRows, chunks: many(20, wide) },
    }),
  );
  const rows: [query: string, encoding: string | undefined][] = [
    ["{ small }", undefined],
    ["{ medium }", "gzip"],
    ["{ large }", "gzip"],
  ];
  for (const [query, encoding] of rows) {
    await using wire = await Wire.open(http.port);
    await wire.send(rawPost(query, { "accept-encoding": "gzip", connection: "close" }));
    const head = (await wire.readAll()).split("\r\n\r\n")[0]!.toLowerCase();
    equal(/\r\ncontent-encoding: (\w+)/.exec(head)?.[1], encoding, query);
    match(head, /\r\nvary: accept, accept-encoding, origin/);
    const length = (await (await http.post(query)).text()).length;
    const plain = await http.post(query, {}, { "accept-encoding": "identity" });
    equal(plain.headers.get("content-encoding"), null);
    equal((await plain.text()).length, length);
  }
});

Deno.test("serveHttp() flushes what it compresses, so that the first rows do not wait for the last", async () => {
  const engine = engineWith(silent(wide));
  await using http = await serve(engine);
  const response = await http.post("{ users }", {}, { "accept-encoding": "gzip" });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes('{"id":99,')) text += (await reader.read()).value;
  await reader.cancel();
  await engine.rowsEnded;
});

Deno.test("serveHttp() refuses more answers at once than httpStreamsMax with 429, until one has ended", async () => {
  const engine = engineWith(silent(wide));
  await using http = await serve(engine, { limits: { httpStreamsMax: 2 } });
  const first = await http.post("{ users }");
  const second = await http.post("{ users }");
  for (const accept of ["application/json", "application/graphql-response+json"]) {
    const third = await http.post("{ __typename }", {}, { accept });
    equal((await third.json()).errors[0].extensions.code, "TOO_MANY_STREAMS");
    equal([third.status, third.headers.get("retry-after")], [429, "1"]);
  }
  match(await http.metrics.text(), /fraiseql_streams\{transport="http"\} 2/);
  await first.body!.cancel();
  await engine.rowsEnded;
  await http.logged("request");
  const fourth = await http.post("{ __typename }");
  equal(fourth.status, 200);
  await fourth.text();
  await second.body!.cancel();
});

function causeOf({ cause }: Record<string, unknown>): string {
  return cause instanceof Error ? String(cause.cause) : "no error";
}
