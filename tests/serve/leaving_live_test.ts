import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { preparePython } from "../clients/python.ts";
import { testPostgres } from "../services/postgres.ts";
import { RawClient } from "../flight/raw_client.ts";
import { ticketBytes } from "../flight/serve.ts";
import { flightCall } from "./flight_calls.ts";
import { flightPid, post, residentBytes, serve, until } from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "warn" };
const query = "{ numbers { id name other } }";

async function numbers(): Promise<string> {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create view numbers as select g as id, 'number ' || g as name, repeat('x', 30) as other
       from generate_series(1, 5000000) g;
     create view slow as select g as id, pg_sleep(0.2)::text as nothing from generate_series(1, 1000) g;`,
    url,
  );
  return url;
}

const url = await numbers();

/** What the server's sessions are at: their wait events, for those that are not idle. */
async function running(): Promise<string[]> {
  const rows = await postgres.query(
    `select coalesce(wait_event, 'computing') as at from pg_stat_activity
     where datname = '${new URL(url).pathname.slice(1)}' and application_name like 'fraiseql%'
       and state <> 'idle'`,
  );
  return rows.map(({ at }) => String(at));
}

const started = () => until(running, (at) => at.length === 1);
/** Two seconds is what is promised; the wait between looks is not part of it. */
const gone = () => until(running, (at) => at.length === 0, 2);

/** A Python that holds a stream at its first batch. */
async function hold(flight: string) {
  const script = fileURLToPath(new URL("../clients/flight_hold.py", import.meta.url));
  const child = new Deno.Command(await preparePython(), {
    args: [script, flight, query],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const parts = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const line = async () => {
    let text = "";
    while (!text.endsWith("\n")) text += (await parts.read()).value ?? "\n";
    return text.trim();
  };
  equal(await line(), "reading");
  return {
    kill: async () => {
      child.kill("SIGKILL");
      await child.status;
      await parts.cancel();
      await child.stdin.abort().catch(() => {}); // nobody reads it
    },
    readOn: async () => {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("on\n"));
      const rows = Number(await line());
      await writer.close();
      await child.status;
      await parts.cancel();
      return rows;
    },
  };
}

/** Asks over a socket of our own and gives it once the answer has begun. */
async function rawRequest(http: string) {
  const { hostname, port } = new URL(http);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.write(
    `GET /graphql?query=${encodeURIComponent(query)} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.pause();
  return socket;
}

Deno.test("serve ends the query of a Flight client that is killed", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const client = await hold(served.flight);
  await started();
  await client.kill();
  await gone();
  equal((await post(served.http, "{ numbers(limit: 1) { id } }")).status, 200);
});

Deno.test("serve ends the query of an HTTP client that aborts, or whose socket closes", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const abort = new AbortController();
  const response = await fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`, {
    signal: abort.signal,
  });
  await response.body?.getReader().read();
  await started();
  abort.abort();
  await gone();

  const socket = await rawRequest(served.http);
  await started();
  socket.resetAndDestroy();
  await gone();

  const ended = await rawRequest(served.http);
  await started();
  ended.destroy();
  await gone();
  equal((await post(served.http, "{ numbers(limit: 1) { id } }")).status, 200);
});

Deno.test("serve ends the query of an HTTP client that leaves before the first row", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const abort = new AbortController();
  const slow = encodeURIComponent("{ slows { id nothing } }");
  const asked = fetch(`${served.http}/graphql?query=${slow}`, { signal: abort.signal });
  await started();
  abort.abort();
  await asked.then(() => ok(false), () => {}); // it is aborted
  await gone();
});

Deno.test("serve answers a Flight call beyond its deadline with DEADLINE_EXCEEDED and ends its query", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const ticket = "{ slows { id nothing } }";
  const { code } = await flightCall(served.flight, { call: "get", ticket, timeout: 1 });
  equal(code, "DEADLINE_EXCEEDED");
  await gone();
});

Deno.test("serve ends a statement beyond its time with TIMEOUT on both transports", async () => {
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_LIMITS_STATEMENT_SECONDS_MAX: "1",
    ...quiet,
  });
  const ticket = "{ slows { id nothing } }";
  const { status, body } = await post(served.http, ticket);
  equal([status, body.errors?.[0]?.extensions.code], [504, "TIMEOUT"]);
  equal((await flightCall(served.flight, { call: "get", ticket })).code, "DEADLINE_EXCEEDED");
  await gone();
});

Deno.test("serve holds PostgreSQL back while a Flight client reads slowly, and keeps its memory", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const pid = flightPid(served);
  const before = residentBytes(pid);
  const client = await hold(served.flight);
  await until(running, (at) => at.includes("ClientWrite"));
  const grown = residentBytes(pid) - before;
  equal(await client.readOn(), 5_000_000);
  ok(grown < 100e6, `grown by ${grown} bytes`);
  await gone();
});

Deno.test("serve holds PostgreSQL back while an HTTP client reads slowly, and keeps its memory", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const before = residentBytes(served.pid);
  const socket = await rawRequest(served.http);
  await until(running, (at) => at.includes("ClientWrite"));
  const grown = residentBytes(served.pid) - before;
  ok(grown < 100e6, `grown by ${grown} bytes`);
  socket.destroy();
  await gone();
});

Deno.test("serve streams 2,000,000 rows over both transports in memory that does not grow with them", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const many = 2_000_000;
  const grown = async (pid: number, read: (rows: number) => Promise<void>) => {
    await read(many / 10);
    const before = residentBytes(pid);
    await read(many);
    return residentBytes(pid) - before;
  };
  const http = await grown(served.pid, async (rows) => {
    const text = encodeURIComponent(`{ numbers(limit: ${rows}) { id name other } }`);
    const response = await fetch(`${served.http}/graphql?query=${text}`);
    let bytes = 0;
    for await (const part of response.body ?? []) bytes += part.length;
    ok(bytes > 60 * rows);
  });
  const flight = await grown(flightPid(served), async (rows) => {
    const ticket = `{ numbers(limit: ${rows}) { id name other } }`;
    equal((await flightCall(served.flight, { call: "get", ticket })).rows, rows);
  });
  ok(http < 64e6 && flight < 64e6, `HTTP grew by ${http} bytes, Flight by ${flight}`);
});

Deno.test("serve holds flightStreamsMax until each stream ends, and gives the place back", async () => {
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_LIMITS_FLIGHT_STREAMS_MAX: "2",
    ...quiet,
  });
  const [first, second] = [await hold(served.flight), await hold(served.flight)];
  const get = { call: "get", ticket: "{ numbers(limit: 1) { id } }" } as const;
  const { code, message = "" } = await flightCall(served.flight, get);
  equal(code, "RESOURCE_EXHAUSTED");
  match(message, /2 streams.*flight_streams_max/s);
  await first.kill();
  await until(() => flightCall(served.flight, get), ({ rows }) => rows === 1);
  await second.kill();
  await gone();
});

Deno.test("serve has 64 Flight streams at once beside HTTP, and refuses the 65th without waiting", async () => {
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const client = new RawClient(served.flight);
  const get = (ticket: string) => client.call("DoGet", ticketBytes(ticket));
  try {
    const streams = Array.from({ length: 64 }, () => get("{ slows(limit: 40) { id nothing } }"));
    await until(running, (at) => at.length === 64);
    const { code, message } = await get("{ numbers(limit: 1) { id } }");
    equal([code, /64 streams/.test(message)], [8, true]);
    equal((await post(served.http, "{ numbers(limit: 1) { id } }")).status, 200);
    equal((await Promise.all(streams)).filter((answer) => answer.code !== 0), []);
  } finally {
    client.close();
  }
});

Deno.test("serve holds httpStreamsMax: 429 with Retry-After, and gives the place back", async () => {
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_LIMITS_HTTP_STREAMS_MAX: "1",
    ...quiet,
  });
  const socket = await rawRequest(served.http);
  const refused = await fetch(`${served.http}/graphql?query=${encodeURIComponent("{__typename}")}`);
  equal(refused.status, 429);
  ok(Number(refused.headers.get("retry-after")) > 0);
  equal((await refused.json()).errors[0].extensions.code, "TOO_MANY_STREAMS");
  socket.destroy();
  await until(
    () => post(served.http, "{ numbers(limit: 1) { id } }"),
    ({ status }) => status === 200,
  );
  await gone();
});

Deno.test("serve tells who waits too long for a connection that PostgreSQL is busy, and refuses streams beyond Flight's pool", async () => {
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_LIMITS_POOL_CONNECTIONS_MAX: "1",
    FRAISEQL_LIMITS_FLIGHT_POOL_CONNECTIONS_MAX: "1",
    FRAISEQL_LIMITS_POOL_WAIT_MS_MAX: "200",
    ...quiet,
  });
  const socket = await rawRequest(served.http);
  const client = await hold(served.flight);
  const { status, body } = await post(served.http, "{ numbers(limit: 1) { id } }");
  equal([status, body.errors?.[0]?.extensions.code], [503, "UNAVAILABLE"]);
  ok(body.errors?.[0]?.extensions.hint);
  const ticket = "{ numbers(limit: 1) { id } }";
  const { code, message = "" } = await flightCall(served.flight, { call: "get", ticket });
  equal(code, "RESOURCE_EXHAUSTED");
  match(message, /1 streams.*flight_pool_connections_max/s);
  socket.destroy();
  await client.kill();
  await gone();
  equal((await post(served.http, ticket)).status, 200);
  equal((await flightCall(served.flight, { call: "get", ticket })).rows, 1);
});
