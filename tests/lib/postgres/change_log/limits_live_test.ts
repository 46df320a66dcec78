/** What happens at the limits of the change log: long lines, large rows, TRUNCATE, a full log. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { PostgresError } from "../../../../lib/postgres/errors.ts";
import { AppError } from "../../../../lib/errors.ts";
import { connect } from "../../../../lib/postgres/connection.ts";
import {
  advanceSlot,
  currentSnapshot,
  emptySlots,
  readState,
} from "../../../../lib/postgres/change_log.ts";
import { migrateChangeLog } from "../../../../lib/postgres/change_log/migrate.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { settings } from "./captured.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();
const KiB = 1024;

async function set(scene: Scene, ...how: Parameters<typeof settings>): Promise<void> {
  const connection = await connect({ url: scene.url });
  await migrateChangeLog(connection, settings(...how));
  await connection.close();
}

Deno.test("capture keeps a line below event_bytes_max: first changes go, then all but the key", async () => {
  const sql = `create table t (id int primary key, v text, w int)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await set(scene, { eventBytesMax: 16 * KiB });
    await scene.query(`
      insert into t values (1, repeat('a', 9000), 1);
      update t set v = repeat('b', 9000);
      update t set v = repeat(E'\\n', 9000);
      delete from t`);
    const events = await scene.events();
    const cuts = await scene.query("select cut from fraiseql.change_log order by position");
    deepEqual(cuts.flat(), ["0", "1", "2", "2"]);
    ok(events.every(({ text }) => text.length <= 16 * KiB));
    const [, updated, again, deleted] = events.map(({ text }) => text);
    match(updated!, /"v":"b{9000}","w":1\},"user_id":null,"org_id":null\}$/);
    match(again!, /"data":\{"id":1,"\$truncated":\["v","w"\]\},"user_id":null,"org_id":null\}$/);
    match(deleted!, /"data":\{"id":1,"\$truncated":\["v","w"\]\}/);
  });
});

Deno.test("capture cuts rows of 100 MB, and the write goes on", async () => {
  const sql = `create table t (id int primary key, v text, b bytea)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`
      insert into t values (1, repeat('a"', 50000000), null);
      update t set v = repeat('b', 5000000), b = null;
      update t set v = null, b = decode(repeat('00', 5000000), 'hex')`);
    const events = await scene.events();
    deepEqual(events.map(({ line }) => line.data), [
      { id: 1, $truncated: ["v", "b"] },
      { id: 1, $truncated: ["v", "b"] },
      { id: 1, $truncated: ["v", "b"] },
    ]);
  });
});

Deno.test("capture of TRUNCATE above truncate_rows_max is one event for all", async () => {
  const sql = `
    create table t (id int, p int, primary key (id, p)) partition by list (p);
    create table t1 partition of t for values in (1);
    create table u (id int primary key)`;
  await Scene.run(server, { sql, tables: ["t", "u"] }, async (scene) => {
    await set(scene, { truncateRowsMax: 2 });
    await scene.query(`
      insert into t values (1, 1), (2, 1); insert into u values (1), (2), (3)`);
    await scene.events();
    await scene.query("truncate t; truncate u; insert into t values (1, 1), (2, 1), (3, 1)");
    deepEqual((await scene.said()).slice(0, 3), [
      `Deleted ["1","1"] {"id":1,"p":1}`,
      `Deleted ["2","1"] {"id":2,"p":1}`,
      `Deleted * {}`,
    ]);
    await scene.query("truncate t1");
    deepEqual(await scene.said(), [`Deleted * {"$partition":"public.t1"}`]);
  });
});

Deno.test("capture of TRUNCATE is one event where the snapshot may not show every row", async () => {
  const sql = `create table t (id int primary key); insert into t values (1)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("begin isolation level repeatable read; truncate t; commit");
    deepEqual(await scene.said(), ["Deleted * {}"]);
  });
});

/** A log that is full: at its smallest limit, by rows that compress badly. */
const FILL = `
  insert into t select n, (
    select string_agg(md5(n::text || i::text), '') from generate_series(1, 2000) i)
  from generate_series(coalesce((select max(id) + 1 from t), 1), coalesce((select max(id) from t), 0) + 300) n`;

Deno.test("a full log stops capturing, marks the gap, and goes on when it was emptied", async () => {
  const sql = `create table t (id int primary key, v text)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await set(scene, { changeLogBytesMax: 16 * KiB * KiB });
    const reader = await connect({ url: scene.url });
    await scene.query(FILL);
    equal((await readState(reader)).isFull, true);
    equal((await scene.events()).length, 300);

    await scene.query("insert into t values (-1, 'not captured')");
    await scene.query("begin; insert into t values (-2, 'neither'); rollback");
    deepEqual(await scene.said(), []);
    const { openGaps } = await readState(reader);
    deepEqual(openGaps.map(({ entityType, reason }) => [entityType, reason]), [[null, "full"]]);

    equal(await advanceSlot(reader, { bytesMax: 1, secondsMax: 1 }), true);
    const confirmed = {
      snapshot: await currentSnapshot(reader),
      before: new Date(Date.now() + 60_000),
    };
    equal(await emptySlots(reader, confirmed), 300);
    await scene.query("insert into t values (-3, 'captured')");
    deepEqual(await scene.said(), [`Created -3 {"id":-3,"v":"captured"}`]);
    const state = await readState(reader);
    deepEqual([state.isFull, state.openGaps], [false, []]);
    deepEqual(
      await reader.query(
        "select reason, ended_at > began_at, ended_position >= began_position from fraiseql.change_gaps",
      ),
      [["full", "t", "t"]],
    );
    await reader.close();
  });
});

Deno.test("a full log refuses writes where it is told to, and takes them when it was emptied", async () => {
  const sql = `create table t (id int primary key, v text)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await set(scene, { changeLogBytesMax: 16 * KiB * KiB }, "refuse-writes");
    const reader = await connect({ url: scene.url });
    await scene.query(FILL);
    await rejects(scene.query("delete from t where id = 1"), (error) => {
      ok(error instanceof AppError && error.cause instanceof PostgresError);
      equal(error.cause.sqlState, "53400");
      match(
        error.cause.fields.message ?? "",
        /change log of FraiseQL is full.*public\.t cannot be written/,
      );
      return true;
    });
    equal((await scene.query("select count(*) from t"))[0]?.[0], "300");
    await advanceSlot(reader, { bytesMax: 1, secondsMax: 1 });
    const confirmed = {
      snapshot: await currentSnapshot(reader),
      before: new Date(Date.now() + 60_000),
    };
    await emptySlots(reader, confirmed);
    await scene.query("delete from t where id = 1");
    deepEqual((await scene.events()).map(({ line }) => line.event_type), ["Deleted"]);
    deepEqual(await reader.query("select * from fraiseql.change_gaps"), []);
    await reader.close();
  });
});
