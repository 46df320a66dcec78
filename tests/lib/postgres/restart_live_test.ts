/** A PostgreSQL that goes away and comes back. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { makeCertificates } from "./certificates.ts";
import { ask, ints, intsOf, never, sql } from "./rows.ts";
import { deadPort, quiet, TestServer, until } from "./server.ts";

const server = await TestServer.start();
const files = await makeCertificates();
await server.useTls({ ...files.server, ca: files.ca });
await server.allow([]);

Deno.test.afterAll(async () => {
  await files.remove();
  await server.stop();
});

const ways: [name: string, url: () => string][] = [
  ["plainly", () => `${server.url}?sslmode=disable`],
  ["by TLS", () => `${server.url}?sslmode=require`],
];

for (const [name, url] of ways) {
  Deno.test(`rows() works again after a restart, ${name}`, async () => {
    const database = await openDatabase({ url: url(), ...quiet() });
    await Promise.all(
      [1, 2, 3].map((n) => ints(database, [sql(`select ${n} from pg_sleep(0.05)`)])),
    );
    await server.restart(async () => {
      // At once, since each may fail before the one before it.
      await Promise.all([
        ints(database, [sql("select 1")]),
        ints(database, [sql("select 1")]),
        database.ping(never),
      ].map((asking) =>
        rejects(asking, (error: Error & { code?: string; hint?: string }) => {
          equal(error.code, "UNAVAILABLE");
          equal(
            /127\.|localhost|\d{4}/.test(`${error.message} ${error.hint}`),
            false,
            error.message,
          );
          return true;
        })
      ));
    });
    deepEqual(await ints(database, [sql("select 2")]), [[0, 2]]);
    await database.close();
  });

  Deno.test(`rows() throws UNAVAILABLE for a restart amidst the rows, ${name}`, async () => {
    const database = await openDatabase({ url: url(), ...quiet() });
    await rejects(async () => {
      let restarting: Promise<void> | null = null;
      for await (const _ of ask(database, [sql("select generate_series(1, 20000000)")])) {
        restarting ??= server.restart();
      }
    }, { code: "UNAVAILABLE" });
    await until(() => ints(database, [sql("select 3")]).then(() => true, () => false));
    await database.close();
  });

  Deno.test(`rows() throws UNAVAILABLE when PostgreSQL crashes amidst the rows, ${name}`, async () => {
    const applicationName = `crash ${name}`;
    const database = await openDatabase({ url: url(), applicationName, ...quiet() });
    let last = 0;
    await rejects(async () => {
      let killed = false;
      for await (const chunk of ask(database, [sql("select generate_series(1, 20000000)")])) {
        last = intsOf(chunk).at(-1)?.[1] ?? 0;
        if (killed) continue;
        killed = true;
        const [[pid]] = await server.sql(
          `select pid from pg_stat_activity where application_name = '${applicationName}'`,
        ) as [[string]];
        // No word of farewell: the system closes the socket.
        Deno.kill(Number(pid), "SIGKILL");
      }
    }, { code: "UNAVAILABLE" });
    equal(last < 20_000_000, true);
    await until(() => ints(database, [sql("select 4")]).then(() => true, () => false));
    await database.close();
  });
}

Deno.test("rows() tells at once that PostgreSQL is gone, to all who wait", async () => {
  const database = await openDatabase({
    url: server.url,
    ...quiet({ poolConnectionsMax: 1, poolWaitMsMax: 60_000 }),
  });
  await server.restart(async () => {
    const reads = Array.from({ length: 10 }, (_, n) => ints(database, [sql(`select ${n}`)]));
    const ends = await Promise.allSettled(reads);
    const codes = ends.map((end) =>
      end.status === "rejected" && end.reason instanceof AppError ? end.reason.code : end.status
    );
    deepEqual(new Set(codes), new Set(["UNAVAILABLE"]));
  });
  await database.close();
});

Deno.test("rows() does not blame the caller when the password was changed", async () => {
  await server.sql("drop role if exists changed; create role changed login password 'one'");
  const database = await openDatabase({ url: server.at("changed:one", "postgres"), ...quiet() });
  await server.sql(`alter role changed password 'two';
    select pg_terminate_backend(pid) from pg_stat_activity where usename = 'changed'`);
  await until(() => ints(database, [sql("select 1")]).then(() => false, () => true));
  await rejects(ints(database, [sql("select 1")]), {
    code: "UNAVAILABLE",
    message: /does not let the server in/,
  });
  await database.close();
});

Deno.test("rows() goes to the second host when the first goes away", async () => {
  const url = `${server.at("second:x", "postgres", `127.0.0.1:${deadPort()},127.0.0.1`)}`;
  await server.sql("drop role if exists second; create role second login password 'x'");
  const database = await openDatabase({ url, ...quiet() });
  deepEqual(await ints(database, [sql("select 1")]), [[0, 1]]);
  // The cancel goes where the connection is, not to the first host.
  for await (const _ of ask(database, [sql("select generate_series(1, 5000000)")])) break;
  await until(async () => {
    const active = "select from pg_stat_activity where usename = 'second' and state <> 'idle'";
    return (await server.sql(active)).length === 0;
  });
  await database.close();
});

Deno.test("rows() shares the connections that it has where PostgreSQL gives no more", async () => {
  await server.sql(
    "drop role if exists few; create role few login password 'x' connection limit 2",
  );
  const database = await openDatabase({ url: server.at("few:x", "postgres"), ...quiet() });
  const reads = Array.from({ length: 12 }, (_, n) => ints(database, [sql(`select ${n}`)]));
  deepEqual(await Promise.all(reads), Array.from({ length: 12 }, (_, n) => [[0, n]]));
  await database.close();
});

Deno.test("ping() answers while slow readers have all that PostgreSQL gives, and others wait", async () => {
  await server.sql(
    "drop role if exists slow; create role slow login password 'x' connection limit 2",
  );
  const database = await openDatabase({ url: server.at("slow:x", "postgres"), ...quiet() });
  const many = () => ask(database, [sql("select generate_series(1, 5000000)")]);
  const readers = [many(), many()].map((rows) => rows[Symbol.asyncIterator]());
  for (const reader of readers) await reader.next();
  const waiting = ints(database, [sql("select 1")]);
  await database.ping(never);
  await server.sql("alter role slow nologin");
  await rejects(database.ping(never), { code: "UNAVAILABLE", message: /does not let/ });
  for (const reader of readers) await reader.return?.();
  deepEqual(await waiting, [[0, 1]]);
  await database.close();
});
