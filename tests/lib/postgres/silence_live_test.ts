/** Connections whose other side is gone without a word. */

import { ok, rejects, strictEqual as equal } from "node:assert/strict";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { connect, type Connection } from "../../../lib/postgres/connection.ts";
import { keepAlive, watchSilence } from "../../../lib/postgres/silence.ts";
import { testPostgres } from "../../services/postgres.ts";
import { type SilentProxy, startSilentProxy } from "../../services/silent_proxy.ts";

const server = await testPostgres();
const log = createLog("error", () => {});
const some = limits({ silenceMsMax: 100, connectMsMax: 500 });

async function watched(
  work: (connection: Connection, proxy: SilentProxy) => Promise<void>,
): Promise<void> {
  const url = new URL(server.url);
  const proxy = startSilentProxy({ hostname: url.hostname, port: Number(url.port) });
  url.host = `127.0.0.1:${proxy.port}`;
  const connection = await connect({ url: url.href, limits: some });
  const unwatch = watchSilence(connection, log);
  try {
    await keepAlive(connection);
    await work(connection, proxy);
  } finally {
    unwatch();
    await connection.close();
    await proxy.stop();
  }
}

Deno.test("watchSilence() leaves a connection alone on which PostgreSQL works", async () => {
  await watched(async (connection) => {
    equal((await connection.query("select 'woke' from pg_sleep(1)"))[0]?.[0], "woke");
  });
});

Deno.test("watchSilence() leaves a connection alone on which nobody waits", async () => {
  await watched(async (connection, proxy) => {
    await new Promise((done) => setTimeout(done, 500));
    equal(connection.closed, false);
    proxy.fallSilent();
    await new Promise((done) => setTimeout(done, 500));
    equal(connection.closed, false);
  });
});

Deno.test("watchSilence() closes a connection whose question or answer was lost, and ends its session", async () => {
  await watched(async (connection, proxy) => {
    const [row] = await connection.query("select pg_backend_pid(), pg_try_advisory_lock(4711)");
    proxy.fallSilent();
    await rejects(connection.query("select 1"), { code: "UNAVAILABLE" });
    ok(connection.closed);
    const left = await server.query(`select 1 from pg_stat_activity where pid = ${row?.[0]}`);
    equal(left.length, 0);
  });
});

Deno.test("watchSilence() closes a connection to a server that cannot be reached any more", async () => {
  await watched(async (connection, proxy) => {
    proxy.cut();
    await rejects(connection.query("select 1"), { code: "UNAVAILABLE" });
    ok(connection.closed);
  });
});

Deno.test("keepAlive() has PostgreSQL look whether the client is still there", async () => {
  await watched(async (connection) => {
    const [row] = await connection.query("show tcp_keepalives_idle");
    equal(row?.[0], "10");
  });
});
