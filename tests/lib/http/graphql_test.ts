import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { AppError, CODES, type ErrorCode } from "../../../lib/errors.ts";
import { chunk, date, FakeEngine, infinity, int, list, root, words } from "./fake_engine.ts";
import { rawPost, serve, Wire } from "./serve.ts";

const graphql = "application/graphql-response+json";
const json = "application/json";
const users = [root("users", [int("id"), words("name")])];

Deno.test("serveHttp() answers a query with the rows of its roots, in selection order", async () => {
  await using http = await serve(
    new FakeEngine({
      "{ all }": {
        roots: [
          { kind: "value", name: "t", field: "__typename", value: "Query" },
          root("users", [int("id"), words("name")], { statement: 0 }),
          root("none", [int("id")], { statement: 1 }),
          root("one", [int("id")], { kind: "row", statement: 2 }),
          root("absent", [int("id")], { kind: "row", statement: 3 }),
          { kind: "value", name: "s", field: "__schema", value: { a: [1] } },
        ],
        chunks: list(chunk([[1, "Ann"], [2, null]]), chunk([[3, 'q"\n']]), chunk([[4]], 2)),
      },
    }),
  );
  const response = await http.post("{ all }");
  equal(
    await response.text(),
    '{"data":{"t":"Query","users":[{"id":1,"name":"Ann"},{"id":2,"name":null},' +
      '{"id":3,"name":"q\\"\\n"}],"none":[],"one":{"id":4},"absent":null,"s":{"a":[1]}}}',
  );
  equal(response.status, 200);
  equal(response.headers.get("content-type"), `${graphql}; charset=utf-8`);
});

Deno.test("serveHttp() asks the engine for no rows where all roots are values", async () => {
  const engine = new FakeEngine();
  await using http = await serve(engine);
  await (await http.post("{ __typename }")).text();
  equal(engine.diary, ["plan { __typename }"]);
});

for (const [code, { http: status }] of Object.entries(CODES) as [ErrorCode, { http: number }][]) {
  if (code === "INTERNAL") continue;
  const failing = () =>
    new FakeEngine({
      "{ bad }": new AppError(code, "no", { hint: "do else" }),
      "{ late }": {
        roots: users,
        chunks: list(chunk([[1, "a"]]), new AppError(code, "no", { hint: "do else" })),
      },
    });
  const body = { errors: [{ message: "no", extensions: { code, hint: "do else" } }] };

  Deno.test(`serveHttp() answers ${code} with ${status} as ${graphql}`, async () => {
    await using http = await serve(failing());
    const response = await http.post("{ bad }");
    equal(await response.json(), body);
    equal(response.status, status);
    equal(response.headers.has("retry-after"), status === 429 || status === 503);
  });

  // Of an unfit value that has no place of its own PostgreSQL tells no row.
  const path = code === "UNREPRESENTABLE" ? ["users"] : ["users", 1];

  Deno.test(`serveHttp() answers ${code} among the first rows with ${status}, its path and no data`, async () => {
    await using http = await serve(failing());
    const response = await http.post("{ late }");
    equal(await response.json(), { errors: [{ ...body.errors[0], path }] });
    equal(response.status, status);
  });

  Deno.test(`serveHttp() answers ${code} with 200 as ${json}`, async () => {
    await using http = await serve(failing());
    const response = await http.post("{ bad }", {}, { accept: json });
    equal(await response.json(), body);
    equal(response.status, 200);
  });
}

Deno.test("serveHttp() tells all errors that were found, with their places", async () => {
  const others = [new AppError("VALIDATION_ERROR", "two", { locations: [{ line: 2, column: 3 }] })];
  await using http = await serve(
    new FakeEngine({ "{ x }": new AppError("VALIDATION_ERROR", "one", { others }) }),
  );
  equal(await (await http.post("{ x }")).json(), {
    errors: [
      { message: "one", extensions: { code: "VALIDATION_ERROR" } },
      {
        message: "two",
        locations: [{ line: 2, column: 3 }],
        extensions: { code: "VALIDATION_ERROR" },
      },
    ],
  });
});

for (
  const [name, fault] of [
    ["any other error", new TypeError("secret detail")],
    ["an INTERNAL", new AppError("INTERNAL", "secret detail")],
  ] as const
) {
  Deno.test(`serveHttp() answers ${name} with INTERNAL and the request's id, the detail only in the log`, async () => {
    await using http = await serve(new FakeEngine({ "{ x }": fault }));
    const response = await http.post("{ x }", {}, { "x-request-id": "req-1" });
    const text = await response.text();
    equal(response.status, 500);
    equal(JSON.parse(text).errors[0].extensions.code, "INTERNAL");
    equal(JSON.parse(text).errors[0].extensions.id, "req-1");
    ok(!text.includes("secret"));
    const line = await http.logged("internal");
    equal(line.requestId, "req-1");
    match(String(line.cause), /secret detail/);
  });
}

const bad: [name: string, status: number, body: string, headers?: Record<string, string>][] = [
  ["no body", 400, ""],
  ["broken JSON", 400, '{"query":'],
  ["a JSON string", 400, '"{ __typename }"'],
  ["JSON null", 400, "null"],
  ["a batch", 400, '[{"query":"{ __typename }"}]'],
  ["no query", 400, '{"qeury":"{ __typename }"}'],
  ["a null query", 400, '{"query":null}'],
  ["variables that are text", 400, '{"query":"{ __typename }","variables":"{}"}'],
  ["variables that are a list", 400, '{"query":"{ __typename }","variables":[]}'],
  ["an operationName that is a number", 400, '{"query":"{ __typename }","operationName":7}'],
  ["extensions that are a list", 400, '{"query":"{ __typename }","extensions":[]}'],
  ["nesting without end", 400, '{"query":"{ __typename }","variables":' + '{"a":'.repeat(5000)],
  ["another content type", 415, "query={a}", {
    "content-type": "application/x-www-form-urlencoded",
  }],
  ["another charset", 415, "{}", { "content-type": "application/json; charset=latin1" }],
  ["a compressed body", 415, "{}", { "content-encoding": "gzip" }],
  ["an accept of nothing we have", 406, '{"query":"{ __typename }"}', { accept: "image/png" }],
];

for (const [name, status, body, headers] of bad) {
  for (const accept of [graphql, json]) {
    Deno.test(`serveHttp() answers ${name} with ${status} and a hint, as ${accept}`, async () => {
      await using http = await serve(new FakeEngine());
      const response = await fetch(`${http.url}/graphql`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", accept, ...headers },
      });
      const answer = await response.json();
      equal(response.status, status);
      equal(answer.errors[0].extensions.code, "BAD_INPUT");
      ok(answer.errors[0].extensions.hint);
      equal("data" in answer, false);
    });
  }
}

Deno.test("serveHttp() answers a body that is not UTF-8 with 400", async () => {
  await using http = await serve(new FakeEngine());
  const body = new TextEncoder().encode('{"query":"{ __typename }"}');
  body[12] = 0xff;
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${http.url}/graphql`, { method: "POST", body, headers });
  equal((await response.json()).errors[0].message, "the body is not UTF-8");
  equal(response.status, 400);
});

Deno.test("serveHttp() ignores keys of the body that the specification does not name", async () => {
  await using http = await serve(new FakeEngine());
  const response = await http.post("{ __typename }", { id: 1, doc: { x: [] } });
  equal(await response.json(), { data: { __typename: "Query" } });
});

Deno.test("serveHttp() gives the engine text, variables and operationName as they came", async () => {
  const engine = new FakeEngine();
  await using http = await serve(engine);
  const variables = { n: 10, s: "ä", deep: { list: [null, 1.5] } };
  await (await http.post("{ __typename }", { variables, operationName: "Q" })).text();
  const search = new URLSearchParams({
    query: "{ __typename }",
    variables: JSON.stringify(variables),
    operationName: "Q",
  });
  await (await fetch(`${http.url}/graphql?${search}`)).text();
  const want = { text: "{ __typename }", variables, operationName: "Q" };
  equal(engine.requests, [want, want]);
});

const badUrls: [name: string, search: string][] = [
  ["no query", ""],
  ["two queries", "query={__typename}&query={__typename}"],
  ["variables twice", "query={__typename}&variables={}&variables={}"],
  ["operationName twice", "query={__typename}&operationName=&operationName=a"],
  ["extensions twice", "query={__typename}&extensions={}&extensions={}"],
  ["broken variables", "query={__typename}&variables={"],
  ["variables that are a list", "query={__typename}&variables=[]"],
  ["extensions that are a number", "query={__typename}&extensions=3"],
];
for (const [name, search] of badUrls) {
  Deno.test(`serveHttp() answers GET with ${name} with 400`, async () => {
    await using http = await serve(new FakeEngine());
    const response = await fetch(`${http.url}/graphql?${search}`);
    const [{ extensions }] = (await response.json()).errors;
    equal(extensions.code, "BAD_INPUT");
    equal(typeof extensions.hint, "string");
    equal(response.status, 400);
  });
}

Deno.test("serveHttp() refuses a mutation by GET with 405, whatever is accepted", async () => {
  await using http = await serve(new FakeEngine());
  for (const accept of [json, graphql]) {
    const response = await fetch(`${http.url}/graphql?query=mutation{a}`, { headers: { accept } });
    await response.text();
    equal(response.status, 405);
    equal(response.headers.get("allow"), "POST");
  }
});

for (const method of ["PUT", "DELETE", "PATCH"]) {
  Deno.test(`serveHttp() refuses ${method} with 405 and the methods that work`, async () => {
    await using http = await serve(new FakeEngine());
    const response = await fetch(`${http.url}/graphql`, { method });
    equal((await response.json()).errors[0].extensions.code, "BAD_INPUT");
    equal(response.status, 405);
    equal(response.headers.get("allow"), "GET, HEAD, POST, OPTIONS");
  });
}

Deno.test("serveHttp() answers HEAD with the head of the plan's answer and reads no row", async () => {
  const engine = new FakeEngine({ "{ users }": { roots: users, chunks: list(chunk([[1, "a"]])) } });
  await using http = await serve(engine);
  const good = await fetch(`${http.url}/graphql?query={ users }`, { method: "HEAD" });
  equal([good.status, await good.text()], [200, ""]);
  const bad = await fetch(`${http.url}/graphql?query={`, {
    method: "HEAD",
    headers: { accept: graphql },
  });
  equal([bad.status, await bad.text()], [400, ""]);
  equal(engine.diary.includes("rows"), false);
});

Deno.test("serveHttp() answers a body above bodyBytesMax with 413, by its length and while reading", async () => {
  await using http = await serve(new FakeEngine(), { limits: { bodyBytesMax: 2000 } });
  const fits = JSON.stringify({ query: "{ __typename }", x: "" });
  const exact = fits.replace('"x":""', `"x":"${"x".repeat(2000 - fits.length)}"`);
  const headers = { "content-type": "application/json", accept: graphql };
  const send = async (body: BodyInit) => {
    const response = await fetch(`${http.url}/graphql`, { method: "POST", headers, body });
    return [response.status, (await response.json()).errors?.[0].extensions.code];
  };
  const stream = (text: string) => new Blob([text]).stream();
  equal(await send(exact), [200, undefined]);
  equal(await send(stream(exact)), [200, undefined]);
  equal(await send(exact + " "), [413, "TOO_LARGE"]);
  equal(await send(stream(exact + " ")), [413, "TOO_LARGE"]);
});

Deno.test("serveHttp() takes a body nested as deep as queryNestingMax, and refuses one level more", async () => {
  await using http = await serve(new FakeEngine(), { limits: { queryNestingMax: 10 } });
  const nested = (levels: number) => {
    // The body and its variables are the first two levels.
    let deep: unknown = "][{}";
    for (let i = 2; i < levels; i++) deep = i % 2 ? [deep] : { deep };
    return http.post("{ __typename }", { variables: { deep } });
  };
  equal((await (await nested(10)).json()).data, { __typename: "Query" });
  const beyond = await nested(11);
  equal([beyond.status, (await beyond.json()).errors[0].extensions.code], [400, "BAD_INPUT"]);
});

Deno.test("serveHttp() keeps the connection after a 413 whose body came to its end", async () => {
  await using http = await serve(new FakeEngine(), { limits: { bodyBytesMax: 2000 } });
  await using wire = await Wire.open(http.port);
  await wire.send(rawPost("x".repeat(5000)) + rawPost("{ __typename }", { connection: "close" }));
  const answers = await wire.readAll();
  match(answers, /^HTTP\/1.1 413 [^]*HTTP\/1.1 200 OK[^]*"__typename":"Query"/);
});

Deno.test("serveHttp() ends a connection that goes on sending far beyond a 413", async () => {
  await using http = await serve(new FakeEngine(), { limits: { bodyBytesMax: 2000 } });
  await using wire = await Wire.open(http.port);
  const flood = async () => {
    await wire.send("POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n");
    await wire.send("content-length: 1000000000\r\n\r\n");
    for (let i = 0; i < 1000; i++) await wire.send("x".repeat(100_000));
    return "took all";
  };
  match(await flood().catch((error) => error.name), /ConnectionReset|BrokenPipe|ConnectionAborted/);
});

Deno.test("serveHttp() echoes x-request-id, and makes one where none or nonsense is given", async () => {
  await using http = await serve(new FakeEngine());
  const idFor = async (headers: HeadersInit) => {
    const response = await http.post("{ __typename }", {}, headers);
    await response.text();
    return response.headers.get("x-request-id") ?? "";
  };
  equal(await idFor({ "x-request-id": "abc-1.2/3" }), "abc-1.2/3");
  match(await idFor({}), /^[0-9a-f-]{36}$/);
  match(await idFor({ "x-request-id": 'a"b c' }), /^[0-9a-f-]{36}$/);
  match(await idFor({ "x-request-id": "x".repeat(129) }), /^[0-9a-f-]{36}$/);
});

Deno.test("serveHttp() logs a line per request, with neither the query's text nor its variables", async () => {
  await using http = await serve(
    new FakeEngine({
      "query Q { users }": { roots: users, operationName: "Q", chunks: list(chunk([[1, "Ann"]])) },
    }),
  );
  const response = await http.post("query Q { users }", { variables: { p: "s3cret" } });
  const id = response.headers.get("x-request-id");
  const size = (await response.text()).length;
  const { ms, ...line } = await http.logged("request");
  equal(line, {
    level: "info",
    event: "request",
    transport: "http",
    requestId: id,
    method: "POST",
    operation: "Q",
    code: "OK",
    status: 200,
    rows: 1,
    bytes: size,
  });
  equal(typeof ms, "number");
  const text = await http.metrics.text();
  match(text, /fraiseql_requests_total\{transport="http",code="OK"\} 1/);
  match(text, /fraiseql_rows_total\{transport="http"\} 1/);
  match(text, new RegExp(`fraiseql_bytes_total\\{transport="http"\\} ${size}`));
});

Deno.test("serveHttp() answers UNREPRESENTABLE in the first rows with 422 and its place", async () => {
  await using http = await serve(
    new FakeEngine({
      "{ days }": { roots: [root("days", [date("d")])], chunks: list(chunk([[1], [infinity]])) },
    }),
  );
  const response = await http.post("{ days }");
  const { errors } = await response.json();
  equal(response.status, 422);
  equal(errors[0].extensions.code, "UNREPRESENTABLE");
  equal(errors[0].path, ["days", 1, "d"]);
});
