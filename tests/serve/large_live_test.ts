import { deepStrictEqual as equal, match } from "node:assert/strict";
import { connect, constants } from "node:http2";
import { Buffer } from "node:buffer";
import { encodeMessage, TICKET } from "../../flight/protobuf.ts";
import { testPostgres } from "../services/postgres.ts";
import { flightCalls, flightGet } from "./flight_calls.ts";
import { freePorts, post, run, serve, until } from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "warn" };

Deno.test("serve gives 100 MB of text in one row over HTTP, and says which limit is in Flight's way", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table text (id int primary key, body text);
     insert into text values (1, repeat('x', 100000000)), (2, repeat('é', 15000000)), (3, 'small');`,
    url,
  );
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const { body } = await post(served.http, "{ text(id: 1) { body } }");
  equal(body.data.text.body.length, 100_000_000);
  const [tooLarge, alone, all] = await flightCalls(served.flight, [
    { call: "get", ticket: "{ text(id: 1) { body } }" },
    { call: "get", ticket: "{ texts(where: { id: { gt: 1 } }) { id body } }" },
    { call: "get", ticket: "{ texts(orderBy: [{ id: DESC }]) { id body } }" },
  ]);
  equal([tooLarge?.code, alone?.rows, alone?.batches], ["RESOURCE_EXHAUSTED", 2, 2]);
  match(tooLarge?.message ?? "", /flight_?row_?bytes_?max/i);
  equal(all?.code, "RESOURCE_EXHAUSTED");
  equal((await flightGet(served.flight, "{ text(id: 3) { body } }")).rows, 1);

  await using small = await serve({
    DATABASE_URL: url,
    FRAISEQL_LIMITS_ROW_BYTES_MAX: "1000000",
    ...quiet,
  });
  const refused = await post(small.http, "{ text(id: 1) { body } }");
  equal([refused.status, refused.body.errors?.[0]?.extensions.code], [413, "TOO_LARGE"]);
  equal(
    (await flightGet(small.flight, "{ text(id: 2) { body } }")).code,
    "RESOURCE_EXHAUSTED",
  );
  equal((await post(small.http, "{ text(id: 3) { body } }")).status, 200);
});

Deno.test("serve reads several root fields in one snapshot", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table item (id int primary key); insert into item select generate_series(1, 1000);
     create view slow as select g as id, pg_sleep(0.01)::text as nothing from generate_series(1, 50) g;`,
    url,
  );
  await using served = await serve({ DATABASE_URL: url, FRAISEQL_TOPOLOGY: "http", ...quiet });
  const asked = post(
    served.http,
    "{ before: items { id } slows { id nothing } after: items { id } }",
  );
  await until(
    () =>
      postgres.query(
        `select 1 from pg_stat_activity where datname = '${new URL(url).pathname.slice(1)}'
         and state = 'active' and wait_event = 'PgSleep'`,
      ),
    (rows) => rows.length === 1,
  );
  await postgres.query("delete from item", url);
  const { data } = (await asked).body;
  equal([data.before.length, data.slows.length, data.after.length], [1000, 50, 1000]);
});

Deno.test("fraiseql flight serves Flight alone, and ends on SIGTERM", async () => {
  await using program = run(["flight"], {
    DATABASE_URL: await postgres.shop(),
    ...freePorts,
    ...quiet,
  });
  const url = await until(
    () => /grpc:\/\/[\d.:]+/.exec(program.stdout())?.[0] ?? "",
    (found) => found !== "",
  );
  equal((await flightGet(url, "{ users(limit: 3) { id } }")).rows, 3);
  equal(await program.stop(), 0);
});

/** Bytes of one DoGet whose session is destroyed as its stream ends, which has aborted Flight's process. */
function rudeCall(flight: string): Promise<number> {
  const session = connect(flight.replace("grpc:", "http:"));
  const { promise, resolve } = Promise.withResolvers<number>();
  let bytes = 0;
  session.on("error", () => {}); // the server may be away for a moment
  session.on("close", () => resolve(bytes));
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: "/arrow.flight.protocol.FlightService/DoGet",
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {}); // as above
  const message = encodeMessage(TICKET, {
    ticket: new TextEncoder().encode("{ orders(limit: 500) { id total } }"),
  });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  stream.end(Buffer.concat([head, message]));
  stream.on("end", () => session.destroy());
  stream.on("close", () => session.destroy());
  stream.on("data", (part: Uint8Array) => bytes += part.length);
  return promise;
}

Deno.test("serve outlives clients that destroy their sessions: HTTP is undisturbed, Flight is there again", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  for (let i = 0; i < 60; i++) {
    // Again, where the call before has ended the process: it is back in a moment.
    await until(() => rudeCall(served.flight), (bytes) => bytes > 0);
    equal((await post(served.http, "{ users(limit: 1) { id } }")).status, 200);
  }
  await until(
    () => flightGet(served.flight, "{ users(limit: 1) { id } }"),
    ({ rows }) => rows === 1,
  );
  const metrics = await (await fetch(`${served.http}/metrics`)).text();
  match(metrics, /^fraiseql_flight_restarts_total \d+$/m);
});

Deno.test("serve takes many readers at once on both transports", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const query = "{ orders(orderBy: [{ id: ASC }]) { id total user { name } } }";
  const [wanted, ...others] = await Promise.all(
    Array.from(
      { length: 40 },
      () =>
        fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`).then((r) => r.text()),
    ),
  );
  equal(others.filter((text) => text !== wanted).length, 0);
  const reads = await Promise.all(
    Array.from(
      { length: 6 },
      () =>
        flightCalls(
          served.flight,
          Array.from({ length: 5 }, () => ({ call: "get", ticket: query })),
        ),
    ),
  );
  equal([...new Set(reads.flat().map(({ rows, code }) => `${rows} ${code}`))], ["10000 undefined"]);
});
