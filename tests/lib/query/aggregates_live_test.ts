import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { isTimeZone } from "../../../lib/query/time_zones.ts";
import { readData, withEngine } from "./engine.ts";

const NUMBERS = [
  "create type mood as enum ('low', 'high')",
  `create table numbers (id int primary key, i2 int2, i4 int4, i8 int8, price numeric(12,2),
     any_numeric numeric, f4 float4, f8 float8, label varchar(10), mood mood, day date,
     at timestamptz, local timestamp, length interval, doc jsonb)`,
  `insert into numbers values
     (1, 32767, 2147483647, 9223372036854775807, 9999999999.99, 0.1, 1.1, 1e300, 'b', 'high',
      '2026-01-31', '2026-03-28T23:30:00Z', '2026-01-31T10:00', 'P1D', '{}'),
     (2, 32767, 2147483647, 9223372036854775807, 9999999999.99, 0.2, 2.2, 1e300, 'a', 'low',
      '2026-02-01', '2026-03-29T00:30:00Z', '2026-01-31T23:59', 'PT1H', '{}'),
     (3, 1, 1, 1, 0.01, 1e-20, 3.3, null, null, 'low', null, null, null, null, null)`,
];

Deno.test("numbersAggregate gives sums of whole numbers and decimals without losing a digit", () =>
  withEngine(NUMBERS, async (engine) => {
    deepEqual(
      await readData(engine, "{ numbersAggregate { sum { i2 i4 i8 price anyNumeric length } } }"),
      {
        numbersAggregate: [{
          sum: {
            i2: "65535",
            i4: "4294967295",
            i8: "18446744073709551615",
            price: "19999999999.99",
            anyNumeric: "0.30000000000000000001",
            length: "P1DT1H",
          },
        }],
      },
    );
  }));

Deno.test("numbersAggregate gives averages and deviations of whole numbers as Float, of decimals to six places", () =>
  withEngine(NUMBERS, async (engine) => {
    deepEqual(
      await readData(
        engine,
        `{ numbersAggregate(where: { id: { in: [2, 3] } }) {
             avg { i4 price f4 } stddev { i2 } variance { i2 } } }`,
      ),
      {
        numbersAggregate: [{
          avg: { i4: 1073741824, price: "5000000000.000000", f4: 2.75 },
          stddev: { i2: 23169.060792358418 },
          variance: { i2: 536805378 },
        }],
      },
    );
  }));

Deno.test("a period begins at its first moment, also where its first local time comes twice", () =>
  withEngine([
    "create table moments (id int primary key, at timestamptz)",
    `insert into moments values
       (1, '2026-11-01T04:30Z'), -- Havana sets clocks back from 01:00 to 00:00 at 05:00Z
       (2, '2026-11-01T05:30Z'),
       (3, '2026-11-01T03:59:59Z'),
       (4, '2026-11-30T00:00Z'),
       (5, '2026-03-08T04:59Z'), -- and forward from 00:00 to 01:00 at 05:00Z
       (6, '2026-03-08T05:00Z'),
       (7, 'infinity'), (10, '2026-04-04T14:40Z'), (11, '2026-04-04T15:10Z'), (8, '4713-01-02T00:00Z BC'), (9, null)`,
  ], async (engine) => {
    const starts = async (ids: string, by: string, zone = "America/Havana") => {
      const { momentsAggregate } = await readData(
        engine,
        `{ momentsAggregate(where: { id: { in: [${ids}] } }, orderBy: [{ group: { at: ASC } }],
             groupBy: [{ field: at, by: ${by}, timeZone: "${zone}" }]) { count group { at } } }`,
      );
      return momentsAggregate.map((row: { count: string; group: { at: string | null } }) =>
        `${row.count} ${row.group.at}`
      );
    };
    deepEqual(await starts("1, 2, 3, 4", "DAY"), [
      "1 2026-10-31T04:00:00Z",
      "2 2026-11-01T04:00:00Z",
      "1 2026-11-29T05:00:00Z",
    ]);
    deepEqual(await starts("1, 2, 3, 4", "MONTH"), [
      "1 2026-10-01T04:00:00Z",
      "3 2026-11-01T04:00:00Z",
    ]);
    deepEqual(await starts("1, 2", "HOUR"), ["1 2026-11-01T04:00:00Z", "1 2026-11-01T05:00:00Z"]);
    deepEqual(await starts("5, 6", "DAY"), ["1 2026-03-07T05:00:00Z", "1 2026-03-08T05:00:00Z"]);
    deepEqual(await starts("8, 9", "DAY"), ["1 -004712-01-01T05:29:28Z", "1 null"]);
    // Clocks are set back by half an hour, at 15:00Z.
    deepEqual(await starts("10, 11", "HOUR", "Australia/Lord_Howe"), [
      "1 2026-04-04T14:00:00Z",
      "1 2026-04-04T14:30:00Z",
    ]);
    await rejects(starts("7", "DAY"), { code: "UNREPRESENTABLE" });
  }));

const LARGE = [
  "create table large (id int primary key, whole int8, price numeric(18,2), all_digits numeric(38,0))",
  `insert into large values
     (1, 1790000000000001, 10000000000000.01, 10000000000000000000000000000001),
     (2, 1790000000000001, 10000000000000.00, 10000000000000000000000000000001),
     (3, 1790000000000000, 10000000000000.00, 10000000000000000000000000000000),
     (4, 0, 4999999999.98, 99999999999999999999999999999999999999),
     (5, 0, -5000000000.01, 99999999999999999999999999999999999999),
     (6, 0, 0.02, null)`,
];

Deno.test("largesAggregate gives means of large decimals with every digit that it shows, and no zeros for them", () =>
  withEngine(LARGE, async (engine) => {
    const means = (ids: string, fields: string) =>
      readData(engine, `{ largesAggregate(where: { id: { in: [${ids}] } }) { ${fields} } }`);
    deepEqual(await means("1, 2, 3", "avg { whole price allDigits } stddev { price }"), {
      largesAggregate: [{
        avg: {
          whole: 1790000000000000.75, // a Float has steps of 0.25 there
          price: "10000000000000.003333",
          allDigits: "10000000000000000000000000000000.666667",
        },
        stddev: { price: "0.005774" },
      }],
    });
    deepEqual(await means("4, 5, 6", "avg { price } stddev { price } variance { price }"), {
      largesAggregate: [{
        avg: { price: "-0.003333" },
        stddev: { price: "4999999999.995000" },
        variance: { price: "24999999999950000000.000433" },
      }],
    });
  }));

Deno.test("largesAggregate says UNREPRESENTABLE of a mean whose six decimals 38 digits do not hold, and names it", () =>
  withEngine(LARGE, async (engine) => {
    const avg = "{ largesAggregate(where: { id: { in: [4, 5] } }) { avg { allDigits } } }";
    await rejects(readData(engine, avg), {
      code: "UNREPRESENTABLE",
      message: /avg\.allDigits of row 1 holds 9{38}\.0{6}, which Decimal128\(38,6\) cannot hold/,
    });
  }));

Deno.test("having compares an average of whole numbers with a number, one of decimals with a text", () =>
  withEngine(NUMBERS, async (engine) => {
    const moods = async (having: string) => {
      const { numbersAggregate } = await readData(
        engine,
        `{ numbersAggregate(groupBy: [{ field: mood }], having: { avg: ${having} }) {
             group { mood } } }`,
      );
      return numbersAggregate.map((row: { group: { mood: string } }) => row.group.mood);
    };
    deepEqual(await moods("{ i2: { lt: 16384.5 } }"), ["low"]);
    deepEqual(await moods("{ i2: { eq: 16384 } }"), ["low"]);
    deepEqual(await moods('{ price: { gt: "5000000000.000000" } }'), ["high"]);
    await rejects(moods('{ i2: { lt: "16384.5" } }'), { code: "VALIDATION_ERROR" });
  }));

Deno.test("numbersAggregate gives least and greatest values in the columns' own types", () =>
  withEngine(NUMBERS, async (engine) => {
    deepEqual(
      await readData(
        engine,
        `{ numbersAggregate { count countDistinct { mood label price }
             min { i2 label mood day at length } max { label mood price f8 } } }`,
      ),
      {
        numbersAggregate: [{
          count: "3",
          countDistinct: { mood: "2", label: "2", price: "2" },
          min: {
            i2: 1,
            label: "a",
            mood: "low",
            day: "2026-01-31",
            at: "2026-03-28T23:30:00Z",
            length: "PT1H",
          },
          max: { label: "b", mood: "high", price: "9999999999.99", f8: 1e300 },
        }],
      },
    );
  }));

Deno.test("numbersAggregate gives one group of no rows, and none where rows are grouped", () =>
  withEngine(NUMBERS, async (engine) => {
    const none = "where: { id: { lt: 0 } }";
    deepEqual(
      await readData(
        engine,
        `{ all: numbersAggregate(${none}) { count sum { i4 } max { at } __typename }
           bare: numbersAggregate(${none}) { __typename }
           by: numbersAggregate(${none}, groupBy: [{ field: mood }]) { count } }`,
      ),
      {
        all: [{
          count: "0",
          sum: { i4: null },
          max: { at: null },
          __typename: "NumberAggregate",
        }],
        bare: [{ __typename: "NumberAggregate" }],
        by: [],
      },
    );
  }));

Deno.test("numbersAggregate cuts moments to days of a zone, also where its clocks change", () =>
  withEngine(NUMBERS, async (engine) => {
    const groups = async (by: string) => {
      const order = by.slice(0, by.indexOf(",")).replace("field: ", "");
      const { numbersAggregate } = await readData(
        engine,
        `{ numbersAggregate(groupBy: [{ ${by} }], orderBy: [{ group: { ${order}: ASC } }]) {
             group { ${order} } count } }`,
      );
      return numbersAggregate.map((row: { group: Record<string, unknown>; count: string }) => [
        ...Object.values(row.group),
        row.count,
      ]);
    };
    // Paris goes from +01:00 to +02:00 on the 29th at 01:00 UTC.
    deepEqual(await groups('field: at, by: DAY, timeZone: "Europe/Paris"'), [
      ["2026-03-28T23:00:00Z", "2"],
      [null, "1"],
    ]);
    deepEqual(await groups("field: at, by: DAY"), [
      ["2026-03-28T00:00:00Z", "1"],
      ["2026-03-29T00:00:00Z", "1"],
      [null, "1"],
    ]);
    deepEqual(await groups("field: day, by: WEEK"), [["2026-01-26", "2"], [null, "1"]]);
    deepEqual(await groups("field: day, by: MONTH"), [
      ["2026-01-01", "1"],
      ["2026-02-01", "1"],
      [null, "1"],
    ]);
    deepEqual(await groups("field: local, by: HOUR"), [
      ["2026-01-31T10:00:00", "1"],
      ["2026-01-31T23:00:00", "1"],
      [null, "1"],
    ]);
  }));

Deno.test("PostgreSQL has every time zone that numbersAggregate takes, under that name in any case", () =>
  withEngine(NUMBERS, async (engine, run) => {
    const rows = await run("select name from pg_timezone_names") as { name: string }[];
    const known = new Set(rows.map(({ name }) => name.toLowerCase()));
    const offered = [...Intl.supportedValuesOf("timeZone"), ...known].filter(isTimeZone);
    ok(offered.length > 400);
    deepEqual(offered.filter((name) => !known.has(name.toLowerCase())), []);
    // All that have a region, but for the copies of the database's other forms.
    const full = [...known].filter((name) => /^(?!posix\/|right\/).+\//.test(name));
    deepEqual(full.filter((name) => !isTimeZone(name)), []);
    const count = (zone: string) =>
      readData(
        engine,
        `{ numbersAggregate(groupBy: [{ field: at, by: YEAR, timeZone: "${zone}" }],
             orderBy: [{ count: DESC }]) { count } }`,
      );
    deepEqual(await count("europe/PARIS"), { numbersAggregate: [{ count: "2" }, { count: "1" }] });
    for (const zone of ["AET", "IST"]) {
      await rejects(count(zone), { code: "BAD_INPUT", message: /groupBy\[0\]\.timeZone/ });
    }
  }));

const SALES = [
  "create table buyers (id int primary key, name text not null)",
  `create table sales (id int primary key, buyer_id int not null references buyers, kind text,
     amount numeric(8,2) not null)`,
  "insert into buyers values (1, 'ann'), (2, 'bob'), (3, 'cid')",
  `insert into sales values (1, 1, 'a', 5), (2, 1, 'b', 7.5), (3, 1, 'a', 1), (4, 2, null, 9),
     (5, 2, 'a', 9)`,
];

Deno.test("salesAggregate filters groups by having, and orders them by aggregates, then by groups", () =>
  withEngine(SALES, async (engine) => {
    const kinds = async (args: string) => {
      const { salesAggregate } = await readData(
        engine,
        `{ salesAggregate(groupBy: [{ field: kind }], ${args}) { group { kind } count } }`,
      );
      return salesAggregate.map((row: { group: { kind: string | null } }) => row.group.kind);
    };
    deepEqual(await kinds("orderBy: [{ sum: { amount: DESC } }]"), ["a", null, "b"]);
    deepEqual(await kinds("orderBy: [{ max: { amount: ASC } }]"), ["b", "a", null]);
    deepEqual(await kinds("limit: 2"), ["a", "b"]);
    deepEqual(await kinds("limit: 2, offset: 2"), [null]);
    deepEqual(
      await kinds('having: { sum: { amount: { gt: "8" } } }, orderBy: [{ count: ASC }]'),
      [null, "a"],
    );
    deepEqual(
      await kinds(
        `having: { or: [{ count: { gte: "3" } }, { not: { max: { kind: { isNull: false } } } }] },
         orderBy: [{ group: { kind: DESC } }]`,
      ),
      [null, "a"],
    );
    deepEqual(
      await readData(engine, '{ salesAggregate(having: { count: { gt: "99" } }) { count } }'),
      { salesAggregate: [] },
    );
  }));

Deno.test("salesAggregate under a parent counts that parent's rows alone, with its own arguments", () =>
  withEngine(SALES, async (engine) => {
    deepEqual(
      await readData(
        engine,
        `{ buyers(orderBy: [{ id: ASC }]) {
             name
             salesAggregate { count sum { amount } }
             a: salesAggregate(where: { kind: { eq: "a" } }, groupBy: [{ field: kind }]) {
               group { kind } count } } }`,
      ),
      {
        buyers: [
          {
            name: "ann",
            salesAggregate: [{ count: "3", sum: { amount: "13.50" } }],
            a: [{ group: { kind: "a" }, count: "2" }],
          },
          {
            name: "bob",
            salesAggregate: [{ count: "2", sum: { amount: "18.00" } }],
            a: [{ group: { kind: "a" }, count: "1" }],
          },
          { name: "cid", salesAggregate: [{ count: "0", sum: { amount: null } }], a: [] },
        ],
      },
    );
  }));

Deno.test("salesAggregate says UNREPRESENTABLE of a sum that is no number, and names it", () =>
  withEngine([...SALES, "insert into sales values (6, 3, null, 'NaN')"], async (engine) => {
    await rejects(readData(engine, "{ salesAggregate { sum { amount } } }"), {
      code: "UNREPRESENTABLE",
      message: /sum\.amount of row 1/,
    });
  }));

Deno.test("sales(distinctOn) gives the first row of each, by its order or else by the key", () =>
  withEngine(SALES, async (engine) => {
    const ids = async (args: string) => {
      const { sales } = await readData(engine, `{ sales(${args}) { id } }`);
      return sales.map((row: { id: number }) => row.id);
    };
    deepEqual(await ids("distinctOn: [kind]"), [1, 2, 4]);
    deepEqual(await ids("distinctOn: kind, orderBy: [{ kind: DESC }, { amount: ASC }]"), [4, 2, 3]);
    deepEqual(await ids("distinctOn: [buyerId, kind], orderBy: [{ kind: ASC }], limit: 2"), [1, 5]);
    deepEqual(await ids("distinctOn: [], orderBy: [{ id: ASC }], limit: 2"), [1, 2]);
    await rejects(ids("distinctOn: [kind], orderBy: [{ amount: ASC }]"), {
      code: "BAD_INPUT",
      message: /distinctOn: kind/,
      hint: /begin with them/,
    });
  }));

Deno.test("a path chooses within JSON: what is there, and null where nothing is", () =>
  withEngine([
    "create table docs (id int primary key, doc jsonb not null, old json)",
    `insert into docs values (1, '{"a": [10, {"b": "x"}], "n": null}', '{"k": 1.50}')`,
    `insert into docs values (2, '[]', null)`,
  ], async (engine) => {
    deepEqual(
      await readData(
        engine,
        `query ($p: [String!]) { docs(orderBy: [{ id: ASC }]) {
           b: doc(path: ["a", "1", "b"]) none: doc(path: ["z"]) n: doc(path: ["n"])
           k: old(path: $p) last: doc(path: ["a", "-2"]) all: doc(path: []) } }`,
        { p: ["k"] },
      ),
      {
        docs: [
          {
            b: "x",
            none: null,
            n: null,
            k: 1.5,
            last: 10,
            all: { a: [10, { b: "x" }], n: null },
          },
          { b: null, none: null, n: null, k: null, last: null, all: [] },
        ],
      },
    );
  }));

Deno.test("matches finds words as a search engine does, in text and in tsvector columns", () =>
  withEngine([
    `create table notes (id int primary key, body text, words tsvector
       generated always as (to_tsvector('simple', body)) stored)`,
    `insert into notes values (1, 'The big red fox'), (2, 'A red, big box'), (3, 'Nothing')`,
  ], async (engine) => {
    const found = async (text: string) => {
      const answers = await Promise.all(["body", "words"].map(async (field) => {
        const query = `query ($t: String) {
          notes(where: { ${field}: { matches: $t } }, orderBy: [{ id: ASC }]) { id } }`;
        const { notes } = await readData(engine, query, { t: text });
        return notes.map((row: { id: number }) => row.id).join(" ");
      }));
      equal(answers[0], answers[1]);
      return answers[0];
    };
    equal(await found("red big"), "1 2");
    equal(await found('"big red"'), "1");
    equal(await found("RED -fox"), "2");
    equal(await found("fox or nothing"), "1 3");
    equal(await found("' ; drop"), "");
    equal(await found(""), "");
  }));
