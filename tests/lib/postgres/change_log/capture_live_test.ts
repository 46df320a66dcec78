/** What is captured, statement by statement. */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { connect } from "../../../../lib/postgres/connection.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();
const [found] = await server.query("select current_setting('server_version_num')::int as version");
const version = Number(found?.version);

const writes: [name: string, sql: string, said: string[]][] = [
  ["an INSERT", "insert into t values (2, 'b')", [`Created 2 {"id":2,"v":"b"}`]],
  [
    "an UPDATE with what changed",
    "update t set v = 'b'",
    [`Updated 1 {"id":1,"v":"b"} {"v":{"old":"a","new":"b"}}`],
  ],
  ["an UPDATE that changes nothing", "update t set v = v", [`Updated 1 {"id":1,"v":"a"} {}`]],
  ["a DELETE with the row before it", "delete from t", [`Deleted 1 {"id":1,"v":"a"}`]],
  ["no event for a statement that meets no row", "delete from t where id = 9", []],
  [
    "an upsert as what it did to each row",
    "insert into t values (2, 'n'), (1, 'n') on conflict (id) do update set v = 'u'",
    [
      `Updated 1 {"id":1,"v":"u"} {"v":{"old":"a","new":"u"}}`,
      `Created 2 {"id":2,"v":"n"}`,
    ],
  ],
  [
    "MERGE as what it did to each row",
    `merge into t using (values (1), (2)) s(id) on t.id = s.id
     when matched then delete when not matched then insert values (s.id, 'm')`,
    [`Deleted 1 {"id":1,"v":"a"}`, `Created 2 {"id":2,"v":"m"}`],
  ],
  [
    "the replacement of a row in one statement as Deleted, then Created",
    "with d as (delete from t returning id) insert into t select id, 'again' from d",
    [`Deleted 1 {"id":1,"v":"a"}`, `Created 1 {"id":1,"v":"again"}`],
  ],
  ["COPY", "copy t from program 'printf \"2\\tc\\n\"'", [`Created 2 {"id":2,"v":"c"}`]],
  ["TRUNCATE as Deleted of each row", "truncate t", [`Deleted 1 {"id":1,"v":"a"}`]],
  [
    "a changed key as Deleted, then Created",
    "update t set id = 5",
    [`Deleted 1 {"id":1,"v":"a"}`, `Created 5 {"id":5,"v":"a"}`],
  ],
  [
    "a savepoint that was rolled back as nothing",
    "begin; savepoint s; delete from t; rollback to s; commit",
    [],
  ],
];

for (const [name, sql, said] of writes) {
  if (name.startsWith("MERGE") && version < 150_000) continue; // which has none
  Deno.test(`capture sees ${name}`, async () => {
    const tables = "create table t (id int primary key, v text); insert into t values (1, 'a')";
    await Scene.run(server, { sql: tables, tables: ["t"] }, async (scene) => {
      await scene.query(sql);
      deepEqual(await scene.said(), said);
    });
  });
}

Deno.test("capture writes the line with its keys in the promised order", async () => {
  const sql = `create table t (id int primary key, v text)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`insert into t values (1, 'a')`);
    await scene.query(`
      set fraiseql.user_id = 'u"1'; set fraiseql.org_id = 'o'; set fraiseql.traceparent = '00-ab-cd-01';
      update t set v = 'b'`);
    const [created, updated] = await scene.events();
    match(
      created!.text,
      /^\{"id":"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","event_type":"Created","entity_type":"t","entity_id":"1","timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","data":\{"id":1,"v":"a"\},"user_id":null,"org_id":null\}$/,
    );
    match(
      updated!.text,
      /"data":\{"id":1,"v":"b"\},"user_id":"u\\"1","org_id":"o","changes":\{"v":\{"old":"a","new":"b"\}\}\}$/,
    );
    deepEqual([created!.traceparent, updated!.traceparent], [null, "00-ab-cd-01"]);
  });
});

Deno.test("capture gives an id whose time is the timestamp and whose tail is the position", async () => {
  const sql = `create table t (id int primary key)`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query("insert into t select generate_series(1, 500)");
    const events = await scene.events();
    for (const { position, eventId, line } of events) {
      equal(BigInt(`0x${eventId.slice(-12)}`), position);
      equal(parseInt(eventId.replace("-", "").slice(0, 12), 16), Date.parse(line.timestamp));
    }
    const byTime = events.map(({ line }) => `${line.timestamp} ${line.id}`);
    deepEqual(byTime, byTime.toSorted());
    equal(new Set(events.map(({ eventId }) => eventId)).size, 500);
  });
});

const values: [type: string, value: string, json: string][] = [
  ["int8", "9007199254740993", "9007199254740993"],
  ["numeric", "1.50", "1.50"],
  ["numeric", "'NaN'", `"NaN"`],
  ["numeric", "'-Infinity'", `"-Infinity"`],
  ["float8", "0.1", "0.1"],
  ["float8", "'Infinity'", `"Infinity"`],
  ["float4", "0.1", "0.1"],
  ["bool", "true", "true"],
  ["text", "null", "null"],
  ["text", `E'a"\\n\\\\\\u0001é😀'`, `"a\\"\\n\\\\\\u0001é😀"`],
  ["bytea", `'\\x00ff'`, `"\\\\x00ff"`],
  ["date", "'infinity'", `"infinity"`],
  ["timestamptz", "'2026-01-02 03:04:05.6+02'", `"2026-01-02T01:04:05.6+00:00"`],
  ["timestamptz", "'-infinity'", `"-infinity"`],
  ["timestamp", "'2026-01-02 03:04:05'", `"2026-01-02T03:04:05"`],
  ["interval", "'1 day 02:00'", `"P1DT2H"`],
  ["uuid", "'00000000-0000-0000-0000-00000000000a'", `"00000000-0000-0000-0000-00000000000a"`],
  ["jsonb", `'{"b": 1, "a": [1.0]}'`, `{"a": [1.0], "b": 1}`],
  ["json", `E'{"a":\\n 1}'`, `{"a":  1}`],
  ["json", `'"\\u0000\\ud800\\u0041"'`, `"\\\\u0000\\\\ud800\\u0041"`],
  ["json", `'"\\ud83d\\ude00\\\\u0000"'`, `"\\ud83d\\ude00\\\\u0000"`],
  ["int[]", "'{1,null,3}'", "[1,null,3]"],
  ["text[]", "'{{a,b},{c,d}}'", `[["a","b"],["c","d"]]`],
  ["mood", "'so so'", `"so so"`],
  ["place", "row(1, 'x')", `{"x":1,"y":"x"}`],
  ["place[]", "array[row(1, 'x')::place]", `[{"x":1,"y":"x"}]`],
  ["positive", "5", "5"],
  ["int4range", "'[1,5)'", `"[1,5)"`],
  ["tstzrange", "'[2026-01-01 00:00+02,)'", `"[\\"2025-12-31 22:00:00+00\\",)"`],
  ["inet", "'10.0.0.1/8'", `"10.0.0.1/8"`],
  ["money", "'12.5'", `"$12.50"`],
  ["xml", "'<a/>'", `"<a/>"`],
];

Deno.test("capture writes values of every kind of type, whatever the session has set", async () => {
  // Numerics were not infinite before.
  const known = values.filter(([type, value]) =>
    version >= 140_000 || type !== "numeric" || value !== "'-Infinity'"
  );
  const columns = known.map(([type], index) => `c${index} ${type}`);
  const sql = `
    create type mood as enum ('so so', 'fine');
    create type place as (x int, y text);
    create domain positive as int check (value > 0);
    create table t (id int primary key, ${columns.join(", ")})`;
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    await scene.query(`
      set "TimeZone" = 'Asia/Tokyo'; set "IntervalStyle" = 'postgres'; set "DateStyle" = 'German';
      set bytea_output = 'escape'; set extra_float_digits = -5; set lock_timeout = 1;
      create schema mine; create function mine.to_json(text) returns json language sql as 'select null::json';
      set search_path = mine, public, pg_catalog`);
    await scene.query(`insert into t values (1, ${known.map(([, value]) => value).join(", ")})`);
    const [created] = await scene.events();
    const wanted = known.map(([, , json], index) => `"c${index}":${json}`).join(",");
    ok(created!.text.includes(`"data":{"id":1,${wanted}}`), `${created!.text}\n${wanted}`);
  });
});

const keys: [type: string, key: string, columns: string, row: string, id: string][] = [
  ["text", "k", "k text", "'a\"b'", `a"b`],
  ["int8", "k", "k int8", "12", "12"],
  [
    "uuid",
    "k",
    "k uuid",
    "'00000000-0000-0000-0000-00000000000a'",
    "00000000-0000-0000-0000-00000000000a",
  ],
  ["several columns", "k, l", "k int, l text", "1, 'a\"b'", `["1","a\\"b"]`],
  ["columns in the key's order", "l, k", "k int, l text", "1, 'x'", `["x","1"]`],
];

for (const [name, key, columns, row, id] of keys) {
  Deno.test(`capture names a row by a key of ${name}`, async () => {
    const sql = `create table t (${columns}, v int, primary key (${key}))`;
    await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
      await scene.query(`insert into t values (${row}, 0); update t set v = 1; delete from t`);
      deepEqual((await scene.events()).map(({ line }) => `${line.event_type} ${line.entity_id}`), [
        `Created ${id}`,
        `Updated ${id}`,
        `Deleted ${id}`,
      ]);
    });
  });
}

Deno.test("capture goes on while columns are added, renamed and dropped, in sessions that had plans", async () => {
  const sql = `create table t (a int, id int primary key, v text, w text)`;
  await Scene.run(server, { sql, tables: ["t"], how: { except: ["w"] } }, async (scene) => {
    const other = await connect({ url: scene.url });
    await scene.query("insert into t values (1, 1, 'a', 'x')");
    let hidden = "w";
    for (
      const change of [
        "add column n json default '[1]'",
        "rename column id to key",
        "rename column w to hidden",
        "drop column a",
        "alter column v type varchar(9)",
        "add column api_token text default 'T'",
      ]
    ) {
      await other.query(`alter table t ${change}`);
      if (change.startsWith("rename column w")) hidden = "hidden";
      await scene.query(`update t set v = v || 'a', ${hidden} = 'y'`);
    }
    await scene.query("delete from t");
    await other.close();
    const said = await scene.said();
    deepEqual(said, [
      `Created 1 {"a":1,"id":1,"v":"a"}`,
      `Updated 1 {"a":1,"id":1,"v":"aa","n":[1]} {"v":{"old":"a","new":"aa"}}`,
      `Updated 1 {"a":1,"key":1,"v":"aaa","n":[1]} {"v":{"old":"aa","new":"aaa"}}`,
      `Updated 1 {"a":1,"key":1,"v":"aaaa","n":[1]} {"v":{"old":"aaa","new":"aaaa"}}`,
      `Updated 1 {"key":1,"v":"aaaaa","n":[1]} {"v":{"old":"aaaa","new":"aaaaa"}}`,
      `Updated 1 {"key":1,"v":"aaaaaa","n":[1]} {"v":{"old":"aaaaa","new":"aaaaaa"}}`,
      `Updated 1 {"key":1,"v":"aaaaaaa","n":[1]} {"v":{"old":"aaaaaa","new":"aaaaaaa"}}`,
      `Deleted 1 {"key":1,"v":"aaaaaaa","n":[1]}`,
    ]);
  });
});

Deno.test("capture goes on in a transaction whose snapshot is older than the table's columns", async () => {
  const sql =
    "create table t (id int primary key, v text, w text); insert into t values (1, 'a', 'b')";
  await Scene.run(server, { sql, tables: ["t"] }, async (scene) => {
    const other = await connect({ url: scene.url });
    await scene.query("update t set w = 'c'");
    for (const level of ["repeatable read", "serializable"]) {
      await scene.query(`begin isolation level ${level}; select count(*) from pg_class`);
      await other.query("alter table t rename v to x; alter table t drop column w");
      await scene.query("update t set x = 'd'; commit; update t set x = 'e'");
      await other.query("alter table t rename x to v; alter table t add w text");
      await scene.list();
    }
    await other.close();
    const said = await scene.said();
    equal(said.filter((line) => line.startsWith("Updated")).length, 5);
    equal(said[2], `Updated 1 {"id":1,"x":"e"} {"x":{"old":"d","new":"e"}}`);
  });
});

Deno.test("capture by a key that PostgreSQL does not hold takes nulls and rows of one key", async () => {
  const sql = "create table t (k text, v int)";
  await Scene.run(server, { sql, tables: ["t"], how: { key: ["k"] } }, async (scene) => {
    await scene.query(`
      insert into t values (null, 1), ('a', 1), ('a', 2);
      update t set v = v + 1; delete from t where k is null`);
    deepEqual((await scene.said()).sort(), [
      `Created  {"k":null,"v":1}`,
      `Created a {"k":"a","v":1}`,
      `Created a {"k":"a","v":2}`,
      `Deleted  {"k":null,"v":2}`,
      `Updated  {"k":null,"v":2} {"v":{"old":1,"new":2}}`,
      `Updated a {"k":"a","v":3} {"v":{"old":1,"new":3}}`,
    ]);
  });
});

const counted = `
  create table t (id int primary key, v int);
  create table item (t int);
  insert into t values (1, 0), (2, 0);
  create function count_item() returns trigger language plpgsql as
    'begin update t set v = v + 1 where id = new.t; return null; end';
  create trigger count_item after insert on item for each row execute function count_item()`;

Deno.test("capture reads an event or two of the log for each write of a row that one statement writes often", async () => {
  await Scene.run(server, { sql: counted, tables: ["t"] }, async (scene) => {
    await scene.query("begin; insert into item select 1 + n % 2 from generate_series(1, 400) n");
    const [[read] = []] = await scene.query(`
      select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_all_tables
      where relname like 'change_log%' and schemaname = 'fraiseql'`);
    await scene.query("commit");
    equal((await scene.events()).length, 400);
    ok(Number(read) > 0 && Number(read) < 1600, `${read}`);
  });
});

const restoring = `
  create table t (id int primary key, v int, note text);
  insert into t values (1, 0, '');
  create function restore() returns trigger language plpgsql as $$ begin
    update t set v = v + 1, note = 'inner' where id = new.id;
    update t set v = old.v, note = old.note where id = new.id;
    return null;
  end $$;
  create trigger restore after update on t for each row when (new.note = 'restore')
    execute function restore()`;

const often: [what: string, statements: string, values: string[]][] = [
  ["one after the other", "", []],
  [
    "by a row trigger that gives it the values it had",
    "update t set v = 50, note = 'restore';",
    ["50 restore", "51 inner", "4 "],
  ],
  [
    "by such a trigger twice",
    "update t set v = 50, note = 'restore'; update t set v = 60, note = 'restore';",
    ["50 restore", "51 inner", "4 ", "60 restore", "61 inner", "4 "],
  ],
  [
    "in a block that is undone",
    "begin update t set v = 9; update t set v = 8; raise 'x'; exception when others then null; end;",
    [],
  ],
  ["without a change", "update t set v = v;", ["4 "]],
  [
    "away and back",
    "delete from t; insert into t values (1, 4, '');",
    ["4 ", "4 "],
  ],
  [
    "away by TRUNCATE and back",
    "truncate t; insert into t values (1, 4, '');",
    ["4 ", "4 "],
  ],
];

for (const [what, statements, values] of often) {
  Deno.test(`capture keeps in order what one statement writes to a row often: ${what}`, async () => {
    await Scene.run(server, { sql: restoring, tables: ["t"] }, async (scene) => {
      await scene.query(`do $do$ begin
        for n in 1..4 loop update t set v = n; end loop;
        ${statements}
        update t set v = v + 1; update t set v = v + 1;
      end $do$`);
      const said = (await scene.events()).map(({ line }) => `${line.data.v} ${line.data.note}`);
      deepEqual(said, ["1 ", "2 ", "3 ", "4 ", ...values, "5 ", "6 "]);
    });
  });
}
