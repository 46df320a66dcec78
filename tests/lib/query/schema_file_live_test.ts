/** Schema files on a real PostgreSQL: JSON fields, computed ones, relations, keys. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { readData, readList, withEngine } from "./engine.ts";

const q = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** What a field of the type makes of a JSON value; `unfit` where it is refused. */
const values: [type: string, json: string, got: unknown][] = [
  ["String", '"a \\"b\\" \\u00e9"', 'a "b" é'],
  ["String", '""', ""],
  ["String", "5", "unfit"],
  ["String", "true", "unfit"],
  ["String", '{"a":1}', "unfit"],
  ["ID", '"x"', "x"],
  ["ID", "12345678901234567890", "12345678901234567890"],
  ["ID", "5.0", "5"],
  ["ID", "5.5", "unfit"],
  ["ID", "true", "unfit"],
  ["Boolean", "true", true],
  ["Boolean", "false", false],
  ["Boolean", '"true"', "unfit"],
  ["Boolean", "1", "unfit"],
  ["Int", "-2147483648", -2147483648],
  ["Int", "2147483647", 2147483647],
  ["Int", "2147483648", "unfit"],
  ["Int", "1.0", 1],
  ["Int", "1e3", 1000],
  ["Int", "1.5", "unfit"],
  ["Int", '"1"', "unfit"],
  ["BigInt", "9223372036854775807", "9223372036854775807"],
  ["BigInt", '"-9223372036854775808"', "-9223372036854775808"],
  ["BigInt", "9223372036854775808", "unfit"],
  ["BigInt", '"9223372036854775808"', "unfit"],
  ["BigInt", '"1.5"', "unfit"],
  ["BigInt", '" 1"', "unfit"],
  ["Float", "1.5", 1.5],
  ["Float", "0", 0],
  ["Float", "-1e308", -1e308],
  ["Float", "1e309", "unfit"],
  ["Float", "1e-400", "unfit"],
  ["Float", '"1.5"', "unfit"],
  ["Decimal", "12.50", "12.50"],
  ["Decimal", '"0.000000000000000000000000000001"', "0.000000000000000000000000000001"],
  ["Decimal", '"NaN"', "unfit"],
  ["Decimal", '"1,5"', "unfit"],
  ["UUID", '"6F9619FF-8b86-d011-b42d-00cf4fc964ff"', "6f9619ff-8b86-d011-b42d-00cf4fc964ff"],
  ["UUID", '"6f9619ff8b86d011b42d00cf4fc964ff"', "unfit"],
  ["DateTime", '"2026-01-31T13:45:00.123456+00:00"', "2026-01-31T13:45:00.123456Z"],
  ["DateTime", '"2026-01-31T13:45:00+02:00"', "2026-01-31T11:45:00Z"],
  ["DateTime", '"2026-01-31T13:45Z"', "2026-01-31T13:45:00Z"],
  ["DateTime", '"2026-01-31T13:45:00.123000000Z"', "2026-01-31T13:45:00.123Z"],
  ["DateTime", '"2026-01-31T13:45:00.1234567Z"', "unfit"],
  ["DateTime", '"2026-01-31T13:45:00"', "unfit"],
  ["DateTime", '"2026-02-30T13:45:00Z"', "unfit"],
  ["DateTime", '"infinity"', "unfit"],
  ["DateTime", "1769867100", "unfit"],
  ["LocalDateTime", '"2026-01-31 13:45:00.5"', "2026-01-31T13:45:00.5"],
  ["LocalDateTime", '"2026-01-31T13:45:00Z"', "unfit"],
  ["Date", '"2024-02-29"', "2024-02-29"],
  ["Date", '"2000-02-29"', "2000-02-29"],
  ["Date", '"2026-02-29"', "unfit"],
  ["Date", '"1900-02-29"', "unfit"],
  ["Date", '"2026-04-31"', "unfit"],
  ["Date", '"2026-04-30"', "2026-04-30"],
  ["Date", '"2026-12-31"', "2026-12-31"],
  ["Date", '"0000-01-01"', "unfit"],
  ["Date", '"2026-13-01"', "unfit"],
  ["Date", '"31.12.2026"', "unfit"],
  ["Date", '"2026-01-01\\n"', "unfit"],
  ["LocalTime", '"13:45:00.5"', "13:45:00.5"],
  ["LocalTime", '"24:00"', "unfit"],
  ["Duration", '"P1Y2M3DT4H5M6.5S"', "P1Y2M3DT4H5M6.5S"],
  ["Duration", '"1 day"', "unfit"],
  ["Duration", '"P"', "unfit"],
  ["Bytes", '"\\\\xdeadbeef"', "3q2+7w=="],
  ["Bytes", '"3q2+7w=="', "unfit"],
  ["JSON", '{"a":[1,null]}', { a: [1, null] }],
  ["JSON", "5", 5],
  ["Mood", '"happy"', "happy"],
  ["Mood", '"angry"', "unfit"],
  ["Mood", "1", "unfit"],
  ["[Int]", "[1,null,3]", [1, null, 3]],
  ["[Int]", "[]", []],
  ["[Int]", "1", "unfit"],
  ["[Int]", '[1,"2"]', "unfit"],
  ["[Mood]", '["sad","happy"]', ["sad", "happy"]],
  ["[String]", '["b","a"]', ["b", "a"]],
  ["[JSON]", '[{"a":1},null]', [{ a: 1 }, null]],
  ["[Date]", '["2026-02-29"]', "unfit"],
];

const types = [...new Set(values.map(([type]) => type))];
const nameOf = (type: string) => `f${types.indexOf(type)}`;
const allKinds = (required = "") =>
  `type Row @source(relation: "docs", json: "data") {
    n: Int! @column(plain: true)
    ${types.map((type) => `${nameOf(type)}: ${type}${required}`).join("\n")}
  }
  enum Mood { sad happy }`;
const docs = [
  "create table docs (n int primary key, data jsonb)",
  ...values.map(([type, json], n) =>
    `insert into docs values (${n}, jsonb_build_object('${nameOf(type)}', ${q(json)}::jsonb))`
  ),
];

const fieldOf = async (engine: QueryEngine, n: number, type: string) => {
  const [row] = await readList(
    engine,
    `{ rows(where: { n: { eq: ${n} } }) { v: ${nameOf(type)} } }`,
  );
  return (row as { v: unknown }).v;
};

Deno.test("a JSON field gives the value as declared, and is UNREPRESENTABLE where it does not fit", () =>
  withEngine(
    docs,
    async (engine) => {
      for (const [n, [type, json, got]] of values.entries()) {
        if (got !== "unfit") {
          deepEqual(await fieldOf(engine, n, type), got, `${type} of ${json}`);
          continue;
        }
        await rejects(
          fieldOf(engine, n, type),
          (error: Error & { code?: string; hint?: string }) => {
            equal(error.code, "UNREPRESENTABLE", `${type} of ${json}: ${error.message}`);
            const at = type === "[Int]" || type === "[Date]" ? /has the element|holds/ : /holds/;
            match(
              error.message,
              new RegExp(`^Row\\.${nameOf(type)} (${at.source}) .*, which is no `),
            );
            match(error.hint ?? "", /FRAISEQL_UNREPRESENTABLE=null/);
            return true;
          },
        );
      }
    },
    [],
    { schemaFile: allKinds },
  ));

Deno.test("a JSON field is null where it does not fit, under FRAISEQL_UNREPRESENTABLE=null", () =>
  withEngine(
    docs,
    async (engine) => {
      const inList = new Set(['[1,"2"]', '["2026-02-29"]']);
      for (const [n, [type, json, got]] of values.entries()) {
        const nulled = json === '[1,"2"]' ? [1, null] : inList.has(json) ? [null] : null;
        deepEqual(
          await fieldOf(engine, n, type),
          got === "unfit" ? nulled : got,
          `${type} of ${json}`,
        );
      }
    },
    [],
    { schemaFile: allKinds, unrepresentable: "null" },
  ));

Deno.test("a JSON field that is absent or JSON's null is null, and an error where ! is declared", () =>
  withEngine(
    [
      "create table docs (n int primary key, data jsonb)",
      `insert into docs values (1, '{}'), (2, '{"a": null}'), (3, null), (4, '[1]'), (5, '{"a": 7}')`,
    ],
    async (engine) => {
      const ask = (n: number, field: string) =>
        readList(engine, `{ rows(where: { n: { eq: ${n} } }) { v: ${field} } }`);
      for (const n of [1, 2, 3]) deepEqual(await ask(n, "a"), [{ v: null }]);
      for (const n of [1, 2]) {
        await rejects(ask(n, "b"), { code: "UNREPRESENTABLE", message: "Row.b has no value" });
      }
      await rejects(ask(3, "b"), {
        code: "UNAVAILABLE",
        message: "column v of row 1 is null, though the schema says it never is",
      });
      await rejects(ask(4, "a"), {
        code: "UNREPRESENTABLE",
        message: "Row's column data holds [1], which is no object",
      });
      deepEqual(await ask(5, "b"), [{ v: 7 }]);
    },
    [],
    {
      schemaFile: () =>
        `type Row @source(relation: "docs", json: "data") {
        n: Int! @column(plain: true)
        a: Int
        b: Int! @column(name: "a")
      }`,
    },
  ));

Deno.test("conditions and order on JSON fields go by the declared type", () =>
  withEngine(
    [
      "create table docs (data json)",
      `insert into docs values ('{"n": 2, "s": "b", "on": "2026-02-01", "mood": "sad", "tags": ["x"]}'),
      ('{"n": 10, "s": "B", "on": "2025-12-31", "mood": "happy", "tags": ["x", "y"]}'),
      ('{"n": null}')`,
    ],
    async (engine) => {
      const numbers = async (args: string) =>
        (await readList(engine, `{ rows(${args}) { n } }`)).map((row) => (row as { n: number }).n);
      deepEqual(await numbers("orderBy: [{ n: DESC_NULLS_LAST }]"), [10, 2, null]);
      deepEqual(await numbers("orderBy: [{ on: ASC }]"), [10, 2, null]);
      deepEqual(await numbers("where: { n: { gt: 2 } }"), [10]);
      deepEqual(await numbers("where: { n: { isNull: true } }"), [null]);
      deepEqual(await numbers('where: { s: { icontains: "b" } }, orderBy: [{ n: ASC }]'), [2, 10]);
      deepEqual(await numbers('where: { on: { lt: "2026-01-01" } }'), [10]);
      deepEqual(await numbers("where: { mood: { in: [sad] } }"), [2]);
      deepEqual(await numbers('where: { tags: { has: "y" } }'), [10]);
    },
    [],
    {
      schemaFile: () =>
        `type Row @source(relation: "docs", json: "data", key: ["n"]) {
        n: Int s: String on: Date mood: Mood tags: [String]
      } enum Mood { sad happy }`,
    },
  ));

Deno.test("a JSON view has its key from the file: one row by it, lists in its order, relations by it", () =>
  withEngine(
    [
      "create table people (id uuid primary key, name text, boss uuid)",
      `insert into people values ('00000000-0000-0000-0000-00000000000a', 'Ann', null),
      ('00000000-0000-0000-0000-00000000000b', 'Bob', '00000000-0000-0000-0000-00000000000a'),
      ('00000000-0000-0000-0000-00000000000c', 'Cid', '00000000-0000-0000-0000-00000000000a')`,
      `create view v_user as select id, jsonb_build_object('id', id, 'fullName', name, 'bossId', boss,
       'home', jsonb_build_object('city', 'X', 'at', jsonb_build_object('lat', 1.5)),
       'pets', jsonb_build_array(jsonb_build_object('name', 'Rex'), null, jsonb_build_object('name', 'Tom'))
     ) as data from people`,
    ],
    async (engine) => {
      deepEqual(
        await readList(engine, "{ users(limit: 2) { id name boss { name } } }"),
        [
          { id: "00000000-0000-0000-0000-00000000000a", name: "Ann", boss: null },
          { id: "00000000-0000-0000-0000-00000000000b", name: "Bob", boss: { name: "Ann" } },
        ],
      );
      deepEqual(
        await readList(
          engine,
          '{ users(where: { team: { name: { eq: "Cid" } } }) { team(where: { home: { at: { lat: { gt: 1 } } } }) { name } home { town at { lat } } pets { name } } }',
        ),
        [{
          team: [{ name: "Bob" }, { name: "Cid" }],
          home: { town: "X", at: { lat: 1.5 } },
          pets: [{ name: "Rex" }, null, { name: "Tom" }],
        }],
      );
      const plan = engine.plan({
        text: '{ user(id: "00000000-0000-0000-0000-00000000000b") { name } }',
      });
      equal(plan.roots[0]?.kind, "row");
      match(engine.sdl(), /user\(id: UUID!\): User/);
      // The plain word and OptimizedView read the same fields.
      ok(engine.planWord("users").roots.length === 1);
      const view = engine.planView({ view: "v_user", filter: { fullName: { eq: "Bob" } } });
      deepEqual(
        view.roots[0]?.kind === "rows" && view.roots[0].fields.map((field) => field.name),
        ["id", "fullName", "bossId", "home", "pets"],
      );
    },
    ["v_user"],
    {
      schemaFile: () =>
        `type User @source(relation: "v_user", schema: "public", key: ["id"], json: "data") {
        id: UUID!
        name: String! @column(name: "fullName")
        bossId: UUID
        home: Home
        pets: [Pet]
        boss: User @relation(columns: ["bossId"], references: ["id"])
        team: [User!]! @relation(columns: ["id"], references: ["bossId"])
      }
      type Home { town: String @column(name: "city") at: Place }
      type Place { lat: Float }
      type Pet { name: String! }`,
    },
  ));

Deno.test("a computed field is read, filtered and ordered by like a column", () =>
  withEngine(
    [
      "create schema tools",
      "create table people (id int primary key, first text, last text, boss_id int references people)",
      "create function full_name(people) returns text stable language sql as $$ select $1.first || ' ' || $1.last $$",
      "create function tools.initials(p people) returns text[] immutable language sql as $$ select array[left(p.first, 1), left(p.last, 1)] $$",
      "insert into people values (1, 'Ann', 'Z', null), (2, 'Bob', 'A', 1)",
    ],
    async (engine) => {
      deepEqual(
        await readList(
          engine,
          "{ people(orderBy: [{ fullName: DESC }]) { fullName initials boss { fullName } } }",
        ),
        [
          { fullName: "Bob A", initials: ["B", "A"], boss: { fullName: "Ann Z" } },
          { fullName: "Ann Z", initials: ["A", "Z"], boss: null },
        ],
      );
      deepEqual(
        await readList(engine, '{ people(where: { boss: { fullName: { eq: "Ann Z" } } }) { id } }'),
        [{ id: 2 }],
      );
    },
    [],
    {
      schemaFile: () =>
        `type Person @source(relation: "people", list: "people", row: "person") {
        id: Int!
        fullName: String @computed(function: "full_name")
        initials: [String] @computed(function: "initials", schema: "tools")
        boss: Person
      }`,
    },
  ));

Deno.test("a view's ! is kept or the answer is an error, never a null", () =>
  withEngine(
    [
      "create view some_words as select * from (values (1, 'a'), (2, null)) as v (id, word)",
    ],
    async (engine) => {
      deepEqual(await readList(engine, "{ words(limit: 1) { word } }"), [{ word: "a" }]);
      await rejects(readList(engine, "{ words { word } }"), {
        code: "UNAVAILABLE",
        message: "column word of row 2 is null, though the schema says it never is",
      });
    },
    [],
    {
      schemaFile: () =>
        'type Word @source(relation: "some_words", key: ["id"]) { id: Int! word: String! }',
    },
  ));

Deno.test("refresh() reads the file again, and keeps the schema that it has where that does not fit", () => {
  let fields = "id: Int!";
  return withEngine(
    ["create table users (id int primary key, name text)"],
    async (engine, run) => {
      const has = (field: string) => new RegExp(`\\b${field}: `).test(engine.sdl());
      equal(has("name"), false);
      fields = "id: Int! name: String";
      await engine.refresh();
      equal(has("name"), true);
      fields = "id: Int! nam: String";
      await rejects(engine.refresh(), { code: "BAD_INPUT" });
      equal(has("name"), true);
      fields = "id: Int! name: String";
      await run("alter table users rename name to label");
      await rejects(engine.refresh(), /has no column for name/);
      equal(has("name"), true);
      await run("alter table users rename label to name");
      await engine.refresh();
      deepEqual(await readList(engine, "{ users { name } }"), []);
    },
    [],
    { schemaFile: () => `type User @source(relation: "users") { ${fields} }` },
  );
});

Deno.test("names with quotes and backslashes stay names, whatever PostgreSQL makes of a backslash", () =>
  withEngine(
    [
      `create table docs ("d'\\" jsonb)`,
      `insert into docs values (jsonb_build_object('a''b\\c"', 1))`,
      "do $$ begin execute format('alter database %I set standard_conforming_strings = off', current_database()); end $$",
    ],
    async (engine) => {
      deepEqual(await readList(engine, "{ docs { v } }"), [{ v: 1 }]);
    },
    [],
    {
      schemaFile: () =>
        `type Doc @source(relation: "docs") { v: Int @column(json: "d'\\\\", name: "a'b\\\\c\\"") }`,
    },
  ));

Deno.test("aggregates, pages, distinctOn and json paths take fields in JSON and computed ones like columns", () =>
  withEngine(
    [
      "create table docs (id int primary key, data jsonb)",
      `insert into docs select i, jsonb_build_object('n', i, 'price', (i / 4.0)::numeric(9, 2), 'mood',
         case when i % 3 = 0 then 'sad' else 'happy' end, 'at', timestamptz '2026-01-01Z' + i * interval '12 h',
         'owner', nullif(i % 2, 0), 'place', jsonb_build_object('x', i % 2), 'any', jsonb_build_object('a', i))
       from generate_series(1, 8) i`,
      "create table owners (id int primary key)",
      "insert into owners values (1)",
      "create function half(docs) returns int immutable language sql as $$ select $1.id / 2 $$",
    ],
    async (engine) => {
      deepEqual(
        await readData(
          engine,
          `{ docsAggregate(groupBy: [{ field: mood }], orderBy: [{ group: { mood: ASC } }]) {
               group { mood } count sum { n price } max { price at half } } }`,
        ),
        {
          docsAggregate: [
            {
              group: { mood: "happy" },
              count: "6",
              sum: { n: "27", price: "6.75" },
              max: { price: "2.00", at: "2026-01-05T00:00:00Z", half: 4 },
            },
            {
              group: { mood: "sad" },
              count: "2",
              sum: { n: "9", price: "2.25" },
              max: { price: "1.50", at: "2026-01-04T00:00:00Z", half: 3 },
            },
          ],
        },
      );
      deepEqual(
        await readData(
          engine,
          `{ docsAggregate(groupBy: [{ field: at, by: DAY, timeZone: "UTC" }], orderBy: [{ count: DESC }, { group: { at: ASC } }], limit: 1) {
               group { at } count countDistinct { half } } }`,
        ),
        {
          docsAggregate: [{
            group: { at: "2026-01-02T00:00:00Z" },
            count: "2",
            countDistinct: { half: "1" },
          }],
        },
      );
      deepEqual(
        await readData(
          engine,
          '{ owners { id docsAggregate { count avg { n } } docs(limit: 2) { n any(path: ["a"]) } } }',
        ),
        {
          owners: [{
            id: 1,
            docsAggregate: [{ count: "4", avg: { n: 4 } }],
            docs: [{ n: 1, any: 1 }, { n: 3, any: 3 }],
          }],
        },
      );
      deepEqual(
        await readData(
          engine,
          "{ docs(distinctOn: [half], orderBy: [{ half: DESC }, { n: ASC }], limit: 2) { half n } }",
        ),
        { docs: [{ half: 4, n: 8 }, { half: 3, n: 6 }] },
      );
      const seen: number[] = [];
      let after = "";
      for (let pages = 0; pages < 4; pages++) {
        const { docsConnection } = await readData(
          engine,
          `{ docsConnection(first: 3, orderBy: [{ mood: DESC }, { half: ASC }]${after}) {
               edges { node { n } } pageInfo { hasNextPage endCursor } } }`,
        );
        for (const { node } of docsConnection.edges) seen.push(node.n);
        if (!docsConnection.pageInfo.hasNextPage) break;
        after = `, after: "${docsConnection.pageInfo.endCursor}"`;
      }
      deepEqual(seen, [3, 6, 1, 2, 4, 5, 7, 8]);
    },
    [],
    {
      schemaFile: () =>
        `type Doc @source(relation: "docs", json: "data", key: ["n"]) {
          n: Int! price: Decimal mood: Mood at: DateTime any: JSON place: Place
          half: Int @computed(function: "half")
          owner: Int @hidden
        }
        type Place { x: Int }
        enum Mood { sad happy }
        type Owner @source(relation: "owners") {
          id: Int!
          docs: [Doc!]! @relation(columns: ["id"], references: ["owner"])
        }`,
    },
  ));
