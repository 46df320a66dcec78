/**
 * Reads that are left at every moment, beside reads that nobody leaves, on few connections: a
 * cancel that comes late would end a read of somebody else's.
 */

import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { openDatabase, type PostgresDatabase } from "../../../lib/postgres/database.ts";
import { makeCertificates } from "./certificates.ts";
import { startPgBouncer } from "./pgbouncer.ts";
import { ask, ints, sql } from "./rows.ts";
import { quiet, TestServer, until } from "./server.ts";

const server = await TestServer.start();
const files = await makeCertificates();
await server.useTls({ ...files.server, ca: files.ca });
await server.sql("drop role if exists storm; create role storm login password 'storm'");
await server.allow([]);

Deno.test.afterAll(async () => {
  await files.remove();
  await server.stop();
});

const rounds = 400;

/**
 * Slow in the ways that a query can be: computing, sending, waiting. Most end at about the moment
 * they are left, since then a cancel finds nothing to end any more.
 */
const LEFT = [
  "select 1 from pg_sleep(0.003)",
  "select generate_series(1, 20000)",
  "select count(*)::int4 from generate_series(1, 20000)",
  "select 1 from pg_sleep(0.002)",
  "select generate_series(1, 3000000)",
  "select count(*)::int4 from generate_series(1, 3000000)",
];

async function storm(database: PostgresDatabase): Promise<void> {
  const failures: unknown[] = [];
  const left = async (n: number) => {
    const stop = new AbortController();
    const text = LEFT[n / 2 % LEFT.length] ?? "";
    const statements = n % 4 === 0 ? [sql(text)] : [sql("select 1"), sql(text)];
    // From before it is sent to some time into it.
    const timer = setTimeout(() => stop.abort(), Math.random() * 6);
    try {
      for await (const _ of ask(database, statements, { signal: stop.signal })) {
        if (n % 5 === 0) break;
      }
    } catch (error) {
      if (!(error instanceof AppError && error.code === "CANCELLED")) failures.push(error);
    } finally {
      clearTimeout(timer);
    }
  };
  const kept = async (n: number) => {
    try {
      const slow = sql(`select ${n} from pg_sleep(0.003)`);
      deepEqual(await ints(database, n % 2 ? [slow] : [slow, slow]), [
        [0, n],
        ...(n % 2 ? [] : [[1, n]]),
      ]);
    } catch (error) {
      failures.push(error);
    }
  };
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < rounds * 2) {
      const n = next++;
      await (n % 2 ? kept(n) : left(n));
    }
  }));
  deepEqual(failures, []);
}

const ways: [name: string, url: string][] = [
  ["plainly", server.at("storm:storm", "postgres?sslmode=disable")],
  ["by TLS", server.at("storm:storm", `postgres?sslmode=verify-full&sslrootcert=${files.ca}`)],
  [
    "by a unix socket",
    `postgres://storm:storm@/postgres?host=${server.socketFolder}&port=${server.port}`,
  ],
];

for (const [name, url] of ways) {
  Deno.test(`rows() cancelled ${rounds} times ${name} ends no other read`, async () => {
    const database = await openDatabase({ url, ...quiet({ poolConnectionsMax: 3 }) });
    await storm(database);
    await until(async () => {
      const active = "select from pg_stat_activity where usename = 'storm' and state <> 'idle'";
      return (await server.sql(active)).length === 0;
    });
    await database.close();
  });
}

Deno.test(`rows() cancelled ${rounds} times behind pgbouncer ends no other read`, async () => {
  const pooler = await startPgBouncer(server, "transaction");
  const database = await openDatabase({
    url: pooler.url,
    ...quiet({ poolConnectionsMax: 5 }),
  });
  await storm(database);
  await database.close();
  await pooler.stop();
});
