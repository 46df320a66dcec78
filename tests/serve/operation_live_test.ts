import {
  deepStrictEqual as equal,
  match,
  notStrictEqual as notEqual,
  ok,
} from "node:assert/strict";
import { buildSchema } from "graphql";
import { type EmbeddedPostgres, startPostgres } from "../../lib/embedded/postgres.ts";
import { createLog } from "../../lib/log.ts";
import { testPostgres, withClient } from "../services/postgres.ts";
import { flightCall, flightGet } from "./flight_calls.ts";
import {
  command,
  commandLine,
  descendants,
  flightPid,
  folder,
  freePorts,
  post,
  run,
  serve,
  until,
} from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "warn" };

/** A port that was free a moment ago. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** A PostgreSQL of the test's own, to be stopped and started again at the same URL. */
async function ownPostgres() {
  const dir = await folder();
  const log = createLog("error");
  let server: EmbeddedPostgres = await startPostgres({ dataDir: dir.path, log, durable: false });
  const { url } = server;
  const port = Number(new URL(url).port);
  return {
    url,
    stop: () => server.stop(),
    start: async () => {
      server = await startPostgres({ dataDir: dir.path, log, durable: false, port });
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      await dir[Symbol.asyncDispose]();
    },
  };
}

async function isReady(http: string): Promise<boolean> {
  const { status, body } = await fetch(`${http}/readiness`);
  await body?.cancel();
  return status === 200;
}

const topologies: [topology: string, http: boolean, flight: boolean, told: string][] = [
  ["http", true, false, "http"],
  ["dual", true, true, "dual"],
  ["arrow", false, true, "arrow"],
  ["full", true, true, "full"],
];

for (const [topology, http, flight, told] of topologies) {
  Deno.test(`serve in topology ${topology} starts what it names and nothing else`, async () => {
    await using served = await serve({
      DATABASE_URL: await postgres.shop(),
      FRAISEQL_TOPOLOGY: topology,
      ...quiet,
    });
    const { readyLine } = served;
    equal([readyLine.http !== null, readyLine.flight !== null, readyLine.topology], [
      http,
      flight,
      told,
    ]);
    const processes = descendants(served.pid).map(commandLine);
    equal(processes.filter((line) => line.endsWith("main.ts flight")).length, flight ? 1 : 0);
    equal(processes.filter((line) => /postgres/.test(line)), []);
    if (http) {
      equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
      // Events are looked for beside what is served already.
      await until(() => isReady(served.http), (is) => is);
      const { parts } = await (await fetch(`${served.http}/readiness`)).json();
      equal("flight" in parts, flight);
      equal(/^off: run fraiseql migrate/.test(parts.events ?? ""), topology === "full");
    }
    if (flight) equal((await flightGet(served.flight, "{ users(limit: 1) { id } }")).rows, 1);
    const shown = 'fl.Ticket(b"{ users { id name email } }")';
    equal(served.stderr().includes(shown), flight, served.stderr());
    equal(await served.stop(), 0);
  });
}

Deno.test("serve tells clearly that a port is in use, of HTTP and of Flight", async () => {
  const DATABASE_URL = await postgres.shop();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
  try {
    for (const name of ["FRAISEQL_BIND_ADDR", "FRAISEQL_FLIGHT_BIND_ADDR"]) {
      const env = { DATABASE_URL, ...freePorts, [name]: taken, ...quiet };
      const { code, stdout, stderr } = await command(["serve"], env);
      equal([name, code, stdout], [name, 2, ""]);
      ok(stderr.includes(taken) && stderr.includes(name), `${name}: ${stderr}`);
      equal([stderr.split("in use").length, stderr.split("fraiseql: ").length], [2, 2], stderr);
      equal(/ at file:|unexpected/.test(stderr), false, stderr);
    }
  } finally {
    listener.close();
  }
});

Deno.test("serve lists every fault of its configuration at once and exits 2", async () => {
  await using dir = await folder();
  await Deno.writeTextFile(`${dir.path}/fraiseql.toml`, 'log_levl = "info"\n[limits]\nx_max = 1\n');
  const secret = "s3cret-of-mine";
  const { code, stdout, stderr } = await command(["serve", "--unrepresentable", "maybe"], {
    DATABASE_URL: `mysql://user:${secret}@localhost/db`,
    FRAISEQL_TOPOLOGY: "ring",
    FRAISEQL_BIND_ADDR: "nowhere",
    FRAISEQL_LIMITS_BODY_BYTES_MAX: "-1",
    FRAISEQL_NATS_URL: `nats://a:${secret}@localhost:port`,
    FRAISEQL_JWT_SECRET: secret,
    FRAISEQL_UNKNOWN: "1",
  }, dir.path);
  equal([code, stdout], [2, ""]);
  const wanted = ["log_levl", "log_level", "x_max", "unrepresentable", "DATABASE_URL"];
  wanted.push("FRAISEQL_TOPOLOGY", "FRAISEQL_BIND_ADDR", "FRAISEQL_LIMITS_BODY_BYTES_MAX");
  wanted.push("FRAISEQL_NATS_URL", "FRAISEQL_JWT_SECRET", "FRAISEQL_UNKNOWN");
  equal(wanted.filter((name) => !stderr.includes(name)), [], stderr);
  equal(stderr.includes(secret), false);
});

const commands = [[], ["serve"], ["flight"], ["schema"], ["schema", "print"], ["sample"]];
commands.push(["schema", "check"], ["observe"], ["verify"], ["replay"], ["status"]);
commands.push(["sample", "shop"], ["url"], ["limits"], ["tail"], ["dead"]);
commands.push(["dead", "list"], ["dead", "show"], ["dead", "replay"], ["dead", "discard"]);

for (const words of commands) {
  Deno.test(`${["fraiseql", ...words].join(" ")} --help explains itself on standard output`, async () => {
    const { code, stdout, stderr } = await command([...words, "--help"], { FRAISEQL_BAD: "1" });
    equal([code, stderr], [0, ""]);
    match(stdout, new RegExp(`^Usage: ${["fraiseql", ...words].join(" ")}\\b`));
  });
}

const misused: [words: string[], told: RegExp][] = [
  [["srve"], /serve/],
  [["serve", "--bind-adr", "x"], /--bind-addr/],
  [["sample", "shop", "--orders", "many"], /--orders/],
  [["sample", "shop", "--orders", "-5"], /orders/],
  [["observe", "--start-over", "then"], /first or now/],
  [["verify", "--since", "then"], /--since is no moment/],
  [["replay", "--sink", "x"], /--sink is "x"\nhint: known: clickhouse/],
  [["replay", "--sink", "clickhouse"], /needs --from and --to/],
  [
    ["replay", "--sink", "clickhouse", "--from", "2026-01-02", "--to", "2026-01-02"],
    /is not before --to/,
  ],
  [["url"], /service/],
  [
    ["url", "nats.nobody"],
    /"nats.nobody"\nhint: known: postgres, nats, clickhouse, search, nats.publisher/,
  ],
  [["url", "x"], /known: postgres/],
];

for (const [words, told] of misused) {
  Deno.test(`fraiseql ${words.join(" ")} is wrong usage: exit status 2`, async () => {
    const { code, stdout, stderr } = await command(words, { DATABASE_URL: await postgres.shop() });
    equal([code, stdout], [2, ""], stderr);
    match(stderr, told);
  });
}

Deno.test("schema print prints a file that builds, and /schema.graphql the whole schema", async () => {
  const DATABASE_URL = await postgres.shop();
  const { code, stdout } = await command(["schema", "print"], { DATABASE_URL });
  equal(code, 0);
  match(stdout, /^type OrderItem @source\(relation: "order_items", schema: "public"\) \{$/m);
  await using served = await serve({ DATABASE_URL, FRAISEQL_TOPOLOGY: "http", ...quiet });
  const sdl = await (await fetch(`${served.http}/schema.graphql`)).text();
  ok(buildSchema(sdl).getQueryType()?.getFields().orders);
});

/** A view of which each row takes a while. */
async function slowDatabase(): Promise<string> {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table first (id int primary key);
     create view slow as select g as id, repeat('x', 9000) as text, pg_sleep(0.01)::text as nothing
       from generate_series(1, 300) g;`,
    url,
  );
  return url;
}

Deno.test("serve finishes on SIGTERM what is in flight on both transports, refuses new work, and exits 0", async () => {
  const served = await serve({ DATABASE_URL: await slowDatabase(), ...quiet });
  const query = "{ slows { id text } }";
  const response = await fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`);
  const flight = flightGet(served.flight, query);
  await until(
    async () => await (await fetch(`${served.http}/metrics`)).text(),
    (text) => /fraiseql_streams\{transport="flight"\} 1/.test(text),
  );
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader?.read())?.value ?? "";
  const stopped = served.stop();
  const asked = await until(
    () => post(served.http, "{ __typename }").then(({ status }) => status, () => 0),
    (status) => status !== 200,
  );
  ok([0, 503].includes(asked));
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    text += part.value;
  }
  equal(JSON.parse(text).data.slows.length, 300);
  equal([(await flight).rows, (await flight).message], [300, undefined]);
  equal(await stopped, 0);
});

Deno.test("serve ends on SIGINT too, and by force on a second signal", async () => {
  const DATABASE_URL = await slowDatabase();
  const served = await serve({ DATABASE_URL, ...quiet });
  served.signal("SIGINT");
  equal((await served.ended).code, 0);

  const hurried = await serve({ DATABASE_URL, ...quiet });
  const processes = descendants(hurried.pid);
  const text = "{ slows { id text } more: slows { id text } again: slows { id text } }";
  const answer = fetch(`${hurried.http}/graphql?query=${encodeURIComponent(text)}`);
  const body = await (await answer).body?.getReader();
  await body?.read();
  hurried.signal("SIGTERM");
  await until(
    () => post(hurried.http, "{ __typename }").then(({ status }) => status, () => 0),
    (status) => status !== 200,
  );
  hurried.signal("SIGTERM");
  equal((await hurried.ended).code, 1);
  await body?.cancel().catch(() => {}); // it was cut
  await until(
    () => processes.filter((pid) => commandLine(pid) !== ""),
    (left) => left.length === 0,
  );
});

const fields = async (http: string) => {
  const { body } = await post(http, `{ __type(name: "Query") { fields { name } } }`);
  return body.data.__type.fields.map(({ name }: { name: string }) => name);
};

const refreshes: [name: string, refresh: (served: Awaited<ReturnType<typeof serve>>) => unknown][] =
  [
    ["SIGHUP", (served) => served.signal("SIGHUP")],
    [
      "the action RefreshSchema",
      async (served) =>
        equal(
          (await flightCall(served.flight, { call: "action", type: "RefreshSchema" })).results,
          [
            '{"status":"ok"}',
          ],
        ),
    ],
  ];

for (const [name, refresh] of refreshes) {
  Deno.test(`serve shows a later table on both transports after ${name}, and drops no running query`, async () => {
    const url = await slowDatabase();
    await using served = await serve({ DATABASE_URL: url, ...quiet });
    const query = "{ slows { id text } }";
    const running = [
      fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`).then((r) => r.json()),
      flightGet(served.flight, query),
    ] as const;
    await until(
      async () => await (await fetch(`${served.http}/metrics`)).text(),
      (text) => (text.match(/fraiseql_streams\{transport="(http|flight)"\} 1/g) ?? []).length === 2,
    );
    await postgres.query(
      "create table later (id int primary key, name text); insert into later values (1, 'x')",
      url,
    );
    equal((await fields(served.http)).includes("laters"), false);
    await refresh(served);
    await until(() => fields(served.http), (names) => names.includes("laters"));
    equal((await post(served.http, "{ laters { id name } }")).body.data, {
      laters: [{ id: 1, name: "x" }],
    });
    await until(
      () => flightGet(served.flight, "{ laters { id name } }"),
      ({ rows }) => rows === 1,
    );
    equal((await running[0]).data.slows.length, 300);
    equal([(await running[1]).rows, (await running[1]).message], [300, undefined]);
  });
}

Deno.test("serve waits for a database that is down: alive, not ready, with the reason; then it is ready", async () => {
  await using server = await ownPostgres();
  await server.stop();
  const port = freePort();
  const secret = new URL(server.url).password;
  const program = run(["serve"], {
    DATABASE_URL: server.url,
    ...freePorts,
    FRAISEQL_BIND_ADDR: `127.0.0.1:${port}`,
  });
  try {
    await program.said(/waiting for /);
    const http = `http://127.0.0.1:${port}`;
    equal((await fetch(`${http}/health`).then((r) => r.json())).status, "alive");
    const readiness = await fetch(`${http}/readiness`);
    equal(readiness.status, 503);
    notEqual((await readiness.json()).parts.postgres, "ok");
    const early = await post(http, "{ __typename }");
    equal([early.status, early.body.errors?.[0]?.extensions.code], [503, "UNAVAILABLE"]);
    ok(early.body.errors?.[0]?.extensions.hint);
    program.signal("SIGHUP"); // there is no schema yet to be read again
    await server.start();
    const { flight } = await program.ready();
    equal((await fetch(`${http}/readiness`)).status, 200);
    equal(
      (await flightCall(flight ?? "", { call: "action", type: "HealthCheck" })).code,
      undefined,
    );
    equal(program.stderr().includes(secret), false);
  } finally {
    equal(await program.stop(), 0);
  }
});

Deno.test("serve that waits for its database ends at once on SIGTERM", async () => {
  await using dir = await folder();
  const program = run(["serve"], {
    DATABASE_URL: `postgres://127.0.0.1:${freePort()}/none`,
    ...freePorts,
  }, dir.path);
  await program.said(/waiting for /);
  equal(await program.stop(), 0);
});

const secretUrls: [url: (port: number) => string, code: number][] = [
  [(port) => `postgres://u@127.0.0.1:${port}/db?password=s3cret`, 0],
  [(port) => `postgres://u:s3cret@127.0.0.1:${port}/db`, 0],
  [() => "postgres://u:12/s3cret@127.0.0.1/db", 2],
  [() => "postgres://u:12?s3cret@127.0.0.1/db", 2],
];

for (const [url, code] of secretUrls) {
  Deno.test(`serve shows no password of ${url(1)}, whether it waits or refuses`, async () => {
    const program = run(["serve"], { DATABASE_URL: url(freePort()), ...freePorts });
    await program.said(/waiting for database db at 127\.0\.0\.1:\d+: .*\nhint: |percent-encoded/);
    // One that refuses is ending by itself.
    equal(code === 0 ? await program.stop() : (await program.ended).code, code);
    equal(program.stderr().includes("s3cret"), false, program.stderr());
  });
}

for (
  const args of [["serve", "--database-url=postgres://u:s3cret@h/d", "--nope=s3cret"], [
    "postgres://u:s3cret@h/d",
  ]]
) {
  Deno.test(`fraiseql ${args.join(" ")} is refused without the password`, async () => {
    const { code, stderr } = await command(args);
    equal([code, stderr.includes("s3cret")], [2, false], stderr);
  });
}

Deno.test("flight that waits for its database ends at once on SIGTERM", async () => {
  const DATABASE_URL = `postgres://127.0.0.1:${freePort()}/none`;
  const program = run(["flight"], { DATABASE_URL, ...freePorts });
  await program.said(/waiting for /);
  equal(await program.stop(), 0);
});

Deno.test("serve that is stopped while its catalog is locked ends at once", async () => {
  const DATABASE_URL = await postgres.createShop();
  await withClient(DATABASE_URL, async (sql) => {
    await sql.unsafe("begin; lock table pg_catalog.pg_enum in access exclusive mode");
    const program = run(["serve"], { DATABASE_URL, ...freePorts, FRAISEQL_LOG_LEVEL: "debug" });
    try {
      const waits = "select from pg_locks where not granted and relation = 'pg_enum'::regclass";
      await until(() => sql.unsafe(waits), (rows) => rows.length > 0);
    } finally {
      equal(await program.stop(), 0);
      await sql.unsafe("rollback");
    }
  });
});

Deno.test("serve refuses at once a password or database that is wrong, without the password", async () => {
  await using server = await ownPostgres();
  const wrong = new URL(server.url);
  wrong.password = "wrong-s3cret";
  const first = await command(["serve"], { DATABASE_URL: wrong.href, ...freePorts, ...quiet });
  equal(first.code === 0, false);
  match(first.stderr, /password/);
  equal(first.stderr.includes("s3cret"), false);
  const other = new URL(server.url);
  other.pathname = "/not_there";
  const second = await command(["serve"], { DATABASE_URL: other.href, ...freePorts, ...quiet });
  equal(second.code === 0, false);
  match(second.stderr, /not_there/);
  equal(second.stderr.includes(other.password), false);
  equal(/ at file:|unexpected/.test(first.stderr + second.stderr), false);
});

Deno.test("serve survives a restart of PostgreSQL: UNAVAILABLE on both transports meanwhile, then answers", async () => {
  await using server = await ownPostgres();
  await postgres.query("create table t (id int primary key); insert into t values (1)", server.url);
  await using served = await serve({ DATABASE_URL: server.url, ...quiet });
  const query = "{ ts { id } }";
  equal((await post(served.http, query)).body.data, { ts: [{ id: 1 }] });
  await server.stop();
  const { status, body } = await post(served.http, query);
  equal([status, body.errors?.[0]?.extensions.code], [503, "UNAVAILABLE"]);
  ok(body.errors?.[0]?.extensions.hint);
  const { code, message = "" } = await flightGet(served.flight, query);
  equal(code, "UNAVAILABLE");
  match(message, /hint/);
  equal((await fetch(`${served.http}/readiness`)).status, 503);
  equal((await fetch(`${served.http}/health`)).status, 200);
  await server.start();
  await until(() => post(served.http, query), ({ status }) => status === 200);
  await until(() => flightGet(served.flight, query), ({ rows }) => rows === 1);
  equal((await fetch(`${served.http}/readiness`)).status, 200);
});

Deno.test("serve has a new Flight process when the old one is killed, and HTTP does not notice", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const first = flightPid(served);
  Deno.kill(first, "SIGKILL");
  equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
  await until(
    () => flightGet(served.flight, "{ users(limit: 1) { id } }"),
    ({ rows }) => rows === 1,
  );
  notEqual(flightPid(served), first);
  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  match(metrics, /^fraiseql_flight_restarts_total 1$/m);
});

Deno.test("serve that is killed or stopped while Flight waits for PostgreSQL leaves no process behind", async () => {
  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    await using server = await ownPostgres();
    const served = await serve({ DATABASE_URL: server.url, ...quiet });
    await server.stop();
    Deno.kill(flightPid(served), "SIGKILL");
    await served.said(/starting it again/);
    await until(
      () => descendants(served.pid).map(commandLine),
      (lines) => lines.some((line) => line.endsWith("main.ts flight")),
    );
    const processes = descendants(served.pid);
    served.signal(signal);
    await served.ended;
    await until(
      () => processes.filter((pid) => commandLine(pid) !== ""),
      (left) => left.length === 0,
      10,
    );
  }
});

Deno.test("/metrics holds the metrics of both transports", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  await post(served.http, "{ users(limit: 3) { id } }");
  await post(served.http, "{ nothing }");
  await flightGet(served.flight, "{ users(limit: 5) { id } }");
  await flightGet(served.flight, "{ nothing }");
  const wanted = [
    'fraiseql_requests_total{transport="http",code="OK"} 1',
    'fraiseql_requests_total{transport="http",code="VALIDATION_ERROR"} 1',
    'fraiseql_requests_total{transport="flight",code="OK"} 1',
    'fraiseql_requests_total{transport="flight",code="VALIDATION_ERROR"} 1',
    'fraiseql_rows_total{transport="http"} 3',
    'fraiseql_rows_total{transport="flight"} 5',
    'fraiseql_request_duration_seconds_count{transport="flight"} 2',
    'fraiseql_streams{transport="http"} 0',
    'fraiseql_streams{transport="flight"} 0',
  ];
  await until(
    async () => (await (await fetch(`${served.http}/metrics`)).text()).split("\n"),
    (lines) => wanted.every((line) => lines.includes(line)),
    5,
  );
});

Deno.test("serve logs each request with its id, its operation and its duration, and never a value of a variable", async () => {
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_LOG_LEVEL: "debug",
  });
  const secret = "a-secret-of-a-variable";
  const text = `query FindThem($n: String) { users(where: { name: { eq: $n } }) { id } }`;
  const bad = `query FindThem($n: Int) { users(limit: $n) { id } }`;
  const id = "request-of-mine-1";
  const response = await fetch(`${served.http}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": id },
    body: JSON.stringify({ query: text, variables: { n: secret } }),
  });
  equal([response.headers.get("x-request-id"), (await response.json()).errors], [id, undefined]);
  await post(served.http, bad, { variables: { n: secret } });
  for (const query of [text, bad]) {
    const ticket = JSON.stringify({ type: "GraphQLQuery", query, variables: { n: secret } });
    await flightGet(served.flight, ticket);
  }
  const lines = () =>
    served.stderr().split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    ).filter(({ event }) => event === "request");
  await until(() => lines().length, (count) => count === 4);
  const [first] = lines();
  equal([first.requestId, first.operation, first.code], [id, "FindThem", "OK"]);
  ok(first.ms > 0);
  equal(lines().filter(({ operation }) => operation === "FindThem").length >= 2, true);
  equal(served.stderr().includes(secret), false, served.stderr());
});
