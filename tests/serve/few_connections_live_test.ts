/** Where PostgreSQL, or a pooler before it, has few connections to give. */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { connect } from "../../lib/postgres/connection.ts";
import { startPgBouncer } from "../lib/postgres/pgbouncer.ts";
import { TestServer } from "../lib/postgres/server.ts";
import { flightGet } from "./flight_calls.ts";
import {
  type Environment,
  flightPid,
  freePorts,
  post,
  run,
  serve,
  type Served,
  until,
} from "./serve.ts";

const server = await TestServer.start();
await server.allow([]);
// In the database that the tests' pgbouncer knows.
const admin = await connect({ url: server.url.replace(/\/fraiseql$/, "/postgres") });
await admin.query(`
  drop view if exists naps; drop table if exists things;
  create table things (id int primary key);
  insert into things select generate_series(1, 10);
  grant select on things to public;
  create view naps as select id, pg_sleep(0.05)::text as nothing from things;
  grant select on naps to public;`);
await admin.close();
Deno.test.afterAll(() => server.stop());

const quiet = { FRAISEQL_LOG_LEVEL: "warn" };

/** A role that may have so many connections. */
async function roleOf(connections: number): Promise<string> {
  const name = `few_${connections}`;
  await server.sql(`drop role if exists ${name};
    create role ${name} login password 'x' connection limit ${connections}`);
  return server.at(`${name}:x`, "postgres", "127.0.0.1");
}

const nap = "{ naps(limit: 2) { id nothing } }";

/** So many requests that HTTP wants every connection that there is. */
async function crowd(http: string): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 24 }, () => post(http, nap)));
  equal(answers.filter(({ status }) => status !== 200), []);
}

async function answersBothWays(served: Served): Promise<void> {
  await crowd(served.http);
  // Once HTTP has had them all, Flight still gets one: for a query, and for a new process.
  equal((await flightGet(served.flight, nap)).rows, 2);
  await crowd(served.http);
  Deno.kill(flightPid(served), "SIGKILL");
  await until(() => flightGet(served.flight, nap), ({ rows }) => rows === 2);
  await crowd(served.http);
}

for (const connections of [2, 3, 5]) {
  Deno.test(`serve does with ${connections} connections of its role, and shares them between HTTP and Flight`, async () => {
    await using served = await serve({ DATABASE_URL: await roleOf(connections), ...quiet });
    await answersBothWays(served);
  });
}

Deno.test("serve does with two connections of pgbouncer in session mode, and shares them", async () => {
  const pooler = await startPgBouncer(server, "session");
  try {
    const env: Environment = { DATABASE_URL: pooler.url, ...quiet };
    await using served = await serve(env);
    await answersBothWays(served);
  } finally {
    await pooler.stop();
  }
});

Deno.test("serve says why it waits for a connection, and how to mend it; a client is not told of the role", async () => {
  const url = await roleOf(1);
  const program = run(["serve"], { DATABASE_URL: url, ...freePorts });
  try {
    const [, hint = ""] = await program.said(
      /waiting for database postgres at .*: PostgreSQL has no connection left: too many connections for role "few_1"\nhint: (.*)/,
    );
    for (const words of ["max_connections", "connection limit", "flight_pool_connections_max"]) {
      ok(hint.includes(words), hint);
    }
    equal(/\.ts:\d/.test(program.stderr()), false, program.stderr());
  } finally {
    equal(await program.stop(), 0);
  }

  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_TOPOLOGY: "http",
    FRAISEQL_LIMITS_POOL_WAIT_MS_MAX: "300",
    FRAISEQL_LIMITS_POOL_IDLE_SECONDS_MAX: "1",
  });
  const mine = await until(
    () => connect({ url }).catch(() => null),
    (connection) => connection !== null,
    60,
  );
  const { status, body } = await post(served.http, nap);
  equal(status, 503);
  const { message = "", extensions } = body.errors?.[0] ?? {};
  equal(message, "PostgreSQL has no connection left");
  match(extensions?.hint ?? "", /connection limit/);
  await mine?.close();
});
