/** The change log as its reader sees it. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  advanceSlot,
  currentSnapshot,
  emptySlots,
  fallAsleep,
  FIRST_SNAPSHOT,
  readState,
  readWindow,
  wakeUp,
} from "../../../lib/postgres/change_log.ts";
import { connect, type Connection } from "../../../lib/postgres/connection.ts";
import { testPostgres } from "../../services/postgres.ts";
import { type LoggedEvent, readEvents } from "./change_log/read_events.ts";
import { Scene } from "./change_log/scene.ts";

const server = await testPostgres();
const sql = `create table t (id int primary key, v int not null default 0)`;

function readAll(
  connection: Connection,
  window: { from: string; to: string; position?: bigint },
): Promise<LoggedEvent[]> {
  return Array.fromAsync(readEvents(connection, { position: 0n, ...window }));
}

Deno.test("readWindow() loses nothing, repeats nothing and keeps each row's order under 6 writers", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const [reader, idle] = [await connect({ url: scene.url }), await connect({ url: scene.url })];
    await scene.query("insert into t select generate_series(1, 20)");
    // Left open all the time: it has a transaction id and a row in the log, and ends by a rollback.
    await idle.query("begin; insert into t values (1000)");
    let left = 6;
    const writers = Array.from({ length: 6 }, async (_, writer) => {
      const connection = await connect({ url: scene.url });
      for (let n = 0; n < 120; n++) {
        const id = 1 + (writer * 7 + n * 3) % 20;
        const others = 1 + (writer + n) % 20;
        await connection.query("begin");
        // In order of their keys, so that no two writers wait for each other.
        for (const key of [id, others].sort((a, b) => a - b)) {
          await connection.query(`update t set v = v + 1 where id = ${key}`);
        }
        await connection.query("savepoint s; update t set v = -1 where false; rollback to s");
        if (n % 9 === 0) await delay(3);
        await connection.query(n % 10 === 0 ? "rollback" : "commit");
      }
      await connection.close();
      left--;
    });

    let from = FIRST_SNAPSHOT;
    const seen: LoggedEvent[] = [];
    for (let isLast = false; !isLast;) {
      isLast = left === 0;
      const to = await currentSnapshot(reader);
      seen.push(...await readAll(reader, { from, to }));
      from = to;
    }
    await Promise.all(writers);

    equal(new Set(seen.map(({ eventId }) => eventId)).size, seen.length);
    const [counted] = await scene.query(
      "select count(*) from fraiseql.change_log where xid in " +
        "(select xid from fraiseql.change_log where pg_visible_in_snapshot(xid, pg_current_snapshot()))",
    );
    equal(seen.length, Number(counted?.[0]));
    const rows = new Map<number, number>();
    for (const { line } of seen) {
      const { data, changes } = JSON.parse(line);
      if (changes?.v) equal(rows.get(data.id), changes.v.old, line);
      rows.set(data.id, data.v);
    }
    const wanted = await scene.query("select id, v from t order by id");
    deepEqual([...rows].sort(([a], [b]) => a - b), wanted.map((row) => row.map(Number)));
    ok(wanted.some(([, v]) => Number(v) > 10));
    await idle.close();
    await reader.close();
  });
});

Deno.test("readWindow() gives a late commit in the window in which it became visible", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const [reader, late] = [await connect({ url: scene.url }), await connect({ url: scene.url })];
    await late.query("begin; insert into t values (1)");
    await scene.query("insert into t values (2)");
    const first = await currentSnapshot(reader);
    const ids = async (from: string, to: string) =>
      (await readAll(reader, { from, to })).map(({ line }) => JSON.parse(line).entity_id);
    deepEqual(await ids(FIRST_SNAPSHOT, first), ["2"]);
    await late.query("commit");
    const second = await currentSnapshot(reader);
    deepEqual(await ids(first, second), ["1"]);
    // A window is the same whenever it is read.
    deepEqual(await ids(FIRST_SNAPSHOT, first), ["2"]);
    deepEqual(await ids(second, second), []);
    await late.close();
    await reader.close();
  });
});

Deno.test("readWindow() goes on behind a position, and holds rows larger than its buffer", async () => {
  await Scene.run(
    server,
    { sql: "create table t (id int primary key, v text)", tables: ["t"] },
    async (scene) => {
      const reader = await connect({ url: scene.url });
      await scene.query(
        "insert into t select n, repeat('x', case n when 20 then 300000 end) from generate_series(1, 25) n",
      );
      const window = { from: FIRST_SNAPSHOT, to: await currentSnapshot(reader) };
      const positions = async (position: bigint) =>
        (await readAll(reader, { ...window, position })).map((event) => Number(event.position));
      deepEqual(await positions(0n), Array.from({ length: 25 }, (_, n) => n + 1));
      deepEqual(await positions(19n), [20, 21, 22, 23, 24, 25]);
      const [large] = await readAll(reader, { ...window, position: 19n });
      equal(JSON.parse(large!.line).data.v.length, 300_000);
      await reader.close();
    },
  );
});

Deno.test("readWindow() that is left early closes its connection", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const reader = await connect({ url: scene.url });
    await scene.query("insert into t select generate_series(1, 5000)");
    const window = { from: FIRST_SNAPSHOT, to: await currentSnapshot(reader), position: 0n };
    for await (const { start, end } of readWindow(reader, window)) {
      ok(end > start);
      break;
    }
    equal(reader.closed, true);
  });
});

Deno.test("a writer notifies a reader that sleeps, and no other", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const heard: string[] = [];
    const reader = await connect({
      url: scene.url,
      onNotification: ({ channel, payload }) => heard.push(`${channel}:${payload}`),
    });
    await reader.query("listen fraiseql_events");
    await scene.query("insert into t values (1)");
    await reader.query("select 1");
    deepEqual(heard, []);
    await fallAsleep(reader);
    await scene.query("insert into t values (2)");
    await reader.query("select 1");
    deepEqual(heard, ["fraiseql_events:"]);
    await wakeUp(reader);
    await scene.query("insert into t values (3)");
    await reader.query("select 1");
    equal(heard.length, 1);
    await reader.close();
  });
});

Deno.test("emptySlots() empties what is confirmed and old enough, and keeps its digest", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const reader = await connect({ url: scene.url });
    const later = new Date(Date.now() + 3600_000);
    await scene.query("insert into t select generate_series(1, 10)");
    const between = await currentSnapshot(reader);
    await scene.query("update t set v = 1");
    const events = await scene.events();
    const all = { snapshot: await currentSnapshot(reader), before: later };
    const rows = async () =>
      Number((await reader.query("select count(*) from fraiseql.change_log"))[0]?.[0]);

    equal(await emptySlots(reader, all), 0, "writers use the slot");
    equal(
      await advanceSlot(reader, { bytesMax: 1e9, secondsMax: 3600 }),
      false,
      "neither large nor old",
    );
    equal(await advanceSlot(reader, { bytesMax: 1, secondsMax: 3600 }), true);
    equal(await advanceSlot(reader, { bytesMax: 1, secondsMax: 3600 }), false, "nothing in it yet");
    equal(await emptySlots(reader, { ...all, snapshot: between }), 0, "not all confirmed");
    equal(await emptySlots(reader, { ...all, before: new Date(0) }), 0, "too young");
    equal(await rows(), 20);
    equal(await emptySlots(reader, all), 20);
    equal(await rows(), 0);

    const digest = await reader.query(
      "select entity_type, sum(event_count), mod(sum(event_hash), 2::numeric ^ 64)::numeric(20) " +
        "from fraiseql.change_digest group by 1",
    );
    let sum = 0n;
    for (const { eventId } of events) sum += await eventHash(eventId);
    deepEqual(digest, [["t", "20", String(sum % 2n ** 64n)]]);
    await reader.close();
  });
});

/** As fraiseql.event_hash(): whoever compares with the digest computes it so. */
async function eventHash(id: string): Promise<bigint> {
  const hex = id.replaceAll("-", "");
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return new DataView(hash).getBigUint64(0);
}

Deno.test("emptySlots() leaves a slot that an old snapshot still leads a writer to", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const [reader, old] = [await connect({ url: scene.url }), await connect({ url: scene.url })];
    await scene.query("insert into t values (1)");
    await old.query("begin isolation level repeatable read; select * from t");
    await advanceSlot(reader, { bytesMax: 1, secondsMax: 1 });
    await old.query("insert into t values (2)");
    const confirm = async () => ({
      snapshot: await currentSnapshot(reader),
      before: new Date(Date.now() + 3600_000),
    });
    equal(await emptySlots(reader, await confirm()), 0);
    await old.query("commit");
    equal(await emptySlots(reader, await confirm()), 2);
    equal((await readState(reader)).currentSlot, 1);
    await old.close();
    await reader.close();
  });
});

Deno.test("advanceSlot() stays where no slot is empty, and nothing is lost", async () => {
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const reader = await connect({ url: scene.url });
    for (let n = 0; n < 20; n++) {
      await scene.query(`insert into t values (${n})`);
      equal(await advanceSlot(reader, { bytesMax: 1, secondsMax: 1 }), n < 15);
    }
    equal((await scene.events()).length, 20);
    await reader.close();
  });
});
