import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { flightGet } from "./flight_calls.ts";
import { type Answer, post, serve } from "./serve.ts";

const postgres = await testPostgres();

const values: [name: string, type: string, value: string][] = [
  ["a numeric(10,2) NaN", "numeric(10, 2)", "NaN"],
  ["a date infinity", "date", "infinity"],
  ["a date -infinity", "date", "-infinity"],
  ["a timestamp infinity", "timestamp", "infinity"],
  ["a timestamptz -infinity", "timestamptz", "-infinity"],
  ["a timestamptz beyond Arrow's range", "timestamptz", "294276-12-31 00:00+00"],
  ["a time 24:00", "time", "24:00"],
  ["an array of two dimensions", "int[]", "{{1,2},{3,4}}"],
  ["an infinity in an array", "date[]", "{2020-01-01,infinity}"],
  ["a NaN in a composite", "pair", '(1,"NaN")'],
];

async function database(): Promise<string> {
  const url = await postgres.createDatabase();
  const tables = values.map(([, type, value], i) => `
    create table "value${i}x" (id int primary key, v ${type});
    insert into "value${i}x" values (1, null), (2, '${value}'), (3, null);`);
  await postgres.query(
    `create type pair as (a int, b numeric(5, 2)); ${tables.join("")}
     create table many (id int primary key, day date);
     insert into many select g, case when g = 150000 then 'infinity' else date '2020-01-01' end
       from generate_series(1, 300000) g;
     create table parents (id int primary key);
     create table children (id int primary key, parent_id int references parents, at time);
     insert into parents select generate_series(1, 9);
     insert into children select g, g % 9 + 1, case g when 5 then '24:00' else '12:00' end::time
       from generate_series(1, 9) g;`,
    url,
  );
  return url;
}

const url = await database();
const selected = (i: number) => values[i]?.[1] === "pair" ? "v { a b }" : "v";

Deno.test("serve answers what a format cannot hold as UNREPRESENTABLE with column and row, on both transports", async () => {
  await using served = await serve({ DATABASE_URL: url, FRAISEQL_LOG_LEVEL: "warn" });
  for (const [i, [name]] of values.entries()) {
    const text = `{ rows: value${i}xes(orderBy: [{ id: ASC }]) { id ${selected(i)} } }`;
    const { status, body } = await post(served.http, text);
    equal([name, status, body.errors?.[0]?.extensions.code], [name, 422, "UNREPRESENTABLE"]);
    const { code, message = "" } = await flightGet(served.flight, text);
    equal([name, code], [name, "OUT_OF_RANGE"]);
    match(body.errors?.[0]?.message ?? "", /column v\b.* row 2\b/, name);
    ok(message.includes(body.errors?.[0]?.message ?? "?"), `${name}: ${message}`);
  }
});

Deno.test("serve names the nested column and the outer row of what a format cannot hold", async () => {
  await using served = await serve({ DATABASE_URL: url, FRAISEQL_LOG_LEVEL: "warn" });
  const query = "{ parents(orderBy: [{ id: ASC }]) { id children { at } } }";
  const { status, body } = await post(served.http, query);
  const { code, message = "" } = await flightGet(served.flight, query);
  equal([status, code], [422, "OUT_OF_RANGE"]);
  match(body.errors?.[0]?.message ?? "", /column children.*at\b.* row 6\b/);
  ok(message.includes(body.errors?.[0]?.message ?? "?"), message);
});

Deno.test("serve ends a long stream at the row that a format cannot hold: valid JSON with errors, and a Flight error", async () => {
  await using served = await serve({ DATABASE_URL: url, FRAISEQL_LOG_LEVEL: "warn" });
  const query = "{ manies(orderBy: [{ id: ASC }]) { id day } }";
  const response = await fetch(`${served.http}/graphql?query=${encodeURIComponent(query)}`);
  equal(response.status, 200);
  const body: Answer = JSON.parse(await response.text());
  const [error] = body.errors ?? [];
  equal([body.errors?.length, error?.extensions.code], [1, "UNREPRESENTABLE"]);
  match(error?.message ?? "", /column day\b.* row 150000\b/);
  const stream = await flightGet(served.flight, query);
  equal(stream.code, "OUT_OF_RANGE");
  match(stream.message ?? "", /column day\b.* row 150000\b/);
  ok((stream.rows ?? 0) < 150_000);
});

Deno.test("serve gives null for what a format cannot hold where FRAISEQL_UNREPRESENTABLE=null", async () => {
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_UNREPRESENTABLE: "null",
    FRAISEQL_LOG_LEVEL: "warn",
  });
  for (const [i, [name, type]] of values.entries()) {
    const { body } = await post(served.http, `{ row: value${i}x(id: 2) { ${selected(i)} } }`);
    const read = await flightGet(served.flight, `{ row: value${i}x(id: 2) { ${selected(i)} } }`);
    equal([name, body.errors, read.message], [name, undefined, undefined]);
    const wanted = type === "date[]"
      ? ["2020-01-01", null]
      : type === "pair"
      ? { a: 1, b: null }
      : null;
    equal([name, body.data.row.v], [name, wanted]);
  }
  const query =
    "{ manies(where: { id: { in: [149999, 150000] } }, orderBy: [{ id: ASC }]) { day } }";
  const { body } = await post(served.http, query);
  equal(body.data.manies, [{ day: "2020-01-01" }, { day: null }]);
  equal((await flightGet(served.flight, "{ manies { id day } }")).rows, 300_000);
});
