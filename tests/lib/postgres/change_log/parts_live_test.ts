/** Parts of a captured table that differ from it, and keys that PostgreSQL holds no longer. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../../../services/postgres.ts";
import { stoppedAfter } from "./backfilled.ts";
import { captured } from "./captured.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();

/** A row trigger that writes the row again, directly to the part. */
const again = (part: string) => `
  create function again() returns trigger language plpgsql as $$ begin
    if new.b < 10 then update ${part} set b = b + 10 where id = new.id; end if; return null;
  end $$;
  create trigger again after insert or update on ${part} for each row execute function again();`;

const reordered: [what: string, sql: string, table: string, part: string, write: string][] = [
  [
    "a partition",
    `create table t (id int, region text, a int, b int, primary key (id, region))
      partition by list (region);
    create table part (b int, gone int, region text not null, id int not null, a int,
      primary key (id, region));
    alter table part drop gone; alter table t attach partition part for values in ('e');`,
    "t",
    "part",
    "insert into t values (1, 'e', 1, 1)",
  ],
  [
    "a child that inherits and has columns of its own",
    `create table t (id int primary key, region text, a int, b int);
    create table part (b int, own text default 'x', region text, id int primary key, a int);
    alter table part inherit t; insert into part values (0, 'x', 'e', 1, 1);`,
    "t",
    "part",
    "update t set b = 1",
  ],
];

for (const [what, sql, table, part, write] of reordered) {
  for (const way of ["short", "long"]) {
    Deno.test(`capture puts events in order, its ${way} way, where ${what} has another order of columns`, async () => {
      await Scene.run(server, { sql: sql + again(part), tables: [table] }, async (scene) => {
        if (way === "long") {
          await scene.query(`update fraiseql.captured_relations set columns_fingerprint = null;
            select fraiseql.write_triggers()`);
        }
        await scene.query(write);
        const events = await scene.events();
        deepEqual(events.map(({ line }) => [line.event_type, JSON.stringify(line.data)]), [
          [write.startsWith("insert") ? "Created" : "Updated", row(1, 1)],
          ["Updated", row(1, 11)],
        ]);
        deepEqual(events[1]?.line.changes, { b: { old: 1, new: 11 } });
        await scene.query(`update ${part} set a = 2; update ${part} set id = 2; truncate ${part}`);
        deepEqual(
          (await scene.events()).map(({ line }) =>
            `${line.event_type} ${JSON.stringify(line.data)}`
          ),
          [
            `Updated ${row(1, 11, 2)}`,
            `Deleted ${row(1, 11, 2)}`,
            `Created ${row(2, 11, 2)}`,
            `Deleted ${row(2, 11, 2)}`,
          ],
        );
      });
    });
  }
}

const row = (id: number, b: number, a = 1) => JSON.stringify({ id, region: "e", a, b });

Deno.test("capture says a large row before as the root has it, where a part has another order of columns", async () => {
  const sql = `
    create table t (id int, region text, a text, b int, primary key (id, region))
      partition by list (region);
    create table part (b int, region text not null, a text, id int not null);
    alter table t attach partition part for values in ('e')`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`insert into t values (1, 'e', repeat('x', 70000), 1);
      update part set b = 2; update t set b = 3`);
    const hashes = await scene.query(`
      select l.old_hash = b.new_hash or l.old_hash = hashtextextended(b.data, 0)
      from fraiseql.change_log l join fraiseql.change_log b on b.position = (
        select max(p.position) from fraiseql.change_log p where p.position < l.position)
      where l.event_type = 'Updated'`);
    deepEqual(hashes, [["t"], ["t"]]);
  });
});

/** What makes a key one that PostgreSQL holds no longer, at any time and in any part. */
const unheld: [what: string, sql: string, other: string][] = [
  ["its constraint is dropped", "alter table t drop constraint t_pkey", "t"],
  [
    "its constraint is made deferrable",
    `alter table t drop constraint t_pkey,
      add primary key (id) deferrable initially deferred`,
    "t",
  ],
  ["a table begins to inherit", "create table u () inherits (t)", "u"],
  [
    "its column takes nulls",
    "alter table t drop constraint t_pkey, add unique (id), alter id drop not null",
    "t",
  ],
];

for (const [what, sql, other] of unheld) {
  Deno.test(`capture sees each row once when ${what} after it began`, async () => {
    const tables = "create table t (id int primary key, v text)";
    await Scene.run(server, { sql: tables, tables: ["t"] }, async (scene) => {
      // So that the session has plans for the key as it was.
      await scene.query("insert into t values (1, 'x'); update t set v = 'x' where id = 1");
      deepEqual((await scene.list())[0]?.faults, []);
      await scene.events();
      await scene.query(sql);
      const isNull = what.endsWith("nulls");
      const id = isNull ? "null" : "1";
      await scene.query(isNull ? "delete from t; insert into t values (null, 'x')" : "select 1");
      const twice = async () => {
        await scene.query("begin; set constraints all deferred");
        await scene.query(`insert into ${other} values (${id}, 'y')`);
        await scene.events();
        await scene.query("update t set v = v || '!'");
        await scene.query(`delete from only ${other} where v like 'y%'; commit`);
        return (await scene.events()).map(({ line }) => [
          line.event_type,
          JSON.stringify(line.changes ?? line.data),
        ]).filter(([type]) => type === "Updated").map(([, changes]) => changes);
      };
      deepEqual(await twice(), [
        `{"v":{"old":"x","new":"x!"}}`,
        `{"v":{"old":"y","new":"y!"}}`,
      ]);
      // What is asked of the key again, and kept, says the same.
      match(
        (await scene.list())[0]?.faults.join("\n") ?? "",
        /^no unique index holds its key id any longer, so rows of the same key look like one/m,
      );
      equal((await twice()).length, 2);
    });
  });
}

Deno.test("capture takes no writes of a partition that was detached, by either way, until it is attached", async () => {
  const sql = `
    create table t (id int primary key) partition by range (id);
    create table t1 partition of t for values from (0) to (10);
    create table u (id int primary key); create table u1 (primary key (id)) inherits (u)`;
  await Scene.run(server, { sql, tables: ["t", "u"] }, async (scene) => {
    await scene.query("insert into t1 values (1); insert into u1 values (1)");
    equal((await scene.said()).length, 2);
    await scene.query("alter table t detach partition t1; alter table u1 no inherit u");
    const write = `insert into %s values (2); update %s set id = 3 where id = 2;
      delete from %s where id = 3; truncate %s`;
    await scene.query(write.replaceAll("%s", "t1") + ";" + write.replaceAll("%s", "u1"));
    deepEqual(await scene.said(), []);
    deepEqual(await scene.query("select reason from fraiseql.change_gaps"), []);
    match((await scene.list())[0]?.faults.join() ?? "", /^public\.t1 is no part of it any longer/);
    await scene.query(`alter table t attach partition t1 for values from (0) to (10);
      insert into t1 values (4)`);
    deepEqual(await scene.said(), [`Created 4 {"id":4}`]);
    await scene.query("alter table t detach partition t1");
    await captured(scene.url, ["t"]);
    await scene.query("insert into t1 values (5)");
    deepEqual(await scene.said(), []);
  });
});

Deno.test("backfill() takes no more rows of a partition that was detached meanwhile", async () => {
  const sql = `
    create table t (id int primary key) partition by range (id);
    create table t1 partition of t for values from (0) to (10);
    create table t2 partition of t for values from (10) to (20);
    insert into t values (1), (2), (3), (11)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await stoppedAfter(1, scene.url, "t", { backfillRowsMax: 1 });
    deepEqual(await scene.said(), [`Created 1 {"id":1}`]);
    await scene.query("alter table t detach partition t1");
    // The next chunks of a walk that goes on, which does not look for its parts again.
    const chunk = "select outcome from fraiseql.backfill_chunk('t', 1, 1000000, '90 days', 100)";
    const outcomes = [];
    for (let n = 0; n < 3; n++) outcomes.push(...(await scene.query(chunk)).flat());
    deepEqual(outcomes, ["go on", "go on", "done"]);
    deepEqual(await scene.said(), [`Created 11 {"id":11}`]);
  });
});
