/**
 * A crash of PostgreSQL forgets transactions that were rolled back shortly before, and gives their
 * numbers to others, whose writes a checkpoint must not take for published.
 */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { startPostgres } from "../../../lib/embedded/postgres.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { publish } from "../../../lib/observer/publish.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { loggedIds, storedEvents } from "./observed.ts";

const natsUrl = await (await testNats()).createAccount();
const log = createLog("error", () => {});
const rounds = 8;

Deno.test("publish() goes on after crashes of PostgreSQL that forget rolled back transactions", async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-crash-" });
  await Deno.chmod(dir, 0o755);
  const nats = await connectTo(natsUrl);
  await migrateNats(nats, testLimits);
  let postgres = await startPostgres({ dataDir: dir, log });
  const port = Number(new URL(postgres.url).port);
  const setUp = await connect({ url: postgres.url });
  await setUp.query("create table t (id int primary key)");
  await captured(postgres.url, ["t"]);
  await setUp.close();

  const stopping = new AbortController();
  let published = 0;
  let look = () => {};
  const ended = publish({
    database: parseUrl(postgres.url),
    nats: readNatsUrl(natsUrl),
    limits: testLimits,
    log,
    startOver: null,
    onState: ({ events }) => {
      published = events;
      look();
    },
    signal: stopping.signal,
  });
  const until = (count: number) =>
    Promise.race([
      ended, // which throws where the publisher gave up
      new Promise<void>((done) => {
        look = () => published >= count && done();
        look();
      }),
    ]);
  const rolledBack = "begin; select pg_current_xact_id(); rollback; ".repeat(40);
  for (let n = 1; n <= rounds; n++) {
    const connection = await connect({ url: postgres.url });
    // Only the first of these waits for the disk.
    await connection.query(`begin; insert into t values (${n}); commit; ${rolledBack}`);
    await until(2 * n - 1);
    Deno.kill(postgres.pid, "SIGKILL");
    connection.abandon();
    await postgres.exited;
    postgres = await startPostgres({ dataDir: dir, log, port });
    const again = await connect({ url: postgres.url });
    await again.query(`insert into t values (${1000 + n})`);
    await again.close();
    await until(2 * n);
  }
  stopping.abort();
  await ended;

  const connection = await connect({ url: postgres.url });
  const { signal } = new AbortController();
  const found = await verify({ connection, nats, limits: testLimits, since: null, signal });
  deepEqual([found.stored, found.differences], [2 * rounds, []]);
  const stored = await storedEvents(nats);
  deepEqual(stored.map(({ id }) => id).sort(), (await loggedIds(connection)).sort());
  equal(stored.length, 2 * rounds);
  await connection.close();
  await nats.close();
  await postgres.stop();
  await Deno.remove(dir, { recursive: true });
});
