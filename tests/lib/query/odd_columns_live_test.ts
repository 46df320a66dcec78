/** Columns and keys that PostgreSQL has and few schemas use: asked in every way, on a real server. */

import {
  deepStrictEqual as deepEqual,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { readData, readList, withEngine } from "./engine.ts";

Deno.test("a domain over an enum is compared, ordered and grouped as its enum", () =>
  withEngine([
    "create type mood as enum ('sad', 'ok', 'happy')",
    "create domain my_mood as mood",
    "create table moods (k my_mood primary key, list my_mood[])",
    "insert into moods values ('happy', '{sad}'), ('sad', '{ok,happy}')",
  ], async (engine) => {
    const conditions: [condition: string, keys: string][] = [
      ["k: { eq: sad }", "sad"],
      ["k: { neq: sad }", "happy"],
      ["k: { gt: ok }", "happy"],
      ["k: { lte: happy }", "sad happy"],
      ["k: { in: [sad, ok] }", "sad"],
      ["k: { nin: [sad] }", "happy"],
      ["list: { has: sad }", "happy"],
      ["list: { hasAny: [happy] }", "sad"],
      ["list: { hasAll: [ok, happy] }", "sad"],
    ];
    for (const [condition, keys] of conditions) {
      const text = `{ moods(where: { ${condition} }, orderBy: [{ k: ASC }]) { k } }`;
      const rows = await readList(engine, text) as { k: string }[];
      equal(`${condition}: ${rows.map(({ k }) => k).join(" ")}`, `${condition}: ${keys}`);
    }
    deepEqual(
      await readData(
        engine,
        "{ mood(k: sad) { k } moodsAggregate { min { k } countDistinct { k } } }",
      ),
      { mood: { k: "sad" }, moodsAggregate: [{ min: { k: "sad" }, countDistinct: { k: "2" } }] },
    );
    const { moodsConnection } = await readData(
      engine,
      "{ moodsConnection(first: 1) { pageInfo { endCursor } } }",
    );
    const after = moodsConnection.pageInfo.endCursor;
    deepEqual(await readData(engine, `{ moodsConnection(after: "${after}") { nodes { k } } }`), {
      moodsConnection: { nodes: [{ k: "happy" }] },
    });
  }));

Deno.test("a foreign key leads where it leads in PostgreSQL, its columns of whatever types and collations", () =>
  withEngine([
    "create extension citext",
    `create table codes (code text collate "C" primary key, v int)`,
    `create table collated (id int primary key, code_id text collate "ucs_basic" references codes)`,
    "create table loose (id int primary key, code_id citext references codes)",
    "create table varied (id int primary key, code_id varchar(9) references codes)",
    "create table big (id int8 primary key)",
    "create table small (id int primary key, big_id int2 references big)",
    "create table pairs (a int8, b text, primary key (a, b))",
    "create table halves (id int primary key, x int4, y citext, foreign key (x, y) references pairs)",
    "insert into codes values ('abc', 1), ('ABC', 2)",
    "insert into collated values (1, 'abc')",
    "insert into loose values (1, 'abc'), (2, 'ABC')",
    "insert into varied values (1, 'ABC')",
    "insert into big values (7)",
    "insert into small values (1, 7)",
    "insert into pairs values (1, 'a'), (1, 'A')",
    "insert into halves values (1, 1, 'A')",
  ], async (engine) => {
    deepEqual(
      await readData(
        engine,
        `{ codes(orderBy: [{ v: ASC }]) {
             v collateds { id } looses { id } varieds { id } collatedsAggregate { count } }
           looses(orderBy: [{ id: ASC }]) { id code { v } }
           collateds(where: { code: { v: { eq: 1 } } }) { id code { code } }
           bigs { id smalls { id } }
           smalls { big { id } }
           halves { pair { a b } }
           pairs(orderBy: [{ b: ASC }], where: { halves: {} }) { b } }`,
      ),
      {
        codes: [
          {
            v: 1,
            collateds: [{ id: 1 }],
            looses: [{ id: 1 }],
            varieds: [],
            collatedsAggregate: [{ count: "1" }],
          },
          {
            v: 2,
            collateds: [],
            looses: [{ id: 2 }],
            varieds: [{ id: 1 }],
            collatedsAggregate: [{ count: "0" }],
          },
        ],
        looses: [{ id: 1, code: { v: 1 } }, { id: 2, code: { v: 2 } }],
        collateds: [{ id: 1, code: { code: "abc" } }],
        bigs: [{ id: "7", smalls: [{ id: 1 }] }],
        smalls: [{ big: { id: "7" } }],
        halves: [{ pair: { a: "1", b: "A" } }],
        pairs: [{ b: "A" }],
      },
    );
  }));

Deno.test("a primary key that includes other columns is the key", () =>
  withEngine([
    "create table includes (id int, x text, primary key (id) include (x))",
    "insert into includes values (1, 'a')",
  ], async (engine) => {
    deepEqual(await readData(engine, "{ include(id: 1) { x } }"), { include: { x: "a" } });
  }));

Deno.test("a condition on json says which text it cannot read, and is no fault of ours", () =>
  withEngine([
    "create table docs (id int primary key, doc json)",
    `insert into docs values (1, '{"a": 1}'), (2, '{"a": "\\u0000"}')`,
  ], async (engine) => {
    await rejects(readList(engine, '{ docs(where: { doc: { hasKey: "a" } }) { id } }'), {
      code: "UNREPRESENTABLE",
      message: /u0000/,
    });
    equal((await readList(engine, "{ docs { doc } }")).length, 2);
  }));

Deno.test("a materialized view without data is UNAVAILABLE until it is refreshed", () =>
  withEngine(
    ["create materialized view waiting as select 1 as one with no data"],
    async (engine, run) => {
      await rejects(readList(engine, "{ waitings { one } }"), {
        code: "UNAVAILABLE",
        hint: /REFRESH MATERIALIZED VIEW/,
      });
      await run("refresh materialized view waiting");
      deepEqual(await readList(engine, "{ waitings { one } }"), [{ one: 1 }]);
    },
  ));

Deno.test("name and char are compared with the whole text that is given", () =>
  withEngine([
    `create table short (id name primary key, ch "char", list name[])`,
    `insert into short values (repeat('n', 63), 'z', array[repeat('n', 63)]::name[])`,
  ], async (engine) => {
    const count = async (where: string) =>
      (await readList(engine, `{ shorts(where: { ${where} }) { id } }`)).length;
    const [whole, longer] = ["n".repeat(63), "n".repeat(80)];
    equal(await count(`id: { eq: "${whole}" }`), 1);
    equal(await count(`id: { eq: "${longer}" }`), 0);
    equal(await count(`id: { in: ["${longer}"] }`), 0);
    equal(await count(`list: { has: "${longer}" }`), 0);
    equal(await count(`list: { hasAll: ["${whole}"] }`), 1);
    equal(await count('ch: { eq: "z" }'), 1);
    equal(await count('ch: { eq: "zebra" }'), 0);
    equal(await count('ch: { gt: "a" }'), 1);
    deepEqual(
      await readData(engine, `{ short(id: "${longer}") { id } shortsAggregate { max { id } } }`),
      { short: null, shortsAggregate: [{ max: { id: whole } }] },
    );
  }));

Deno.test("numbers beyond a type's range are refused, and never another value", () =>
  withEngine([
    "create table numbers (id int primary key, f8 float8, j jsonb)",
    `insert into numbers values (1, 'NaN', 'null')`,
  ], (engine) => {
    const json = "query ($j: JSON) { numbers(where: { j: { eq: $j } }) { id } }";
    for (const j of [Infinity, [-Infinity], { a: 2 ** 60 }]) {
      throws(() => engine.plan({ text: json, variables: { j } }), { code: "BAD_INPUT" });
    }
    throws(() => engine.plan({ text: "{ numbers(where: { f8: { gt: 1e400 } }) { id } }" }), {
      code: "BAD_INPUT",
      message: /beyond the range of a Float/,
    });
    return Promise.resolve();
  }));

Deno.test("a foreign key of a large table without an index is told of, and one with an index is not", () =>
  withEngine([
    "create table parents (id int primary key)",
    `create table children (id int primary key, a_id int references parents,
       b_id int references parents, c_id int references parents)`,
    "insert into children select i from generate_series(1, 1001) i",
    "create index on children (b_id, a_id)",
    "create index on children (c_id) where c_id > 0",
    "analyze children",
  ], (engine) => {
    const notes = [
      ...engine.sdl().matchAll(/^# foreign key (\w+) has no index: .* on \((.*)\)$/gm),
    ];
    deepEqual(notes.map(([, name, columns]) => [name, columns]), [
      ["children_a_id_fkey", "a_id"],
      ["children_c_id_fkey", "c_id"],
    ]);
    return Promise.resolve();
  }));
