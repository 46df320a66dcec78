import { deepStrictEqual as equal, match, ok, rejects } from "node:assert/strict";
import { chunk, FakeEngine, int, list, root, silent } from "./fake_engine.ts";
import { rawPost, serve, Wire } from "./serve.ts";

const users = [root("users", [int("id")])];

const routes: [path: string, type: string, text: RegExp][] = [
  ["/health", "application/json", /^\{"status":"alive"\}$/],
  ["/readiness", "application/json", /^\{"ready":true,"parts":\{"postgres":"ready"\}\}$/],
  ["/metrics", "text/plain", /fraiseql_requests_total/],
  ["/schema.graphql", "text/plain", /^type Query/],
  ["/", "application/json", /"\/graphql"/],
];

for (const [path, type, text] of routes) {
  Deno.test(`serveHttp() answers GET ${path}, HEAD without a body, OPTIONS, and nothing else`, async () => {
    await using http = await serve(new FakeEngine());
    const get = await fetch(http.url + path);
    const body = await get.text();
    match(body, text);
    equal(get.status, 200);
    equal(get.headers.get("content-type")?.split(";")[0], type);
    equal(get.headers.get("x-content-type-options"), "nosniff");
    const head = await fetch(http.url + path, { method: "HEAD" });
    equal([head.status, await head.text()], [200, ""]);
    equal(head.headers.get("content-length"), get.headers.get("content-length"));
    const options = await fetch(http.url + path, { method: "OPTIONS" });
    equal([options.status, options.headers.get("allow")], [204, "GET, HEAD, OPTIONS"]);
    const post = await fetch(http.url + path, { method: "POST", body: "x" });
    await post.text();
    equal([post.status, post.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  });
}

for (const path of ["/nothing", "/graphql/", "/graphql/stream", "//", "/..%2f", "/constructor"]) {
  Deno.test(`serveHttp() answers ${path} with 404 and a hint of what there is`, async () => {
    await using http = await serve(new FakeEngine());
    const response = await fetch(http.url + path);
    const { errors } = await response.json();
    equal([response.status, errors[0].extensions.code], [404, "NOT_FOUND"]);
    match(errors[0].extensions.hint, /\/graphql/);
  });
}

Deno.test("serveHttp() finds the path where a proxy names the whole address", async () => {
  await using http = await serve(new FakeEngine());
  await using wire = await Wire.open(http.port);
  await wire.send(
    "GET http://some.host:80/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
  );
  match(await wire.readAll(), /^HTTP\/1.1 200 OK/);
});

Deno.test("serveHttp() answers /readiness with 503 and the reason until every part is ready", async () => {
  const parts = { postgres: "cannot be reached" };
  await using http = await serve(new FakeEngine(), {
    readiness: () => Promise.resolve({ ready: false, parts }),
  });
  const response = await fetch(`${http.url}/readiness`);
  equal([response.status, await response.json()], [503, { ready: false, parts }]);
});

Deno.test("serveHttp() answers INTERNAL where readiness or metrics throw, and lives on", async () => {
  const broken = () => Promise.reject(new TypeError("secret detail"));
  await using http = await serve(new FakeEngine(), { readiness: broken, metricsText: broken });
  for (const path of ["/readiness", "/metrics"]) {
    const response = await fetch(http.url + path);
    const text = await response.text();
    equal([response.status, JSON.parse(text).errors[0].extensions.code], [500, "INTERNAL"]);
    ok(!text.includes("secret"));
  }
  const health = await fetch(`${http.url}/health`);
  equal([health.status, await health.text()], [200, '{"status":"alive"}']);
});

Deno.test("serveHttp() says BAD_INPUT with a hint where the address is taken", async () => {
  const engine = new FakeEngine();
  await using http = await serve(engine);
  await rejects(serve(engine, { address: { hostname: "127.0.0.1", port: http.port } }), {
    code: "BAD_INPUT",
    message: new RegExp(`^cannot listen on http://127.0.0.1:${http.port}: `),
  });
});

const origin = "https://app.example";
const preflight = {
  origin,
  "access-control-request-method": "POST",
  "access-control-request-headers": "content-type, x-request-id",
};

const cors: [origins: string[], allowed: string | null][] = [
  [[], null],
  [["https://other.example"], null],
  [["https://other.example", origin], origin],
  [["*"], "*"],
];
for (const [corsOrigins, allowed] of cors) {
  Deno.test(`serveHttp() with corsOrigins [${corsOrigins}] allows the page ${allowed}`, async () => {
    await using http = await serve(new FakeEngine(), { corsOrigins });
    const asked = await fetch(`${http.url}/graphql`, { method: "OPTIONS", headers: preflight });
    equal(asked.status, 204);
    equal(asked.headers.get("access-control-allow-origin"), allowed);
    equal(asked.headers.get("access-control-allow-methods"), allowed && "GET, HEAD, POST, OPTIONS");
    equal(
      asked.headers.get("access-control-allow-headers"),
      allowed && "content-type, x-request-id",
    );
    for (const query of ["{ __typename }", "{ nonsense"]) {
      const answer = await http.post(query, {}, { origin });
      await answer.text();
      equal(answer.headers.get("access-control-allow-origin"), allowed);
      match(answer.headers.get("vary") ?? "", /origin/);
    }
  });
}

Deno.test("serveHttp() cuts off 500 connections that send nothing or a byte now and then, and serves others meanwhile", async () => {
  await using http = await serve(new FakeEngine(), { limits: { httpRequestSecondsMax: 1 } });
  const half = rawPost("{ __typename }", { "content-length": "1000" });
  const slow = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const wire = await Wire.open(http.port);
    // In turn: silence, half a request line, half a head, a body without its end.
    await wire.send(["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n", half][i % 4]!);
    return wire;
  }));
  let open = true;
  const dripping = (async () => {
    while (open) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await Promise.allSettled(slow.slice(0, 100).map((wire, i) => i % 4 && wire.send("a")));
    }
  })();
  for (let i = 0; i < 20; i++) {
    equal(await (await http.post("{ __typename }")).json(), { data: { __typename: "Query" } });
  }
  const answers = await Promise.all(slow.map((wire) => wire.readAll()));
  open = false;
  await dripping;
  for (const wire of slow) wire.close();
  // Who sent something is told why.
  match(answers[3]!, /^HTTP\/1.1 408 [^]*"code":"TIMEOUT"/);
});

Deno.test("serveHttp() closes a connection that stays idle after its answer", async () => {
  await using http = await serve(new FakeEngine(), { limits: { httpIdleSecondsMax: 1 } });
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ __typename }"));
  match(await wire.readAll(), /"__typename":"Query"/);
});

Deno.test("serveHttp() takes httpConnectionsMax connections and closes one more at once", async () => {
  await using http = await serve(new FakeEngine(), { limits: { httpConnectionsMax: 3 } });
  const wires = [];
  for (let i = 0; i < 3; i++) {
    const wire = await Wire.open(http.port);
    await wire.send(rawPost("{ __typename }"));
    match(await wire.read(100), /^HTTP\/1.1 200/);
    wires.push(wire);
  }
  const beyond = await Wire.open(http.port);
  await beyond.send(rawPost("{ __typename }")).catch(() => {});
  equal(await beyond.readAll(), "");
  beyond.close();
  for (const wire of wires) wire.close();
});

Deno.test("serveHttp() refuses a URL and headers above httpHeaderBytesMax with 431", async () => {
  await using http = await serve(new FakeEngine(), { limits: { httpHeaderBytesMax: 8192 } });
  const answer = async (size: number) => {
    await using wire = await Wire.open(http.port);
    const head = `GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: ${
      "x".repeat(size)
    }`;
    await wire.send(head + "\r\n\r\n");
    return (await wire.readAll()).slice(0, 12);
  };
  equal(await answer(7000), "HTTP/1.1 200");
  equal(await answer(9000), "HTTP/1.1 431");
});

const garbage: [name: string, bytes: string][] = [
  ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a".repeat(50) + "\r\n\r\n"],
  [
    "two lengths",
    "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
  ],
  [
    "a length and chunks",
    "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nab",
  ],
  ["a negative length", "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"],
  [
    "a broken chunk size",
    "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
  ],
  ["a header without a colon", "GET /health HTTP/1.1\r\nhost x\r\n\r\n"],
  ["a space before the colon", "GET /health HTTP/1.1\r\nhost : x\r\n\r\n"],
  ["HTTP/9.9", "GET /health HTTP/9.9\r\nhost: x\r\n\r\n"],
];
for (const [name, bytes] of garbage) {
  Deno.test(`serveHttp() answers ${name} with 400 and closes`, async () => {
    await using http = await serve(new FakeEngine());
    await using wire = await Wire.open(http.port);
    await wire.send(bytes);
    const answer = await wire.readAll();
    match(answer, /^HTTP\/1.1 400 [^]*"code":"BAD_INPUT"/);
    equal((await http.post("{ __typename }")).status, 200);
  });
}

Deno.test("serveHttp() does not write a refusal into the middle of another answer", async () => {
  const pad = chunk(Array.from({ length: 20_000 }, (_, i) => [i]));
  const engine = new FakeEngine({ "{ users }": { roots: users, chunks: silent(pad) } });
  await using http = await serve(engine);
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ users }"));
  await wire.read(1000);
  await wire.send("nonsense\r\n\r\n");
  ok(!(await wire.readAll()).includes("HTTP/1.1 400"));
  await engine.rowsEnded;
});

Deno.test("stop() lets what is in flight end, refuses new work with 503, then closes", async () => {
  let go = () => {};
  const gate = new Promise<void>((resolve) => go = resolve);
  const engine = new FakeEngine({
    "{ users }": {
      roots: users,
      async *chunks() {
        await gate;
        yield chunk([[1]]);
      },
    },
  });
  const http = await serve(engine);
  await using kept = await Wire.open(http.port);
  await kept.send(rawPost("{ __typename }"));
  await kept.read(100);
  const running = http.post("{ users }");
  while (!engine.diary.includes("rows")) await new Promise((resolve) => setTimeout(resolve, 1));
  const stopped = http.server.stop(10);
  await kept.send(rawPost("{ __typename }"));
  const refused = await kept.readAll();
  match(refused, /HTTP\/1.1 503 [^]*"code":"UNAVAILABLE"/);
  match(refused, /connection: close/i);
  const readiness = await fetch(`${http.url}/readiness`);
  equal(readiness.status, 503);
  equal((await readiness.json()).parts.http, "stopping");
  equal((await fetch(`${http.url}/health`).then((r) => r.text())).length > 0, true);
  go();
  equal(await (await running).json(), { data: { users: [{ id: 1 }] } });
  await stopped;
  await rejects(fetch(`${http.url}/health`));
});

Deno.test("stop() ends what is in flight after the drain time, with UNAVAILABLE", async () => {
  const engine = new FakeEngine({ "{ users }": { roots: users, chunks: silent() } });
  const http = await serve(engine);
  const running = http.post("{ users }");
  while (!engine.diary.includes("rows")) await new Promise((resolve) => setTimeout(resolve, 1));
  await http.server.stop(0);
  const response = await running;
  equal([response.status, (await response.json()).errors[0].extensions.code], [503, "UNAVAILABLE"]);
  equal(engine.diary.at(-1), "aborted");
});

Deno.test("stop() closes silent and half-sent connections without waiting for them", async () => {
  const http = await serve(new FakeEngine());
  const silentWire = await Wire.open(http.port);
  const halfWire = await Wire.open(http.port);
  await halfWire.send(rawPost("{ __typename }").slice(0, 120));
  await (await http.post("{ __typename }")).text();
  await http.server.stop(0);
  equal(await silentWire.readAll(), "");
  await halfWire.readAll();
  silentWire.close();
  halfWire.close();
  await http.server.stop(0);
});

Deno.test("serveHttp() answers requests that come in one write one after the other", async () => {
  const engine = new FakeEngine({ "{ users }": { roots: users, chunks: list(chunk([[7]])) } });
  await using http = await serve(engine);
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("{ users }") + rawPost("{ __typename }", { connection: "close" }));
  match(await wire.readAll(), /"id":7[^]*"__typename":"Query"/);
});
