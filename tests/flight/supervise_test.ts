import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { connect as connectHttp2 } from "node:http2";
import { fileURLToPath } from "node:url";
import { lines } from "../../flight/control.ts";
import { ACTION, encodeMessage } from "../../flight/protobuf.ts";
import { type SupervisedFlight, superviseFlight } from "../../flight/supervise.ts";
import { createLog } from "../../lib/log.ts";
import { createMetrics, type Metrics } from "../../lib/metrics.ts";
import { type Answer, RawClient } from "./raw_client.ts";
import { counted, ticketBytes, until } from "./serve.ts";

const program = fileURLToPath(new URL("./fake_process.ts", import.meta.url));
const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
const command = (...args: string[]) => [
  Deno.execPath(),
  "run",
  "--quiet",
  "--no-check",
  `--config=${config}`,
  "--allow-all",
  program,
  ...args,
];

interface Supervised {
  readonly flight: SupervisedFlight;
  readonly metrics: Metrics;
  readonly log: Record<string, unknown>[];
  readonly refreshed: { count: number };
  readonly starved: { count: number };
  /** Ends the process as its own abort does, or otherwise. */
  kill(signal: Deno.Signal): Promise<void>;
}

async function supervised(
  args: string[],
  test: (some: Supervised) => Promise<void>,
  onRefreshed: () => void | Promise<void> = () => {},
) {
  const metrics = createMetrics();
  const log: Record<string, unknown>[] = [];
  const refreshed = { count: 0 };
  const starved = { count: 0 };
  const flight = await superviseFlight({
    command: command(...args),
    env: {},
    log: createLog("debug", (line) => void log.push(JSON.parse(line))),
    metrics,
    onStarved: () => starved.count++,
    onRefreshed: async () => {
      refreshed.count++;
      await onRefreshed();
    },
  });
  try {
    const kill = async (signal: Deno.Signal) => {
      const pid = log.findLast((line) => line.event === "flight process ready")?.pid;
      Deno.kill(Number(pid), signal);
      await until("it is gone", () => !flight.ready());
    };
    await test({ flight, metrics, log, refreshed, starved, kill });
  } finally {
    await flight.stop(0);
  }
}

async function answers(url: string | null, ticket = "{ people { id name } }"): Promise<number> {
  const client = new RawClient(String(url));
  try {
    return (await client.call("DoGet", ticketBytes(ticket))).code;
  } finally {
    client.close();
  }
}

async function action(url: string | null, type: string): Promise<Answer> {
  const client = new RawClient(String(url));
  try {
    return await client.call("DoAction", encodeMessage(ACTION, { type }));
  } finally {
    client.close();
  }
}

Deno.test("superviseFlight() throws the child's own message when its configuration is refused", async () => {
  await rejects(() => supervised(["misconfigured"], () => Promise.resolve()), {
    code: "BAD_INPUT",
    message: "FRAISEQL_COLOUR: no such variable",
  });
});

Deno.test("superviseFlight() gives up a child that never gets ready", async () => {
  await rejects(() => supervised(["crashing"], () => Promise.resolve()), {
    code: "UNAVAILABLE",
    message: /it broke/,
    hint: /exit status 1/,
  });
});

Deno.test("superviseFlight() that is stopped before its child is ready ends it, and starts no other", async () => {
  const stop = new AbortController();
  const log: Record<string, unknown>[] = [];
  const starting = superviseFlight({
    command: command("waiting"),
    env: {},
    log: createLog("debug", (line) => void log.push(JSON.parse(line))),
    metrics: createMetrics(),
    onRefreshed: () => {},
    onStarved: () => {},
    signal: stop.signal,
  });
  stop.abort();
  // A child that stayed would fail the test: its pipes are resources of this one.
  await rejects(starting, { code: "CANCELLED" });
  deepEqual(log, []);
});

Deno.test("superviseFlight() says that the port is in use", async () => {
  await supervised(["serve"], async ({ flight }) => {
    const { port } = new URL(String(flight.url()));
    await rejects(() => supervised(["serve", port], () => Promise.resolve()), {
      code: "BAD_INPUT",
      message: new RegExp(`^Flight cannot listen on 127.0.0.1:${port}: the port is in use$`),
    });
  });
});

Deno.test("superviseFlight() does not mind what else the child prints", async () => {
  await supervised(["noisy"], async ({ flight, log }) => {
    equal(await answers(flight.url()), 0);
    equal(log.filter((line) => line.event === "flight process printed").length, 4);
  });
});

for (const signal of ["SIGABRT", "SIGKILL"] as const) {
  Deno.test(`superviseFlight() has a child that ended by ${signal} back on the same port`, async () => {
    await supervised(["serve"], async ({ flight, metrics, log, kill }) => {
      const url = flight.url();
      await kill(signal);
      await until("it is back", () => flight.ready());
      equal(flight.url(), url);
      equal(await answers(url), 0);
      equal(await counted(metrics, "fraiseql_flight_restarts_total"), 1);
      const line = log.find((row) => String(row.event).startsWith("flight process ended"));
      equal(line?.signal, signal);
    });
  });
}

Deno.test("superviseFlight() waits longer each time a child soon ends again", async () => {
  await supervised(["serve"], async ({ flight, metrics, log, kill }) => {
    for (let i = 0; i < 3; i++) {
      await until("it is back", () => flight.ready());
      await kill("SIGKILL");
    }
    await until("it is back", () => flight.ready());
    equal(await counted(metrics, "fraiseql_flight_restarts_total"), 3);
    const ends = log.filter((row) => String(row.event).startsWith("flight process ended"));
    deepEqual(ends.map((row) => row.waitMs), [0, 100, 200]);
  });
});

Deno.test("superviseFlight() stays able to serve when clients go away in the way that aborts Deno", async () => {
  await supervised(["serve"], async ({ flight }) => {
    const url = String(flight.url());
    // GOAWAY and the end of the connection, in the moment the answer is whole.
    for (let i = 0; i < 60; i++) {
      await until("it is there", () => flight.ready());
      await callAndDestroy(url.replace("grpc://", "http://"));
    }
    await until("it answers", async () => flight.ready() && await answers(url) === 0);
  });
});

Deno.test("superviseFlight() is told that the child gets no connection, also before it is ready", async () => {
  await supervised(["starved"], ({ starved }) => {
    equal(starved.count, 1);
    return Promise.resolve();
  });
});

Deno.test("SupervisedFlight.giveBack() has the child give connections back", async () => {
  await supervised(["starved"], async ({ flight, starved }) => {
    flight.giveBack();
    await until("it answers", () => starved.count === 2);
  });
});

Deno.test("SupervisedFlight.metrics() gives the child's metrics, and null while there is none", async () => {
  await supervised(["serve"], async ({ flight, kill }) => {
    await answers(flight.url());
    const requests = async () =>
      (await flight.metrics())?.find((row) => row.name === "fraiseql_requests_total");
    match(JSON.stringify(await requests()), /"transport":"flight"/);
    await kill("SIGKILL");
    equal(await flight.metrics(), null);
  });
});

Deno.test("SupervisedFlight.refresh() has the child read the catalog, and says when it cannot", async () => {
  await supervised(["serve"], async ({ flight, refreshed }) => {
    await flight.refresh();
    equal(refreshed.count, 0);
  });
  await supervised(["stale"], async ({ flight }) => {
    await rejects(() => flight.refresh(), { code: "UNAVAILABLE", message: /no catalog/ });
  });
});

Deno.test("superviseFlight() has RefreshSchema answer only when the parent has read the catalog too", async () => {
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  await supervised(["serve"], async ({ flight, refreshed }) => {
    const answer = action(flight.url(), "RefreshSchema").then(({ code }) => {
      order.push(`answer ${code}`);
    });
    await until("the parent is told", () => refreshed.count === 1);
    // Metrics and another call pass meanwhile: nothing else waits.
    ok(await flight.metrics());
    equal(await answers(flight.url()), 0);
    order.push("parent done");
    gate.resolve();
    await answer;
    deepEqual(order, ["parent done", "answer 0"]);
  }, () => gate.promise);
});

Deno.test("superviseFlight() has RefreshSchema answer UNAVAILABLE when the parent cannot read the catalog", async () => {
  const failing = () => Promise.reject(new Error("secret"));
  await supervised(["serve"], async ({ flight, log }) => {
    const { code, message } = await action(flight.url(), "RefreshSchema");
    equal(code, 14);
    match(message, /HTTP could not.*hint: the server's log/);
    ok(!message.includes("secret"));
    match(JSON.stringify(log.find(({ level }) => level === "error")), /secret/);
  }, failing);
});

Deno.test("runFlightProcess() has RefreshSchema answer UNAVAILABLE when the parent does not answer in time", async () => {
  await supervised(["impatient"], async ({ flight }) => {
    const { code, message } = await action(flight.url(), "RefreshSchema");
    equal(code, 14);
    match(message, /HTTP has not within 50 ms/);
  }, () => new Promise(() => {}));
});

Deno.test("superviseFlight() survives a child that ends while the parent reads the catalog for it", async () => {
  const gate = Promise.withResolvers<void>();
  await supervised(["serve"], async ({ flight, refreshed, kill }) => {
    const answer = action(flight.url(), "RefreshSchema");
    await until("the parent is told", () => refreshed.count === 1);
    await kill("SIGKILL");
    gate.resolve();
    notEqual((await answer).code, 0);
    await until("it is back", () => flight.ready());
    equal((await action(flight.url(), "RefreshSchema")).code, 0);
  }, () => gate.promise);
});

Deno.test("runFlightProcess() has RefreshSchema answer UNAVAILABLE when its parent is gone", async () => {
  const child = run({ _FRAISEQL_FLIGHT_CONTROL: "0" });
  const { line, more } = await linesOf(child.stdout);
  const answer = action(JSON.parse(line).flight, "RefreshSchema");
  match(await more(), /"event":"refreshed"/);
  await child.stdin.close();
  const { code, message } = await answer;
  equal(code, 14);
  match(message, /HTTP has ended/);
  equal((await child.status).code, 0);
});

Deno.test("SupervisedFlight.stop() ends a child with a stream that does not end", async () => {
  await supervised(["serve"], async ({ flight, metrics }) => {
    const stream = answers(flight.url(), "{ endless { id name } }");
    await until("it runs", async () => {
      const streams = (await flight.metrics())?.find((row) => row.name === "fraiseql_streams");
      return JSON.stringify(streams).includes('"value":1');
    });
    await flight.stop(0);
    notEqual(await stream, 0);
    equal(flight.ready(), false);
    equal(await counted(metrics, "fraiseql_flight_restarts_total"), 0);
  });
});

Deno.test("runFlightProcess() ends by itself when its parent is gone", async () => {
  const child = run({ _FRAISEQL_FLIGHT_CONTROL: "0" });
  await firstLine(child.stdout);
  await child.stdin.close(); // what a parent's death does
  equal((await child.status).code, 0);
});

Deno.test("runFlightProcess() leaves signals to its parent", async () => {
  const child = run({ _FRAISEQL_FLIGHT_CONTROL: "0" });
  const url = JSON.parse(await firstLine(child.stdout)).flight;
  child.kill("SIGTERM");
  child.kill("SIGINT");
  equal(await answers(url), 0);
  await child.stdin.close();
  equal((await child.status).code, 0);
});

Deno.test("runFlightProcess() run by a person does not look at standard input and ends by SIGTERM", async () => {
  const child = run({});
  const ready = JSON.parse(await firstLine(child.stdout));
  equal(ready.event, "ready");
  await child.stdin.close();
  equal(await answers(ready.flight), 0);
  equal((await action(ready.flight, "RefreshSchema")).code, 0);
  child.kill("SIGTERM");
  equal((await child.status).code, 0);
});

Deno.test("runFlightProcess() takes what it does not understand for nothing", async () => {
  const child = run({ _FRAISEQL_FLIGHT_CONTROL: "0" });
  const url = JSON.parse(await firstLine(child.stdout)).flight;
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode('hello\n{}\n{"ask":"dance"}\n\n'));
  equal(await answers(url), 0);
  await writer.write(new TextEncoder().encode('{"ask":"stop","drainSeconds":0}\n'));
  equal((await child.status).code, 0);
  await writer.close().catch(() => {}); // its end closed it
});

function run(env: Record<string, string>) {
  const [name = "", ...args] = command("serve");
  return new Deno.Command(name, { args, env, stdin: "piped", stdout: "piped", stderr: "null" })
    .spawn();
}

async function firstLine(stdout: ReadableStream<Uint8Array>): Promise<string> {
  return (await linesOf(stdout)).line;
}

/** The first line; `more` gives the next. */
async function linesOf(stdout: ReadableStream<Uint8Array>) {
  const found: string[] = [];
  let hasEnded = false;
  // Read on in the background, so that the child never waits for a reader.
  void (async () => {
    for await (const line of lines(stdout)) found.push(line);
    hasEnded = true;
  })();
  const more = async () => {
    await until("a line", () => found.length > 0 || hasEnded);
    const line = found.shift();
    ok(line !== undefined, "it ended before its line");
    return line;
  };
  return { line: await more(), more };
}

/** A whole call whose session is destroyed in the moment it ends. */
function callAndDestroy(url: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const session = connectHttp2(url);
  session.on("error", () => resolve()); // the server may just be starting again
  session.on("close", () => resolve());
  const request = session.request({
    ":method": "POST",
    ":path": "/arrow.flight.protocol.FlightService/DoGet",
    "content-type": "application/grpc",
    te: "trailers",
  });
  request.on("error", () => resolve());
  request.on("end", () => session.destroy());
  request.resume();
  const ticket = ticketBytes("{ empty { id name } }");
  request.end(Uint8Array.from([0, 0, 0, 0, ticket.length, ...ticket]));
  return promise;
}
