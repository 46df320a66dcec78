import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { compare } from "../clients/both_ways.ts";
import { testPostgres, withClient } from "../services/postgres.ts";
import { post, serve } from "./serve.ts";
import { rootQueries } from "./queries.ts";

const postgres = await testPostgres();

/** A database with every kind of column. */
async function kinds(): Promise<string> {
  const url = await postgres.createDatabase();
  const sql = await Deno.readTextFile(new URL("kinds.sql", import.meta.url));
  await postgres.query(sql, url);
  return url;
}

/** Queries deep and wide enough for anything. */
const wide = { FRAISEQL_LIMITS_QUERY_COST_MAX: "100000000", FRAISEQL_LOG_LEVEL: "warn" };

Deno.test("serve gives the same values of every root field of the sample shop over HTTP and Flight", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...wide });
  const { rows, faults } = await compare(
    served.http,
    served.flight,
    await rootQueries(served.http),
  );
  equal(faults, []);
  ok(rows > 30_000);
});

Deno.test("serve gives the same values of every type and relation over HTTP and Flight", async () => {
  const url = await kinds();
  await using served = await serve({ DATABASE_URL: url, ...wide });
  const { rows, faults } = await compare(
    served.http,
    served.flight,
    await rootQueries(served.http),
  );
  equal(faults, []);
  ok(rows > 500);
});

const shapes: readonly string[] = [
  "{ kinds(limit: 4) { id p { x @skip(if: true) } solidsByKind { code @skip(if: true) } } }",
  "{ a: kinds(limit: 9) { x: id y: id z: __typename p { a: x b: x __typename } aP { __typename } } }",
  `{ kinds(limit: 9) { ...A ...B } }
   fragment A on Kind { id solidsByKind(limit: 1) { code } }
   fragment B on Kind { id solidsByKind(limit: 1) { e kind { d } } }`,
  `{ kinds(limit: 9) { id a: solidsByKind(limit: 1) { code }
     b: solidsByKind(limit: 2, offset: 1, orderBy: [{ code: DESC }]) {
       code kind { id solidsByKind(where: { flag: { eq: true } }) { code } } } } }`,
  `{ solids(where: { kind: { t: { isNull: false } } }, orderBy: [{ kind: { id: DESC } }, { code: ASC }]) {
     code kind { id t } } }`,
  "{ solids(where: { or: [{ e: { eq: happy } }, { not: { i4: { lt: 50 } } }] }, limit: 99) { code e } }",
  '{ solids(where: { eo: { eq: "plain" } }, limit: 2) { code eo } }',
  '{ kinds(where: { jb: { hasKey: "a" } }, limit: 9) { id jb } }',
  '{ kinds(where: { aT: { has: "a,b" } }, limit: 9) { id aT } }',
  "{ treeNodes(limit: 9) { id parent { name parent { name } } treeNodes { id treeNodes { id } } } }",
  "{ solids(offset: 58) { code } }",
  "{ solids(offset: 99) { code } }",
];

Deno.test("serve gives the same rows of aliases, fragments, conditions and orders over HTTP and Flight", async () => {
  const url = await kinds();
  await using served = await serve({ DATABASE_URL: url, ...wide });
  const queries = shapes.map((query) => ({ query, ordered: true }));
  equal((await compare(served.http, served.flight, queries)).faults, []);
});

Deno.test("serve gives the values that PostgreSQL's own to_jsonb gives", async () => {
  const url = await kinds();
  await using served = await serve({ DATABASE_URL: url, ...wide });
  const columns = ["id", "flag", "i2", "i4", "j", "jb", "t", "vc", "ci", "nm", "u", "e", "eo"];
  columns.push("ip", "r4", "mr", "ox", "mac", "bi", "tv");
  const { body } = await post(served.http, `{ rows: kinds(limit: 99) { ${columns.join(" ")} } }`);
  // What JSON has no words for is text in ours, so PostgreSQL is asked for its text too.
  const texts = { i8: "i8::text", n: "n::text", d3838: "d38_38::text", iv: "iv::text" };
  const named = Object.entries(texts).map(([name, sql]) => `'${name}', ${sql}`).join(", ");
  const rows = await withClient(
    url,
    (sql) =>
      sql.unsafe(`set intervalstyle = iso_8601; select (select jsonb_object_agg(key, value)
      from jsonb_each(to_jsonb(k)) where key = any(string_to_array('${columns}', ','))) as own,
      jsonb_build_object(${named}) as texts from kinds k order by id`),
  );
  const answers = rows.at(-1) ?? [];
  equal(body.data.rows, [...answers].map(({ own }) => own));
  const mine = await post(served.http, `{ rows: kinds(limit: 99) { i8 n d3838 iv } }`);
  equal(mine.body.data.rows, [...answers].map(({ texts }) => texts));
});
