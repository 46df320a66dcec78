/**
 * A database that is changed under a running server: what was planned by the old schema is
 * UNAVAILABLE once, and the next query is right, on each transport, with no refresh by hand.
 */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { flightCall } from "./flight_calls.ts";
import { type Seen, serveInProcess } from "./in_process.ts";
import { post, serve, until } from "./serve.ts";

const postgres = await testPostgres();

const SETUP = `
create type mood as enum ('good', 'bad');
create type crate as (size int4);
create table makers (id int4 primary key, size int4);
create table things (id int4 primary key, mood mood, moods mood[], name text, price numeric(5,2),
  box crate, maker_id int4 references makers);
insert into makers values (1, 7);
insert into things values (1, 'good', '{bad}', 'a', 1.25, row(5)::crate, 1)`;

interface Change {
  readonly name: string;
  readonly query: string;
  readonly sql: string;
  /** The error of the first answer; null where it is right at once. */
  readonly fails: string | null;
  /** The same where PostgreSQL has prepared the statement before; not asked where this is false. */
  readonly failsKnown?: string | false;
  /** What comes then: rows, or the words of the error. */
  readonly then: readonly Record<string, unknown>[] | RegExp;
  /** The query that is asked then, where it is another. */
  readonly thenQuery?: string;
}

const changes: readonly Change[] = [
  {
    name: "a label that an enum gains",
    query: "{ things { mood } }",
    sql: "alter type mood add value 'odd'; commit; update things set mood = 'odd'",
    fails: "UNAVAILABLE",
    then: [{ mood: "odd" }],
  },
  {
    name: "a label in an array",
    query: "{ things { moods } }",
    sql: "alter type mood add value 'odd'; commit; update things set moods = '{odd,good}'",
    fails: "UNAVAILABLE",
    then: [{ moods: ["odd", "good"] }],
  },
  {
    name: "a column that is dropped",
    query: "{ things { id name } }",
    sql: "alter table things drop name",
    fails: "UNAVAILABLE",
    then: /"name" on type "Thing"/,
  },
  {
    name: "a column that is renamed",
    query: "{ things { name } }",
    sql: "alter table things rename name to title",
    fails: "UNAVAILABLE",
    thenQuery: "{ things { title } }",
    then: [{ title: "a" }],
  },
  {
    name: "a column that gets another type",
    query: "{ things { id name } }",
    sql: "alter table things alter name type int4 using 12",
    fails: "UNAVAILABLE",
    then: [{ id: 1, name: 12 }],
  },
  {
    name: "a column that gets another type in a to-one row",
    query: "{ things { maker { size } } }",
    sql: "alter table makers alter size type text",
    fails: "UNAVAILABLE",
    then: [{ maker: { size: "7" } }],
  },
  {
    name: "a column that can be null from then on",
    query: "{ makers { id size } }",
    sql: "alter table makers drop constraint makers_pkey cascade, alter id drop not null; " +
      "update makers set id = null",
    fails: "UNAVAILABLE",
    then: [{ id: null, size: 7 }],
  },
  {
    name: "a number that gets more digits",
    query: "{ things { price } }",
    sql: "alter table things alter price type numeric(8,4); update things set price = 1.2345",
    fails: "UNAVAILABLE",
    then: [{ price: "1.2345" }],
  },
  {
    name: "a number in a nested list that gets more digits",
    query: "{ makers { things { price } } }",
    sql: "alter table things alter price type numeric(8,4); update things set price = 1.2345",
    fails: "UNAVAILABLE",
    then: [{ things: [{ price: "1.2345" }] }],
  },
  {
    name: "a column that is added, and asked for",
    query: "{ things { id later } }",
    sql: "alter table things add later int4 default 4",
    fails: "VALIDATION_ERROR",
    failsKnown: false,
    then: [{ id: 1, later: 4 }],
  },
  {
    name: "a column that is added, and not asked for",
    query: "{ things { id } }",
    sql: "alter table things add later int4 default 4",
    fails: null,
    then: [{ id: 1 }],
  },
  {
    name: "a table that is dropped",
    query: "{ things { id } }",
    sql: "drop table things",
    fails: "UNAVAILABLE",
    then: /"things" on type "Query"/,
  },
  {
    name: "a table that is made anew",
    query: "{ things { id name } }",
    sql: "drop table things; create table things (name int4, id int8 primary key); " +
      "insert into things values (3, 4)",
    fails: "UNAVAILABLE",
    then: [{ id: "4", name: 3 }],
  },
  {
    name: "a composite's attribute that is added, and asked for",
    query: "{ things { box { size weight } } }",
    sql: "alter type crate add attribute weight int4; update things set box.weight = 6",
    fails: "VALIDATION_ERROR",
    failsKnown: false,
    then: [{ box: { size: 5, weight: 6 } }],
  },
  {
    name: "a composite's attribute that gets another type",
    query: "{ things { box { size } } }",
    sql: "alter type crate drop attribute size; alter type crate add attribute size text; " +
      "update things set box.size = 'x'",
    fails: "UNAVAILABLE",
    // PostgreSQL goes on with the plan that it has, in which the attribute is gone and null.
    failsKnown: false,
    then: [{ box: { size: "x" } }],
  },
];

/** No test waits for the next read of the catalog, and no look comes before the query that fails. */
const limits = { catalogReadsPerMinuteMax: 6000, catalogAgeMsMax: 3_600_000 };

for (const transport of ["http", "flight"] as const) {
  for (const { name, query, sql, then, thenQuery = query, ...change } of changes) {
    const { failsKnown = change.fails } = change;
    for (const [how, fails] of [["known", failsKnown], ["new", change.fails]] as const) {
      if (fails === false) continue;
      Deno.test(`serve over ${transport} answers a ${how} query right after ${name}`, async () => {
        const url = await postgres.createDatabase();
        await postgres.query(SETUP, url);
        await using served = await serveInProcess(url, { limits });
        const ask = served[transport];
        if (how === "known") equal((await ask(query)).code, null);
        await postgres.query(sql, url);
        // Who is refused is believed more seldom: five times the time between two reads.
        await new Promise((resolve) => setTimeout(resolve, 100));
        const first = await ask(query);
        equal(first.code, fails, first.message);
        if (fails === "UNAVAILABLE") match(first.message, /ask again/);
        const second = await ask(thenQuery);
        if (then instanceof RegExp) match(second.message, then);
        else equal(flat(second.rows), flat(then), second.message);
      });
    }
  }
}

for (const transport of ["http", "flight"] as const) {
  Deno.test(`serve over ${transport} answers right on every connection, once one has met the change`, async () => {
    const url = await postgres.createDatabase();
    await postgres.query(SETUP, url);
    await using served = await serveInProcess(url, { limits });
    const query = "{ things { id name } }";
    const askMany = () => Promise.all(Array.from({ length: 8 }, () => served[transport](query)));
    await askMany();
    await postgres.query("alter table things alter name type int4 using 12", url);
    equal((await served[transport](query)).code, "UNAVAILABLE");
    for (const { rows, message } of await askMany()) equal(rows, [{ id: 1, name: 12 }], message);
  });

  Deno.test(`serve over ${transport} ends a stream under way that meets a new label, and the next is right`, async () => {
    const url = await postgres.createDatabase();
    await postgres.query(SETUP, url);
    await postgres.query(
      "insert into things (id, mood, name) select n, 'good', repeat('x', 50) from generate_series(2, 40000) n",
      url,
    );
    await using served = await serveInProcess(url, { limits });
    await postgres.query("alter type mood add value 'odd'", url);
    await postgres.query("update things set mood = 'odd' where id = 40000", url);
    const query = "{ things(orderBy: [{ id: ASC }]) { id mood name } }";
    const { code, message } = await served[transport](query);
    equal(code, "UNAVAILABLE");
    match(message, /"odd", which the enum did not have.*ask again/);
    const { rows } = await served[transport](query);
    equal((rows as { mood: string }[]).at(-1)?.mood, "odd");
  });
}

/** Numbers that change under a server that does not look; what each query then gives. */
const numbers: readonly [sql: string, query: string, then: string][] = [
  ["numeric(8,4)", "{ things { price } }", "1.2345"],
  ["numeric(8,4)", "{ makers { things { price } } }", "1.2345"],
  ["numeric(8,4)", "{ makers { thingsAggregate { max { price } } } }", "1.2345"],
  ["numeric(8,4)", "{ thingsAggregate { sum { price } } }", "1.2345"],
  ["numeric(8,4)", "{ makers { thingsAggregate { sum { price } } } }", "1.2345"],
  ["numeric(7,2)", "{ things { price } }", "1234.50"],
  ["numeric", "{ thingsAggregate { sum { price } } }", "1.23456"],
];

for (const unrepresentable of ["error", "null"] as const) {
  for (const [type, query, then] of numbers) {
    const name = `${query} right after a column became ${type}, where numbers that do not fit are`;
    Deno.test(`serve answers ${name} ${unrepresentable}`, async () => {
      const url = await postgres.createDatabase();
      await postgres.query(SETUP, url);
      await using served = await serveInProcess(url, { limits, unrepresentable });
      await postgres.query(
        `alter table things alter price type ${type}; update things set price = ${then}`,
        url,
      );
      for (const ask of [served.http, served.flight]) {
        const first = await ask(query);
        equal(first.code, "UNAVAILABLE", JSON.stringify(first.rows));
        match(first.message, /ask again/);
        const { rows, message } = await ask(query);
        ok(JSON.stringify(rows)?.includes(then), `${JSON.stringify(rows)} ${message}`);
      }
    });
  }
}

for (const transport of ["http", "flight"] as const) {
  Deno.test(`serve over ${transport} tells by the value what no number of the column's own type is`, async () => {
    const url = await postgres.createDatabase();
    await postgres.query(SETUP, url);
    await postgres.query(
      `create table large (n numeric(38,0)); insert into large select 9e37 from generate_series(1, 20)`,
      url,
    );
    const query = "{ largesAggregate { sum { n } } }";
    for (const [unrepresentable, code] of [["error", "UNREPRESENTABLE"], ["null", null]] as const) {
      await using served = await serveInProcess(url, { limits, unrepresentable });
      for (let n = 0; n < 3; n++) equal((await served[transport](query)).code, code);
      equal(served.catalogReads(), 2); // as they opened: a look is enough
    }
  });

  Deno.test(`serve over ${transport} is right at once where the catalog was looked at since the change`, async () => {
    const url = await postgres.createDatabase();
    await postgres.query(SETUP, url);
    // One connection, which a look takes too.
    const seldom = { ...limits, catalogAgeMsMax: 1000, poolConnectionsMax: 1 };
    await using served = await serveInProcess(url, { limits: seldom, unrepresentable: "null" });
    // Thrice what the last look is believed for, since looks that take long are made more rarely.
    const later = () => new Promise((resolve) => setTimeout(resolve, 3000));
    const ask = async (query: string) => {
      const { rows, message } = await served[transport](query);
      return rows === undefined ? message : JSON.stringify(rows);
    };
    const queries = [
      "{ things { id price name mood } }",
      "{ makers { things { price mood } } }",
      "{ thingsAggregate { sum { price } avg { price } } }",
    ];
    for (const query of queries) await ask(query);
    await postgres.query(
      `alter table things alter price type numeric(10,8); update things set price = 1.23456789;
       alter table things alter name type int4 using 7; alter type mood add value 'odd'`,
      url,
    );
    await later();
    const [first, second, third] = [
      await ask(queries[0]!),
      await ask(queries[1]!),
      await ask(queries[2]!),
    ];
    match(first, /1\.23456789.*:7,/);
    match(second, /1\.23456789/);
    equal(third.match(/1\.23456789/g)?.length, 2, third);
    await postgres.query(
      "alter table things alter price type numeric(5,1); drop table makers cascade; create table later (id int4)",
      url,
    );
    await later();
    match(await ask("{ things { price } }"), /"1\.2"/);
    match(await ask("{ makers { id } }"), /"makers" on type "Query"/);
    equal(await ask("{ laters { id } }"), "[]");
  });
}

/** Big integers and decimals are texts in JSON alone. */
function flat(rows: unknown): unknown {
  return JSON.parse(
    JSON.stringify(rows, (_, value) => typeof value === "number" ? String(value) : value),
  );
}

const often = {
  FRAISEQL_LIMITS_CATALOG_READS_PER_MINUTE_MAX: String(limits.catalogReadsPerMinuteMax),
  FRAISEQL_LIMITS_CATALOG_AGE_MS_MAX: String(limits.catalogAgeMsMax),
  FRAISEQL_LOG_LEVEL: "info",
};

Deno.test("serve tells HTTP what Flight found changed, and Flight what HTTP found", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(SETUP, url);
  await using served = await serve({ DATABASE_URL: url, ...often });
  const addLabel = async (name: string) => {
    await postgres.query(`alter type mood add value '${name}'`, url);
    await postgres.query(`update things set mood = '${name}'`, url);
  };
  const query = "{ things { mood } }";
  const overFlight = () => flightCall(served.flight, { call: "get", ticket: query, rows: true });
  const overHttp = async () => (await post(served.http, query)).body;

  await addLabel("odd");
  equal((await overFlight()).code, "UNAVAILABLE");
  equal((await overFlight()).values, [{ mood: "odd" }]);
  // HTTP learns it though nobody asks it for a thing.
  const labels = `{ __type(name: "Mood") { enumValues { name } } }`;
  await until(
    () => post(served.http, labels),
    ({ body }) => JSON.stringify(body.data).includes('"odd"'),
  );
  equal((await overHttp()).data, { things: [{ mood: "odd" }] });

  await addLabel("new");
  equal((await overHttp()).errors?.[0]?.extensions.code, "UNAVAILABLE");
  equal((await overHttp()).data, { things: [{ mood: "new" }] });
  await until(
    () => flightCall(served.flight, { call: "get", ticket: "{ makers { id } }", rows: true }),
    ({ rows }) => rows === 1,
  );
  equal((await overFlight()).values, [{ mood: "new" }]);
});

Deno.test("serve over flight fails once at most for each change that HTTP met first", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(SETUP, url);
  await using served = await serveInProcess(url, {
    limits: { ...limits, catalogReadsPerMinuteMax: 120 },
  });
  const query = "{ makers { id size } }";
  equal((await served.flight(query)).code, null);
  for (const type of ["int8", "int4", "int8", "int4", "int8", "int4"]) {
    await postgres.query(`alter table makers alter size type ${type}`, url);
    // As HTTP tells it.
    const told = served.engines.flight.refresh();
    const first = await served.flight(query);
    const second = await served.flight(query);
    ok(first.code === null || first.code === "UNAVAILABLE", first.message);
    equal(second.code, null, second.message);
    await told;
  }
});

Deno.test("serve reads no catalog for a client that goes on asking nonsense, within catalog_reads_per_minute_max", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(SETUP, url);
  await using served = await serveInProcess(url, {
    limits: { ...limits, catalogReadsPerMinuteMax: 1 },
  });
  const nonsense: readonly [query: string, code: string][] = [
    ["{ nobody { id } }", "VALIDATION_ERROR"],
    ["{ things(where: { mood: { eq: best } }) { id } }", "VALIDATION_ERROR"],
    ["{ things(limit: -1) { id } }", "BAD_INPUT"],
  ];
  for (let n = 0; n < 10; n++) {
    for (const [query, code] of nonsense) {
      const seen: Seen[] = [await served.http(query), await served.flight(query)];
      equal(seen[0]?.code, code);
      ok(seen[1]?.code);
    }
  }
  equal(served.catalogReads(), 2); // one each, as they opened
});

Deno.test("serve reads the catalog a few times for a view that always fails, and goes on saying so", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create function nothing() returns int4 language plpgsql as $$ begin return gone(); end $$;
     create view broken as select nothing() as id`,
    url,
  );
  await using served = await serveInProcess(url, {
    limits: { ...limits, catalogReadsPerMinuteMax: 60 },
  });
  for (let n = 0; n < 20; n++) {
    equal((await served.http("{ brokens { id } }")).code, "UNAVAILABLE");
  }
  // As the two opened, three that changed nothing, and one more where all that took five seconds.
  ok(served.catalogReads() <= 6, `${served.catalogReads()}`);
});
