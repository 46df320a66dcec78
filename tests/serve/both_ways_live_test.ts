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

const filed = `
  type Doc @source(relation: "v_docs", key: ["id"], json: "data") {
    id: Int! @column(plain: true)
    s: String ident: ID b: Boolean i: Int big: BigInt f: Float d: Decimal
    d2: Decimal @column(name: "d", decimal: "20,4")
    u: UUID at: DateTime local: LocalDateTime on: Date clock: LocalTime span: Duration
    bytes: Bytes any: JSON mood: Mood moods: [Mood] numbers: [Int] texts: [String] decimals: [Decimal]
    place: Place places: [Place]
    next: Doc @relation(columns: ["nextId"], references: ["id"])
    before: [Doc!]! @relation(columns: ["id"], references: ["nextId"])
    nextId: Int @hidden
    label: String @computed(function: "label")
    parts: [String] @computed(function: "parts")
  }
  type Place { x: Float name: String! inner: Inner }
  type Inner { tags: [String] at: DateTime }
  enum Mood { sad happy }`;

const docs = `
  create view v_docs as select g as id, jsonb_build_object(
    's', 'text ' || g, 'ident', g, 'b', g % 2 = 0, 'i', g, 'big', g * 10000000000, 'f', g / 7.0,
    'd', (g / 3.0)::numeric(20,4), 'u', md5(g::text)::uuid, 'at', timestamptz '2026-01-01Z' + g * interval '1.5 h',
    'local', timestamp '2026-01-01' + g * interval '1 s', 'on', date '2026-01-01' + g,
    'clock', time '10:00' + g * interval '0.1 s', 'span', format('P%sDT%sH', g, g), 'bytes', convert_to('b' || g, 'UTF8'),
    'any', jsonb_build_array(g, null, 'x'), 'mood', case when g % 2 = 0 then 'sad' else 'happy' end,
    'moods', jsonb_build_array('happy', null, 'sad'), 'numbers', jsonb_build_array(g, null, -g),
    'texts', jsonb_build_array('a,b', null, g::text), 'decimals', jsonb_build_array(g / 4.0, '1.50'),
    'place', case when g % 3 > 0 then jsonb_build_object('x', g, 'name', 'n' || g, 'inner',
      case when g % 2 = 0 then jsonb_build_object('tags', jsonb_build_array('t', g::text), 'at', '2026-05-05T05:05:05Z') end) end,
    'places', jsonb_build_array(jsonb_build_object('name', 'a'), null, jsonb_build_object('name', 'b', 'x', g)),
    'nextId', nullif(g + 1, 16)
  ) as data from generate_series(1, 15) g
  union all select 41, '{}' union all select 42, null;
  create function label(v_docs) returns text immutable language sql as $$ select 'doc ' || $1.id $$;
  create function parts(v_docs) returns text[] immutable language sql as
    $$ select array[$1.id::text, null, $1.data ->> 's'] $$;`;

Deno.test("serve gives the same values of fields in JSON and of computed ones over HTTP and Flight", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(docs, url);
  const file = await Deno.makeTempFile({ suffix: ".graphql" });
  try {
    await Deno.writeTextFile(file, filed);
    await using served = await serve({ DATABASE_URL: url, FRAISEQL_SCHEMA: file, ...wide });
    const { rows, faults } = await compare(
      served.http,
      served.flight,
      await rootQueries(served.http),
    );
    equal(faults, []);
    ok(rows > 50);
  } finally {
    await Deno.remove(file);
  }
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
