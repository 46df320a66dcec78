/** Which columns are captured, and what tables may be like. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { connect } from "../../../../lib/postgres/connection.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { captured } from "./captured.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();

Deno.test("capture leaves out the columns it is told to, and those named like a secret", async () => {
  const sql = `create table t (id int primary key, v text, password_hash text, "apiToken" text)`;
  await Scene.run(server, { sql, tables: ["t"], how: { except: ["v"] } }, async (scene) => {
    await scene.query(
      "insert into t values (1, 'a', 'b', 'c'); update t set v = 'x', password_hash = 'y'",
    );
    deepEqual(await scene.said(), [`Created 1 {"id":1}`, `Updated 1 {"id":1} {}`]);
  });
});

Deno.test("capture takes a column named like a secret when it is named", async () => {
  const sql = `create table t (id int primary key, v text, password text)`;
  await Scene.run(server, { sql, tables: ["t"], how: { only: ["password"] } }, async (scene) => {
    await scene.query(
      "insert into t values (1, 'a', 'b'); alter table t add w int; update t set w = 1",
    );
    deepEqual(await scene.said(), [
      `Created 1 {"id":1,"password":"b"}`,
      `Updated 1 {"id":1,"password":"b"} {}`,
    ]);
  });
});

Deno.test("capture takes user and organization from columns, else from the settings", async () => {
  const sql = `create table t (id int primary key, by_user int, org text)`;
  const how = { userColumn: "by_user", orgColumn: "org", except: ["by_user"] };
  await Scene.run(server, { sql, tables: ["t"], how }, async (scene) => {
    await scene.query(`
      set fraiseql.user_id = 'setting'; insert into t values (1, 7, 'o'), (2, null, null)`);
    const events = await scene.events();
    deepEqual(events.map(({ text }) => /"user_id".*(?=\})/.exec(text)?.[0]), [
      `"user_id":"7","org_id":"o"`,
      `"user_id":"setting","org_id":null`,
    ]);
  });
});

Deno.test("capture knows virtual columns, which transition tables do not show", async () => {
  const sql =
    `create table t (id int primary key, a int, b int generated always as (a * 2) stored)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const [version] = await scene.query("select current_setting('server_version_num')");
    const kind = Number(version?.[0]) >= 180_000 ? "virtual" : "stored";
    await scene.query(`alter table t add c int generated always as (a + 1) ${kind}`);
    await scene.query("insert into t values (1, 2); update t set a = 3; delete from t");
    deepEqual(await scene.said(), [
      `Created 1 {"id":1,"a":2,"b":4,"c":3}`,
      `Updated 1 {"id":1,"a":3,"b":6,"c":4} ` +
      `{"a":{"old":2,"new":3},"b":{"old":4,"new":6},"c":{"old":3,"new":4}}`,
      `Deleted 1 {"id":1,"a":3,"b":6,"c":4}`,
    ]);
  });
});

Deno.test("capture is not confused by columns that are named like its own", async () => {
  const names = [
    "n",
    "o",
    "t",
    "old_rows",
    "new_rows",
    "old_texts",
    "new_texts",
    "mine",
    "capture",
  ];
  const sql = `create table t (id int primary key, ${names.map((name) => `"${name}" int`)})`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`insert into t values (1, ${names.map((_, i) => i)}); update t set n = 9`);
    const row = (n: number) =>
      `{"id":1,${names.map((name, i) => `"${name}":${name === "n" ? n : i}`).join(",")}}`;
    deepEqual(await scene.said(), [
      `Created 1 ${row(0)}`,
      `Updated 1 ${row(9)} {"n":{"old":0,"new":9}}`,
    ]);
  });
});

Deno.test("capture works for a writer who has rights on the table alone", async () => {
  const sql = `create table t (id int primary key)`;
  const role = `writer_${crypto.randomUUID().slice(0, 8)}`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`create role ${role}; grant insert on t to ${role}`);
    try {
      await scene.query(`set role ${role}; insert into t values (1); reset role`);
      deepEqual(await scene.said(), [`Created 1 {"id":1}`]);
    } finally {
      await scene.query(`reset role; drop owned by ${role}; drop role ${role}`);
    }
  });
});

Deno.test("capture sees a partition's own statements, and reports those attached later", async () => {
  const sql = `
    create table t (id int, p int, primary key (id, p)) partition by list (p);
    create table t1 partition of t for values in (1)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`
      create table t2 partition of t for values in (2);
      insert into t values (1, 1), (2, 2); insert into t1 values (3, 1);
      update t set p = 2 where id = 1; truncate t1`);
    deepEqual(await scene.said(), [
      `Created ["1","1"] {"id":1,"p":1}`,
      `Created ["2","2"] {"id":2,"p":2}`,
      `Created ["3","1"] {"id":3,"p":1}`,
      `Deleted ["1","1"] {"id":1,"p":1}`,
      `Created ["1","2"] {"id":1,"p":2}`,
      `Deleted ["3","1"] {"id":3,"p":1}`,
    ]);
    const [t] = await scene.list();
    match(
      t!.faults.join(),
      /^public\.t2 has no triggers, so direct writes to it are not captured: capture public\.t again$/,
    );
  });
});

const noticed: [what: string, sql: string, fault: RegExp][] = [
  [
    "a disabled trigger",
    "alter table t disable trigger fraiseql_update",
    /^trigger fraiseql_update of public\.t is disabled: alter table public\.t enable trigger/,
  ],
  ["a dropped trigger", "drop trigger fraiseql_insert on t", /^public\.t has no triggers/],
  [
    "a key column that is gone",
    "alter table t drop column id cascade",
    /^its key column id is gone$/,
  ],
  [
    "an excepted column that is gone",
    "alter table t drop column w",
    /^its except column w is gone$/,
  ],
];

for (const [what, sql, fault] of noticed) {
  Deno.test(`listCaptures() reports ${what}`, async () => {
    const tables = `create table t (id int primary key, v int, w int)`;
    await Scene.run(
      server,
      { sql: tables, tables: ["t"], how: { except: ["w"] } },
      async (scene) => {
        deepEqual((await scene.list())[0]?.faults, []);
        await scene.query(sql);
        match((await scene.list())[0]?.faults.join() ?? "", fault);
      },
    );
  });
}

Deno.test("capture without the key's column marks a gap, and the write goes on", async () => {
  const sql = `create table t (id int primary key, v int)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("alter table t drop column id; insert into t values (1), (2)");
    await scene.query("insert into t values (3)");
    deepEqual(await scene.said(), []);
    deepEqual(await scene.query("select entity_type, reason from fraiseql.change_gaps"), [
      ["t", "key column dropped"],
    ]);
  });
});

Deno.test("capture again takes up the parts that came, and lets go of those that left", async () => {
  const sql = `
    create table t (id int primary key) partition by range (id);
    create table t1 partition of t for values from (0) to (10);
    create table t2 partition of t for values from (10) to (20)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`
      alter table t detach partition t1;
      create table t3 partition of t for values from (20) to (30)`);
    deepEqual((await scene.list())[0]?.faults, [
      "public.t3 has no triggers, so direct writes to it are not captured: capture public.t again",
      "public.t1 is no part of it any longer, and has triggers still: capture public.t again",
    ]);
    await captured(scene.url, ["t"]);
    deepEqual((await scene.list())[0]?.faults, []);
    await scene.query(
      "insert into t1 values (1); insert into t2 values (11); insert into t3 values (21)",
    );
    deepEqual(await scene.said(), [`Created 11 {"id":11}`, `Created 21 {"id":21}`]);
  });
});

Deno.test("capture of a table writes its own trigger functions alone, and drops those it had", async () => {
  const sql = "create table t (id int primary key); create table u (id int primary key)";
  await Scene.run(server, { sql, tables: ["t", "u"] }, async (scene) => {
    const functions = async () =>
      (await scene.query(`
        select proname, xmin from pg_proc
        where pronamespace = 'fraiseql'::regnamespace and proname ~ '^capture_[a-z]+_[0-9]+$'
        order by 1`)).map((row) => row.join(" "));
    const before = await functions();
    await scene.query("alter table t add column v text");
    await scene.query("select fraiseql.capture('u', 'u', '{id}')");
    const after = await functions();
    deepEqual(
      [before, after].map((names) => names.map((name) => name.replace(/ .*/, ""))),
      [[1, 2], [1, 3]].map((numbers) =>
        ["delete", "insert", "update"].flatMap((kind) =>
          numbers.map((number) => `capture_${kind}_${number}`)
        )
      ),
    );
    const ofT = (names: string[]) => names.filter((name) => name.includes("_1 "));
    deepEqual(ofT(after), ofT(before));
    await scene.query("insert into t values (1, 'a'); insert into u values (1)");
    deepEqual(await scene.said(), [`Created 1 {"id":1,"v":"a"}`, `Created 1 {"id":1}`]);
  });
});

Deno.test("a captured table that was dropped leaves its entity type to another", async () => {
  const sql = "create table t (id int primary key)";
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("drop table t");
    deepEqual(await scene.list(), []);
    await scene.query("create table t (id int primary key, v text)");
    await captured(scene.url, ["t"]);
    await scene.query("insert into t values (1, 'a')");
    deepEqual(await scene.said(), [`Created 1 {"id":1,"v":"a"}`]);
  });
});

/** Names that would end a quotation, stand for something in a format, or be SQL of their own. */
const awkward = [`a"b`, `c'd`, "e\\f", "%s", "%1$s", "%short%", "$q$", "é", "select", "mine.slot"];

/** Every kind of value that is compared in a way of its own. */
const kinds: [type: string, was: string, becomes: string][] = [
  ["numeric", "1.0", "1.00"],
  ["float8", "'-0'", "0"],
  ["json", `'{"a": 1}'`, `'{"a":1}'`],
  ["json", `'null'`, "null"],
  ["jsonb", `'{"a": 1}'`, `'{"a":1.0}'`],
  ["int[]", "'{1}'", "'{1,2}'"],
  ["bpchar(3)", "'a'", "'a  '"],
  ["timestamptz", "'2026-01-01 00:00+01'", "'2026-01-01 00:00+02'"],
  ["interval", "'1 day'", "'24 hours'"],
  ["bytea", "'\\x00'", "'\\x0000'"],
  ["bool", "true", "null"],
  ["text", "null", "''"],
  ["mood", "'fine'", "'so so'"],
  ["place", `'(1,a)'`, `'(1,b)'`],
  ["positive", "1", "2"],
  ["text collate blunt", "'A'", "'a'"],
];

Deno.test("capture says the same by its short way, which names the columns, as by the long one", async () => {
  const values = kinds.map(([type], n) => `k${n} ${type}`);
  const names = awkward.map((name) => `"${name.replaceAll('"', '""')}" text default 'x'`);
  const many = Array.from({ length: 120 }, (_, n) => `m${n} int default ${n}`);
  const columns = (key: string) =>
    `(${[
      "id int",
      "at timestamptz",
      ...values,
      ...names,
      ...many,
      "secret_token text",
      `primary key (${key})`,
    ]})`;
  const sql = `
    create type mood as enum ('so so', 'fine'); create type place as (x int, y text);
    create domain positive as int check (value > 0);
    create collation blunt (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table t ${columns("id, at")}; create table u ${columns(`"a""b"`)}`;
  await Scene.run(server, { sql, tables: ["t", "u"], how: { except: ["m7"] } }, async (scene) => {
    const write = async (key: string) => {
      const some = kinds.map((_, n) => `k${n}`);
      await scene.query(`
        insert into t (id, at, ${some}) select n, '2026-01-01 00:00+03', ${
        kinds.map(([, was]) => was)
      } from generate_series(1, 3) n;
        update t set ${kinds.map(([, , becomes], n) => `k${n} = ${becomes}`)}, m119 = 0, m7 = 1;
        update t set id = id + 2, "%s" = 'y' where id > 1; update t set k0 = k0; delete from t;
        insert into u (id, "a""b") values (1, '${key}'), (2, 'A'), (3, 'a');
        update u set id = 9, "c'd" = null; update u set "a""b" = upper("a""b") where id = 9 and
          "a""b" <> 'a'; delete from u`);
      return (await scene.events()).map(({ text }) =>
        text.replace(/^\{"id":"[^"]*"/, "").replace(/"timestamp":"[^"]*"/, "")
      ).sort(); // rows of a statement come as PostgreSQL finds them
    };
    const short = await write("'';--");
    await scene.query("update fraiseql.captured_relations set columns_fingerprint = null");
    await scene.query("select fraiseql.write_triggers()");
    const long = await write("'';--");
    equal(short.join("\n"), long.join("\n"));
    equal(short.length, 27);
  });
});

Deno.test("capture gives a type's owner no rights: casts to json are not called with those of the log", async () => {
  const role = `typist_${crypto.randomUUID().slice(0, 8)}`;
  const sql = `create role ${role}; grant create on schema public to ${role};
    create table t (id int primary key, v int); alter table t owner to ${role}`;
  try {
    await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
      await scene.query(`
        set role ${role};
        create type mood as enum ('a', 'b');
        create table called (by text);
        create function spy(mood) returns json language plpgsql as
          'begin insert into called values (current_user); return to_json(1); end';
        create cast (mood as json) with function spy(mood);
        alter table t add column m mood default 'a';
        insert into t values (1, 1, 'a');
        update t set v = 2;
        reset role`);
      deepEqual(await scene.query("select by from called"), []);
      deepEqual(await scene.said(), []);
      deepEqual(await scene.query("select reason from fraiseql.change_gaps"), [
        ["type public.mood of another owner"],
      ]);
      await rejects(
        scene.query("select fraiseql.capture('t', 't', array['id'])"),
        (error: Error) => /owned by typist_/.test(String(error.cause)),
      );
      await scene.query(`drop cast (mood as json); drop function spy(mood)`);
      await scene.query(`reassign owned by ${role} to current_user`);
      await scene.query("update t set v = 3");
      deepEqual((await scene.said()).length, 1);
    });
  } finally {
    await server.query(`drop role if exists ${role}`);
  }
});

Deno.test("capture goes on where a session has standard_conforming_strings off", async () => {
  const sql = "create table t (id int primary key, j json)";
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const other = await connect({ url: scene.url });
    await other.query("set standard_conforming_strings = off");
    await other.query(`insert into t values (1, '{"a":"\\\\u0000 \\\\n"}')`);
    await other.query(
      "do $$ begin update t set j = '1'; update t set j = '2'; delete from t; end $$",
    );
    await other.close();
    deepEqual((await scene.events()).map(({ line }) => [line.event_type, line.data.j]), [
      ["Created", { a: "\\u0000 \n" }],
      ["Updated", 1],
      ["Updated", 2],
      ["Deleted", 2],
    ]);
  });
});

Deno.test("capture writes null for what a NOT NULL that was not validated left", async () => {
  const [found] = await server.query(
    "select current_setting('server_version_num')::int as version",
  );
  if (Number(found?.version) < 180_000) return; // which validate each
  const sql = `create table t (id int primary key, v int); insert into t values (1, null);
    alter table t add constraint filled not null v not valid`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("update t set v = 1");
    deepEqual((await scene.events()).map(({ line }) => line.changes), [
      { v: { old: null, new: 1 } },
    ]);
  });
});

Deno.test("capture names a row by its enum's label, whatever casts there are", async () => {
  const sql = `create type mood as enum ('a', 'b');
    create function mood_text(mood) returns text language sql as $$ select 'other' $$;
    create cast (mood as text) with function mood_text(mood);
    create table t (id mood primary key, v int)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("insert into t values ('a', 1)");
    await scene.query("begin isolation level serializable; update t set v = 2; commit");
    await scene.query("delete from t");
    deepEqual((await scene.events()).map(({ line }) => line.entity_id), ["a", "a", "a"]);
  });
});

Deno.test("capture knows columns whose names hold the ends of its own texts", async () => {
  const sql = "create table t (id int primary key, v text)";
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`alter table t rename v to "a$trigger$b$q$ '%short%"`);
    await scene.query("select fraiseql.refresh_captured()");
    await scene.query("insert into t values (1, 'a'); update t set id = 2; delete from t");
    deepEqual((await scene.said()).length, 4);
  });
});
