/**
 * A database that is changed under a running server: what was planned by the old schema is
 * UNAVAILABLE once, and the next query is right, on each transport, with no refresh by hand.
 */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { type FlightAnswer, flightCall } from "./flight_calls.ts";
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
    fails: "UNREPRESENTABLE",
    then: [{ price: "1.2345" }],
  },
  {
    name: "a column that is added, and asked for",
    query: "{ things { id later } }",
    sql: "alter table things add later int4 default 4",
    fails: "VALIDATION_ERROR",
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
    then: [{ box: { size: 5, weight: 6 } }],
  },
  {
    name: "a composite's attribute that gets another type",
    query: "{ things { box { size } } }",
    sql: "alter type crate drop attribute size; alter type crate add attribute size text; " +
      "update things set box.size = 'x'",
    fails: "UNAVAILABLE",
    then: [{ box: { size: "x" } }],
  },
];

/** So many reads of the catalog that no test waits for the next, but never two at once. */
const often = { FRAISEQL_LIMITS_CATALOG_READS_PER_MINUTE_MAX: "6000", FRAISEQL_LOG_LEVEL: "info" };

/** What GraphQL writes as a text is a number in Arrow. */
const plain = (rows: unknown) =>
  JSON.parse(JSON.stringify(rows, (_, value) => typeof value === "bigint" ? String(value) : value));

for (const transport of ["http", "arrow"] as const) {
  for (const { name, query, sql, fails, then, thenQuery = query } of changes) {
    // The first answer is asked on a connection that has prepared the statement, and on one that has not.
    for (const isPrepared of fails === "VALIDATION_ERROR" ? [false] : [true, false]) {
      const how = isPrepared ? "known" : "new";
      Deno.test(`serve over ${transport} answers a ${how} query right after ${name}`, async () => {
        const url = await postgres.createDatabase();
        await postgres.query(SETUP, url);
        await using served = await serve({
          DATABASE_URL: url,
          FRAISEQL_TOPOLOGY: transport,
          ...often,
        });
        const ask = transport === "http"
          ? (text: string) => overHttp(served.http, text)
          : (text: string) => overFlight(served.flight, text);
        if (isPrepared) equal((await ask(query)).code, null);
        await postgres.query(sql, url);
        // A composite's attribute that is gone is null to who prepared the statement before.
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

interface Seen {
  readonly rows: unknown;
  readonly code: string | null;
  /** With its hint. */
  readonly message: string;
}

async function overHttp(http: string, query: string): Promise<Seen> {
  const { body } = await post(http, query);
  const [error] = body.errors ?? [];
  const [rows] = Object.values(body.data ?? {});
  const { code = null, hint = "" } = error?.extensions ?? {};
  return { rows, code, message: `${error?.message ?? ""} ${hint}` };
}

const GRPC: Readonly<Record<string, string>> = {
  INVALID_ARGUMENT: "VALIDATION_ERROR",
  OUT_OF_RANGE: "UNREPRESENTABLE",
};

async function overFlight(flight: string, ticket: string): Promise<Seen> {
  const { values, code = null, message = "" }: FlightAnswer = await flightCall(flight, {
    call: "get",
    ticket,
    rows: true,
  });
  return { rows: values, code: code && (GRPC[code] ?? code), message };
}

/** Big integers and decimals are texts in JSON alone. */
function flat(rows: unknown): unknown {
  return JSON.parse(
    JSON.stringify(plain(rows), (_, value) => typeof value === "number" ? String(value) : value),
  );
}

const asked = { fields: '{ __type(name: "Mood") { enumValues { name } } }' };

Deno.test("serve tells HTTP what Flight found changed, and Flight what HTTP found", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(SETUP, url);
  await using served = await serve({ DATABASE_URL: url, ...often });
  const label = async (name: string) => {
    await postgres.query(`alter type mood add value '${name}'; commit`, url);
    await postgres.query(`update things set mood = '${name}'`, url);
  };
  await label("odd");
  equal((await overFlight(served.flight, "{ things { mood } }")).code, "UNAVAILABLE");
  // Nobody asked HTTP for a thing.
  await until(
    () => post(served.http, asked.fields),
    ({ body }) => body.data.__type.enumValues.some(({ name }: { name: string }) => name === "odd"),
  );
  equal((await overHttp(served.http, "{ things { mood } }")).rows, [{ mood: "odd" }]);
  await label("new");
  equal((await overHttp(served.http, "{ things { mood } }")).code, "UNAVAILABLE");
  await until(
    () => served.stderr(),
    (log) => (log.match(/catalog read again/g) ?? []).length >= 2,
  );
  await until(
    () => flightCall(served.flight, { call: "schema", cmd: "{ things { mood } }" }),
    ({ schema }) => schema !== undefined,
  );
  equal((await overFlight(served.flight, "{ things { mood } }")).rows, [{ mood: "new" }]);
});

Deno.test("serve reads its catalog hardly ever for a client that goes on asking nonsense", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(SETUP, url);
  await postgres.query(
    `create function nothing() returns int4 language plpgsql as $$ begin return gone(); end $$;
     create view broken as select nothing() as id`,
    url,
  );
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_TOPOLOGY: "http",
    FRAISEQL_LOG_LEVEL: "debug",
    FRAISEQL_LIMITS_CATALOG_READS_PER_MINUTE_MAX: "1",
  });
  const texts = [
    "{ nobody { id } }",
    "{ things(where: { mood: { eq: best } }) { id } }",
    '{ things(where: { id: { eq: "x" } }) { id } }',
  ];
  for (let n = 0; n < 30; n++) {
    const { code } = await overHttp(served.http, texts[n % texts.length]!);
    ok(code);
  }
  equal(served.stderr().includes("catalog read again"), false);
});
