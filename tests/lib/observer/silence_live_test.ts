/** A publisher whose network to PostgreSQL goes away without a word. */

import { strictEqual as equal } from "node:assert/strict";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { testPostgres } from "../../services/postgres.ts";
import { startSilentProxy } from "../../services/silent_proxy.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();

Deno.test("publish() gives a silent connection up, and publishes what was written meanwhile", async () => {
  const some = { silenceMsMax: 100 };
  const sql = "create table t (id int primary key)";
  await Observed.run(server, { sql, tables: ["t"], some }, async (observed) => {
    const url = new URL(observed.url);
    const proxy = startSilentProxy({ hostname: url.hostname, port: Number(url.port) });
    url.host = `127.0.0.1:${proxy.port}`;
    const running = observed.start({ database: parseUrl(url.href) });
    try {
      await observed.query("insert into t values (1)");
      await running.until(({ events, kind }) => events === 1 && kind === "asleep");
      proxy.fallSilent();
      await observed.query("insert into t values (2)");
      await running.until(({ events, kind }) => events === 2 && kind === "asleep");
      equal(running.states.some(({ kind }) => kind === "waiting"), true);
      equal((await observed.stored()).length, 2);
    } finally {
      await running.stop();
      await proxy.stop();
    }
  });
});
