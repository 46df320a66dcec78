import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { readList, withEngine } from "./engine.ts";

Deno.test("a table that others inherit from: each row once, and no row by a key that is not one", () =>
  withEngine([
    "create table parents (id int primary key, v text)",
    "create table children (extra int) inherits (parents)",
    "create table refs (id int primary key, parent_id int references parents)",
    "insert into parents values (1, 'own'), (2, 'other')",
    "insert into children values (1, 'inherited', 9)",
    "insert into refs values (10, 1)",
  ], async (engine) => {
    deepEqual(await readList(engine, "{ refs { id parent { v } } }"), [
      { id: 10, parent: { v: "own" } },
    ]);
    deepEqual(
      await readList(engine, '{ refs(where: { parent: { v: { eq: "inherited" } } }) { id } }'),
      [],
    );
    deepEqual(await readList(engine, "{ parents(orderBy: [{ v: ASC }]) { v } }"), [
      { v: "inherited" },
      { v: "other" },
      { v: "own" },
    ]);
    equal(/\bparent\(id: Int!\)/.test(engine.sdl()), false);
    equal(/\bref\(id: Int!\)/.test(engine.sdl()), true);
  }));

Deno.test("citext compares as citext, also outside of the search path", () =>
  withEngine([
    "create schema ext",
    "create extension citext schema ext",
    "create table words (id int primary key, w ext.citext, list ext.citext[])",
    "insert into words values (1, 'Hello', '{Foo}')",
    "create table uses (id int primary key, word ext.citext)",
    "alter table words add unique (w)",
    "alter table uses add foreign key (word) references words (w)",
    "insert into uses values (1, 'hELLO')",
  ], async (engine) => {
    const conditions = [
      'w: { eq: "hello" }',
      'w: { in: ["HELLO"] }',
      'w: { like: "hel%" }',
      'w: { contains: "ELL" }',
      'w: { gt: "HELL" }',
      'list: { has: "foo" }',
      'list: { hasAny: ["foo"] }',
      'not: { w: { neq: "hello" } }',
      'not: { w: { nin: ["hello"] } }',
    ];
    for (const condition of conditions) {
      const rows = await readList(engine, `{ words(where: { ${condition} }) { id } }`);
      deepEqual([condition, rows], [condition, [{ id: 1 }]]);
    }
    deepEqual(await readList(engine, "{ words { id uses { id } } }"), [{
      id: 1,
      uses: [{ id: 1 }],
    }]);
  }));

Deno.test("openEngine() refuses a view to offer that is not there, and names one that is near", () =>
  rejects(
    withEngine(["create view reports as select 1 as one"], () => Promise.resolve(), ["report"]),
    { code: "BAD_INPUT", message: /"report"/, hint: /reports/ },
  ));
