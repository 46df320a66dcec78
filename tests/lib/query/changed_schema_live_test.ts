import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { readList, withEngine } from "./engine.ts";

/** Every type whose bytes could be taken for another's, and what it is changed to. */
const changes: [name: string, before: string, after: string][] = [
  ["an integer that becomes a text", "int4", "text"],
  ["a text that becomes JSON", "text", "jsonb using to_jsonb(value)"],
  ["a timestamp that becomes one with a time zone", "timestamp", "timestamptz"],
  ["an array that becomes one of another type", "int4[]", "int8[]"],
  ["an enum that becomes a text", "mood", "text"],
];

for (const [name, before, after] of changes) {
  Deno.test(`rows() refuses ${name} until the schema is read again`, () =>
    withEngine([
      "create type mood as enum ('good', 'bad')",
      `create table things (id int primary key, value ${before})`,
      "insert into things values (1, null)",
    ], async (engine, run) => {
      await run(`alter table things alter value type ${after}`);
      const query = "{ things { id value } }";
      for (const _ of ["newly prepared", "and when asked again"]) {
        await rejects(readList(engine, query), { name: "AppError", code: "UNAVAILABLE" });
      }
      await engine.refresh();
      deepEqual(await readList(engine, query), [{ id: 1, value: null }]);
    }));
}

/** What a record or an array tells of its parts alone: the columns of the row stay what they were. */
const nested: [
  name: string,
  query: string,
  change: string,
  after: unknown,
  /** What was prepared before goes on with the attribute that is gone: it gives null. */
  unprepared?: "unprepared",
][] = [
  [
    "a column of a to-one row",
    "{ things { maker { size } } }",
    "alter table makers alter size type float8",
    { maker: { size: 7 } },
  ],
  [
    "a column of a row two links away",
    "{ things { maker { country { size } } } }",
    "alter table countries alter size type float8",
    { maker: { country: { size: 8 } } },
  ],
  [
    "a column of to-many rows",
    "{ things { parts { size } } }",
    "alter table parts alter size type float8",
    { parts: [{ size: 9 }] },
  ],
  [
    "a column of to-many rows that is null",
    "{ things { parts { nothing } } }",
    "alter table parts alter nothing type float8",
    { parts: [{ nothing: null }] },
  ],
  [
    "an array in to-many rows",
    "{ things { parts { sizes } } }",
    "alter table parts alter sizes type float8[]",
    { parts: [{ sizes: [1, 2] }] },
  ],
  [
    "an attribute of a composite",
    "{ things { box { size } } }",
    "alter table things alter box type wide_crate using row(1.5)::wide_crate",
    { box: { size: 1.5 } },
  ],
  [
    "a composite's attribute, replaced by one",
    "{ things { box { size } id } }",
    "alter type crate drop attribute size; alter type crate add attribute size float8",
    { box: { size: null }, id: 1 },
    "unprepared",
  ],
  [
    "an attribute of composites in an array",
    "{ things { boxes { size } } }",
    "alter table things alter boxes type wide_crate[] using array[row(2.5)]::wide_crate[]",
    { boxes: [{ size: 2.5 }] },
  ],
  [
    "a column whose domain was made anew and",
    "{ things { maker { weight } } }",
    `alter table makers alter weight type int4; drop domain weight;
     create domain weight as float8; alter table makers alter weight type weight`,
    { maker: { weight: 5 } },
  ],
];

for (const [name, query, change, after, unprepared] of nested) {
  Deno.test(`rows() refuses ${name} that got another type, until the schema is read again`, async () => {
    await withNested(async (engine, run) => {
      if (!unprepared) await readList(engine, query);
      await run(change);
      for (const _ of ["at once", "and when asked again"]) {
        await rejects(readList(engine, query), {
          name: "AppError",
          code: "UNAVAILABLE",
          hint: /refresh the schema/,
        });
      }
      await engine.refresh();
      deepEqual((await readList(engine, query))[0], after);
    });
  });
}

Deno.test("rows() reads a composite's new attribute after a refresh, though the query was prepared", async () => {
  await withNested(async (engine, run) => {
    const query = "{ things { box { size } } }";
    deepEqual((await readList(engine, query))[0], { box: { size: "3" } });
    for (const type of ["float8", "int4"]) {
      await run(`alter type crate drop attribute size; alter type crate add attribute size ${type};
        update things set box.size = 6`);
      await engine.refresh();
      deepEqual((await readList(engine, query))[0], { box: { size: 6 } });
    }
  });
});

Deno.test("rows() reads nested types as they are declared: domains, modifiers, enums and casts", async () => {
  await withNested(async (engine) => {
    const fields = "weight weights weightList code codes pad mood moods net nets price " +
      "graded { size grade } gradeds { size grade } parcel { size grade } none";
    const query = `{ things { maker { ${fields} things { maker { ${fields} } } } } }`;
    const maker = {
      weight: 5,
      weights: [5, 6],
      weightList: [7],
      code: "ab",
      codes: ["cd"],
      pad: "x  ",
      mood: "good",
      moods: ["bad"],
      net: "10.0.0.0/8",
      nets: ["10.0.0.1"],
      price: "1.50",
      graded: { size: "a", grade: 4 },
      gradeds: [{ size: "b", grade: 6 }],
      parcel: { size: "c", grade: 2 },
      none: [],
    };
    deepEqual((await readList(engine, query))[0], {
      maker: { ...maker, things: [{ maker }] },
    });
  });
});

function withNested(
  test: (engine: QueryEngine, run: (sql: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  return withEngine([NESTED], test);
}

const NESTED = `
create type mood as enum ('good', 'bad');
create type crate as (size int8);
create type wide_crate as (size float8);
create domain heavy as int4 check (value > 0);
create domain weight as int4;
create domain weight_list as heavy[];
create domain grade as heavy;
create type graded as (size varchar(3), grade grade);
create domain parcel as graded;
create table countries (id int primary key, size int8);
create table makers (id int primary key, country_id int references countries, size int8,
  weight weight, weights heavy[], weight_list weight_list, code varchar(4), codes varchar(4)[],
  pad bpchar(3), mood mood, moods mood[], net inet, nets inet[], price numeric(5,2),
  graded graded, gradeds graded[], parcel parcel, none heavy[]);
create table things (id int primary key, maker_id int references makers, box crate, boxes crate[]);
create table parts (id int primary key, thing_id int references things, size int8, nothing int8,
  sizes int8[]);
insert into countries values (1, 8);
insert into makers values (1, 1, 7, 5, '{5,6}', '{7}', 'ab', '{cd}', 'x', 'good', '{bad}', '10.0.0.0/8',
  '{10.0.0.1}', 1.5, '(a,4)', '{"(b,6)"}', '(c,2)', '{}');
insert into things values (1, 1, '(3)', '{(4)}');
insert into parts values (1, 1, 9, null, '{1,2}');
`;
