/** A dump of the database, restored under a stream that has gone on: pg_dump and pg_restore. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { migrateNats } from "../../../lib/events/streams.ts";
import { createLog } from "../../../lib/log.ts";
import { publish } from "../../../lib/observer/publish.ts";
import { verify } from "../../../lib/observer/verify.ts";
import { connect } from "../../../lib/postgres/connection.ts";
import { parseUrl } from "../../../lib/postgres/url.ts";
import { connectTo, testLimits, testNats } from "../../services/nats.ts";
import { type OtherPostgres, startPostgres17 } from "../../services/other_postgres.ts";
import { captured } from "../postgres/change_log/captured.ts";
import { storedEvents } from "./observed.ts";

const log = createLog("error", () => {});

Deno.test("publish() goes on with a restored dump when told to, in a cluster of fewer transactions", async () => {
  const natsUrl = await (await testNats()).createAccount();
  const nats = await connectTo(natsUrl);
  await migrateNats(nats, testLimits);
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-dump-" });
  await Deno.chmod(dir, 0o755);
  const [old, restored] = await Promise.all([
    startPostgres17(`${dir}/old`),
    startPostgres17(`${dir}/restored`),
  ]);
  const query = async ({ url }: OtherPostgres, ...statements: string[]) => {
    const connection = await connect({ url });
    let rows: (string | null)[][] = [];
    for (const sql of statements) rows = await connection.query(sql);
    await connection.close();
    return rows;
  };
  const publishAll = async ({ url }: OtherPostgres, startOver: "first" | "now" | null = null) => {
    const stopping = new AbortController();
    await publish({
      database: parseUrl(url),
      nats: readNatsUrl(natsUrl),
      limits: testLimits,
      log,
      startOver,
      onState: ({ kind }) => kind === "asleep" && stopping.abort(),
      signal: stopping.signal,
    });
  };
  const ids = async () => (await storedEvents(nats)).map(({ entity_id }) => entity_id);

  await query(
    old,
    // Numbers of columns are others in the dump.
    "create table t (gone int, id int primary key, v text); alter table t drop column gone",
    // Transactions that the other cluster has not had yet.
    "do $$ begin for n in 1..3000 loop perform pg_current_xact_id(); commit; end loop; end $$",
  );
  await captured(old.url, ["t"]);
  await query(old, "insert into t values (1, 'a')", "update t set v = 'b'");
  await publishAll(old);
  await query(old, "insert into t values (2, 'not published before the dump')");
  const dump = await old.run("pg_dump", ["-d", old.url]);
  await query(old, "insert into t values (3, 'not in the dump')");
  await publishAll(old);
  deepEqual(await ids(), ["1", "1", "2", "3"]);

  await restored.run("psql", ["-q", "-v", "ON_ERROR_STOP=1", "-d", restored.url], dump);
  await query(restored, "insert into t values (4, 'after the dump was restored')");
  await rejects(publishAll(restored), (error: Error & { hint?: string }) => {
    match(error.message, /came from another database/);
    match(error.hint ?? "", /--start-over first/);
    return true;
  });
  await publishAll(restored, "first");
  // What the dump's log held comes again, in its order, before what was written since.
  deepEqual(await ids(), ["1", "1", "2", "3", "1", "1", "2", "4"]);
  const stored = await storedEvents(nats);
  deepEqual(stored.slice(4, 7).map(({ id }) => id), stored.slice(0, 3).map(({ id }) => id));

  await query(restored, "update t set v = 'c' where id = 1");
  await publishAll(restored);
  const last = (await storedEvents(nats)).at(-1);
  deepEqual(last?.data, { id: 1, v: "c" });
  deepEqual(last?.changes, { v: { old: "b", new: "c" } });

  // A stream of its own agrees with it whole.
  const ownUrl = await (await testNats()).createAccount();
  const own = await connectTo(ownUrl);
  await migrateNats(own, testLimits);
  const stopping = new AbortController();
  await publish({
    database: parseUrl(restored.url),
    nats: readNatsUrl(ownUrl),
    limits: testLimits,
    log,
    startOver: null,
    onState: ({ kind }) => kind === "asleep" && stopping.abort(),
    signal: stopping.signal,
  });
  const connection = await connect({ url: restored.url });
  const found = await verify({
    connection,
    nats: own,
    limits: testLimits,
    since: null,
    signal: new AbortController().signal,
  });
  deepEqual([found.differences, found.gaps, found.stored], [[], [], 5]);
  equal((await storedEvents(own)).length, 5);
  await connection.close();
  await own.close();
  await nats.close();
  await Promise.all([old.stop(), restored.stop()]);
  await Deno.remove(dir, { recursive: true });
});
