/** Back-ups of PostgreSQL that are restored under a stream which has gone on. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { type EmbeddedPostgres, startPostgres } from "../../../lib/embedded/postgres.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { createLog } from "../../../lib/log.ts";
import { publish } from "../../../lib/observer/publish.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { storedEvents } from "./observed.ts";

const natsUrl = await (await testNats()).createAccount();
const log = createLog("error", () => {});

Deno.test("publish() refuses a data folder that was copied back, also when it has gone on since", async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-restored-" });
  await Deno.chmod(dir, 0o755);
  const start = () => startPostgres({ dataDir: dir, log, durable: false });
  let postgres: EmbeddedPostgres = await start();
  const query = async (sql: string) => {
    const connection = await connect({ url: postgres.url });
    await connection.query(sql);
    await connection.close();
  };
  const nats = await connectTo(natsUrl);
  await migrateNats(nats, testLimits);
  const publishAll = async (startOver: "first" | "now" | null = null) => {
    const stopping = new AbortController();
    await publish({
      database: parseUrl(postgres.url),
      nats: readNatsUrl(natsUrl),
      limits: testLimits,
      log,
      startOver,
      onState: ({ kind }) => kind === "asleep" && stopping.abort(),
      signal: stopping.signal,
    });
  };
  await query("create table t (id int primary key)");
  await captured(postgres.url, ["t"]);
  await query("insert into t values (1)");
  await publishAll();

  await postgres.stop();
  const copy = async (from: string, to: string) =>
    equal((await new Deno.Command("cp", { args: ["-a", from, to] }).output()).code, 0);
  await copy(`${dir}/postgres/data`, `${dir}/postgres/back-up`);
  postgres = await start();
  await query("insert into t values (2)");
  await publishAll();
  await postgres.stop();
  await Deno.remove(`${dir}/postgres/data`, { recursive: true });
  await Deno.rename(`${dir}/postgres/back-up`, `${dir}/postgres/data`);
  postgres = await start();

  await rejects(publishAll(), (error: Error & { hint?: string }) => {
    match(error.message, /not as it was/);
    match(error.hint ?? "", /back-up/);
    return true;
  });
  // Now transactions and positions are beyond those that are published.
  for (let n = 0; n < 50; n++) await query(`insert into t values (${100 + n})`);
  await rejects(publishAll(), { code: "BAD_INPUT", message: /another event at position/ });

  await publishAll("first");
  const ids = new Set((await storedEvents(nats)).map(({ entity_id }) => entity_id));
  deepEqual([ids.has("1"), ids.has("2"), ids.has("149")], [true, true, true]);
  await query("insert into t values (1000)");
  await publishAll();
  equal((await storedEvents(nats)).at(-1)?.entity_id, "1000");
  await nats.close();
  await postgres.stop();
  await Deno.remove(dir, { recursive: true });
});
