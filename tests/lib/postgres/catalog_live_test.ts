/** From a real catalog to rows, compared with SQL that was written without the planner. */

import { deepStrictEqual as deepEqual, match, ok, rejects } from "node:assert/strict";
import { buildSchema } from "graphql";
import { AppError, CODES } from "../../../lib/errors.ts";
import { JsonDocument } from "../../../lib/http/to_json.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase, type PostgresDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { Plan, QueryEngine } from "../../../lib/query/query_engine.ts";
import { testPostgres } from "../../services/postgres.ts";
import { everyOperator } from "../query/every_operator.ts";
import { randomOf, randomQuery } from "../query/random_query.ts";
import everyKind from "./every_kind.sql" with { type: "text" };

const server = await testPostgres();
const SCHEMAS = ["public", "Odd.Schema"];

interface Opened {
  readonly url: string;
  readonly database: PostgresDatabase;
  readonly engine: QueryEngine;
  readonly notes: readonly string[];
  ask(text: string, variables?: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** Opens an engine on a database for the time of `work`. */
async function withEngine(
  url: string,
  work: (opened: Opened) => Promise<void>,
  schemas: readonly string[] = SCHEMAS,
): Promise<void> {
  const database = await openDatabase({ url, limits: limits(), log: createLog("error") });
  try {
    const notes: string[] = [];
    const engine = await openEngine({
      database,
      readCatalog: () => readCatalog(database, schemas),
      limits: limits(),
      unrepresentable: "error",
      views: [],
      onNotes: (found) => notes.splice(0, notes.length, ...found),
    });
    const ask = async (text: string, variables?: Record<string, unknown>) =>
      await run(engine, engine.plan({ text, variables: variables ?? null }));
    await work({ url, database, engine, notes, ask });
  } finally {
    await database.close();
  }
}

async function run(engine: QueryEngine, plan: Plan): Promise<Record<string, unknown>> {
  const document = new JsonDocument(plan.roots, "error");
  const decoder = new TextDecoder();
  const text = (pieces: readonly Uint8Array[]) =>
    pieces.map((piece) => decoder.decode(piece, { stream: true })).join("");
  let json = "";
  const signal = AbortSignal.timeout(60_000);
  for await (const chunk of engine.rows(plan, { signal })) json += text(document.push(chunk));
  return JSON.parse(json + text(document.end())).data;
}

const everyUrl = await server.createDatabase();
await server.query(everyKind, everyUrl);

/** What SQL says: the rows of a query as JSON, made by PostgreSQL. */
async function sqlRows(sql: string): Promise<unknown> {
  const [row] = await server.query(
    `select coalesce(json_agg(row_to_json(r)), '[]') as found from (${sql}) r`,
    everyUrl,
  );
  return row?.found;
}

Deno.test("readCatalog() finds every relation once, without partitions and extensions", async () => {
  await withEngine(everyUrl, async ({ engine }) => {
    deepEqual(engine.rootLists().map((list) => list.name), [
      "animals",
      "compositeChildren",
      "compositeParents",
      "dogs",
      "fasts",
      "happyPeople",
      "keylesses",
      "linksOuts",
      "measureNotes",
      "measures",
      "messages",
      "oneToOnes",
      "organizations",
      "people",
      "peopleCounts",
      "uniqueOnlyList",
      "vaPeople",
      "weirdTable1s",
      "oddSchemaEvents",
      "oddSchemaPeople",
    ]);
    await Promise.resolve();
  });
});

Deno.test("openEngine() gives a query for each relation that runs", async () => {
  await withEngine(everyUrl, async ({ engine }) => {
    for (const list of engine.rootLists()) {
      const data = await run(engine, engine.planWord(list.name));
      ok(Array.isArray(data[list.name]), list.name);
      ok((data[list.name] as unknown[]).length > 0, `${list.name} has rows`);
    }
  });
});

Deno.test("readCatalog() reports what had to be renamed", async () => {
  await withEngine(everyUrl, async ({ notes }) => {
    await Promise.resolve();
    const all = notes.join("\n");
    match(all, /Odd\.Schema\.people is OddSchemaPerson and oddSchemaPeople/);
    match(all, /Odd\.Schema\.events is OddSchemaEvent and oddSchemaEvents/);
    match(all, /enum public\.odd_mood is String, since its label "in progress" is no GraphQL name/);
    match(all, /aB is aB_2, since aB is taken/);
    match(all, /one_to_one_id_fkey is OneToOne\.oneToOneIdFkey, since id is taken/);
  });
});

Deno.test("readCatalog() orders relations by the schemas as they are named", async () => {
  await withEngine(everyUrl, async ({ engine }) => {
    await Promise.resolve();
    const names = engine.rootLists().map((list) => list.name);
    ok(names.includes("people") && names.includes("publicPeople"), names.join());
  }, ["Odd.Schema", "public"]);
});

Deno.test("readCatalog() refuses a schema that does not exist and names those that do", async () => {
  await rejects(withEngine(everyUrl, () => Promise.resolve(), ["public", "nope"]), {
    code: "BAD_INPUT",
    message: "the database has no schema named nope",
    hint: "FRAISEQL_DB_SCHEMAS may name: Odd.Schema, hidden, public",
  });
});

/** Every column, as JSON of PostgreSQL beside JSON of ours. */
const everyColumn: [name: string, text: string, sql: string][] = [
  [
    "composites, also in domains, in arrays and in each other",
    `{ people(orderBy: { id: ASC }) { id home { x y label }
       box { low { x y label } high { x } tags shade } boxes { low { x y } tags shade } } }`,
    `select id::text, case when home is distinct from null then json_build_object('x', (home).x, 'y', (home).y::text, 'label', (home).label) end as home,
      case when box is distinct from null then json_build_object(
        'low', json_build_object('x', ((box).low).x, 'y', ((box).low).y::text, 'label', ((box).low).label),
        'high', null, 'tags', (box).tags, 'shade', (box).shade) end as box,
      (select json_agg(case when boxes[i] is distinct from null then json_build_object(
          'low', json_build_object('x', ((boxes[i]).low).x, 'y', ((boxes[i]).low).y::text),
          'tags', (boxes[i]).tags, 'shade', (boxes[i]).shade) end order by i)
        from generate_subscripts(boxes, 1) i) as boxes
      from people order by people.id`,
  ],
  [
    "arrays of domains, citext, enums, numbers, addresses and dates",
    "{ people(orderBy: { id: ASC }) { ages mails moods grid nets dates tags } }",
    "select ages, mails, moods, grid, nets, dates, tags from people order by id",
  ],
  [
    "texts of types that have no form of their own",
    "{ people(orderBy: { id: ASC }) { net during spans code letter bits doc at odd mood email name } }",
    `select net, during, spans, code, letter::text, bits, doc::text, at::text, odd, mood, email, name
     from people order by people.id`,
  ],
  [
    "numbers, JSON, bytes and generated columns",
    "{ people(orderBy: { id: ASC }) { age fee attributes raw secret fullName rate } }",
    `select age, fee::text, attributes, raw, encode(secret, 'base64') as secret, full_name as "fullName",
       case when rate not in ('NaN', 'Infinity') then rate end as rate
     from people order by people.id`,
  ],
  [
    "odd identifiers",
    `{ weirdTable1s { id colWithDots withQuotes grosse select _ _2 and constructor _typename aB aB_2 } }`,
    `select "Id" as id, "col.with.dots" as "colWithDots", "with ""quotes""" as "withQuotes",
       "Größe 😀"::text as grosse, "select", "$" as "_", "%" as "_2", "and", "constructor",
       "__typename" as "_typename", a_b as "aB", "aB" as "aB_2" from "Odd.Schema"."Weird ""Table"" 1"`,
  ],
];

Deno.test("rows() gives every kind of column as PostgreSQL has it", async (t) => {
  await withEngine(everyUrl, async ({ ask }) => {
    for (const [name, text, sql] of everyColumn) {
      await t.step(name, async () => {
        const [rows] = Object.values(await ask(text));
        deepEqual(withoutEmpty(rows), withoutEmpty(await sqlRows(sql)));
      });
    }
  });
});

/** json_agg over nothing is null; what it is of is compared elsewhere. */
function withoutEmpty(rows: unknown): unknown {
  return JSON.parse(
    JSON.stringify(rows, (_, value) => Array.isArray(value) && value.length === 0 ? null : value),
  );
}

/** A `where` on people, and the same in SQL. */
const conditions: [where: string, sql: string][] = [
  [`{ id: { eq: "3" } }`, "id = 3"],
  [`{ id: { in: ["3", 4, "40"] } }`, "id in (3, 4, 40)"],
  [`{ id: { in: [] } }`, "false"],
  [`{ age: { nin: [] } }`, "true"],
  [`{ age: { nin: [1, 2] } }`, "age not in (1, 2)"],
  [`{ age: { neq: 3 } }`, "age <> 3"],
  [`{ not: { age: { eq: 3 } } }`, "not (age = 3)"],
  [`{ age: { gt: 3, lte: 20 } }`, "age > 3 and age <= 20"],
  [`{ age: { isNull: true } }`, "age is null"],
  [`{ age: { isNull: false } }`, "age is not null"],
  [`{ name: { like: "%n_" } }`, "name like '%n_'"],
  [`{ name: { ilike: "%N" } }`, "name ilike '%N'"],
  [`{ name: { contains: "%" } }`, "position('%' in name) > 0"],
  [`{ name: { contains: "_" } }`, "position('_' in name) > 0"],
  [`{ name: { contains: "\\\\" } }`, "position(E'\\\\' in name) > 0"],
  [`{ name: { contains: "" } }`, "true"],
  [`{ name: { icontains: "ç" } }`, "lower(name) like '%ç%'"],
  [`{ name: { startsWith: "o'" } }`, "name like 'o''%'"],
  [`{ name: { endsWith: "\\"" } }`, `name like '%"'`],
  [`{ name: { eq: "'; drop table people; --" } }`, "false"],
  [`{ name: { gte: "b" } }`, "name >= 'b'"],
  [`{ email: { eq: "USER1@example.com" } }`, "email = 'user1@example.com'"],
  [`{ email: { in: ["USER1@example.com"] } }`, "lower(email::text) = 'user1@example.com'"],
  [`{ email: { startsWith: "uSER1" } }`, "lower(email::text) like 'user1%'"],
  [`{ mood: { gt: sad } }`, "mood > 'sad'"],
  [`{ mood: { in: [ok, happy] } }`, "mood in ('ok', 'happy')"],
  [`{ odd: { eq: "it's \\"so\\"" } }`, `odd = 'it''s "so"'`],
  [`{ odd: { lt: "done" } }`, "odd = 'in progress'"],
  [`{ fee: { gt: "12.5" } }`, "fee > 12.5"],
  [`{ fee: { eq: 1.25 } }`, "fee = 1.25"],
  [`{ tags: { has: "a" } }`, "'a' = any(tags)"],
  [`{ tags: { has: "q\\"r" } }`, `'q"r' = any(tags)`],
  [`{ tags: { hasAny: ["b", "x,y"] } }`, `tags::text[] && array['b', 'x,y']`],
  [`{ tags: { hasAny: [] } }`, "false"],
  [`{ tags: { hasAll: ["a", "b"] } }`, "tags::text[] @> array['a', 'b']"],
  [`{ tags: { hasAll: [] } }`, "tags is not null"],
  [`{ tags: { isNull: true } }`, "tags is null"],
  [`{ ages: { has: 4 } }`, "4 = any(ages)"],
  [`{ ages: { hasAny: [4, 6] } }`, "ages::int[] && array[4, 6]"],
  [`{ mails: { has: "a7" } }`, "'A7' = any(mails::text[])"],
  [`{ moods: { hasAll: [happy, sad] } }`, "moods @> array['happy', 'sad']::mood[]"],
  [`{ grid: { hasAny: [4, 3] } }`, "grid && array[4, 3]"],
  [`{ nets: { has: "10.0.0.1" } }`, "'10.0.0.1' = any(nets)"],
  [`{ nets: { hasAny: ["::1/64"] } }`, "nets is not null"],
  [`{ dates: { has: "2026-01-01" } }`, "dates is not null"],
  [`{ boxes: { isNull: true } }`, "boxes is null"],
  [`{ net: { lt: "10.0.0.9" } }`, "net < '10.0.0.9'"],
  [`{ during: { eq: "[4,9)" } }`, "during = int4range(4, 9)"],
  [`{ spans: { isNull: true } }`, "spans is null"],
  [`{ code: { eq: "c3" } }`, "code = 'c3'"],
  [`{ letter: { eq: "x" } }`, "true"],
  [`{ doc: { isNull: true } }`, "doc is null"],
  [`{ attributes: { contains: { n: 2 } } }`, `attributes @> '{"n": 2}'`],
  [`{ attributes: { contains: ["a"] } }`, `attributes @> '["a"]'`],
  [`{ attributes: { hasKey: "n" } }`, "attributes ? 'n'"],
  [`{ attributes: { hasKey: "a" } }`, "attributes ? 'a'"],
  [`{ attributes: { eq: ["a", 1, true] } }`, `attributes = '["a", 1, true]'`],
  [`{ attributes: { isNull: true } }`, "attributes is null"],
  [`{ attributes: { path: [{ path: ["n"], gt: 9 }] } }`, "(attributes -> 'n')::int > 9"],
  [
    `{ attributes: { path: { path: ["deep", "k"], startsWith: "v1" } } }`,
    "attributes #>> '{deep,k}' like 'v1%'",
  ],
  [
    `{ attributes: { path: [{ path: ["1"], eq: 1 }, { path: ["2"], eq: true }] } }`,
    `attributes = '["a", 1, true]'`,
  ],
  [
    `{ attributes: { path: [{ path: ["n"], in: [2, 6, "x"] }] } }`,
    "attributes ->> 'n' in ('2', '6')",
  ],
  [`{ attributes: { path: [{ path: ["n"], isNull: true }] } }`, "attributes ->> 'n' is null"],
  [`{ attributes: { path: [{ path: ["n"], gt: "0" }] } }`, "false"],
  [`{ raw: { hasKey: "b" } }`, "raw is not null"],
  [`{ raw: { contains: { b: 2 } } }`, "raw is not null"],
  [`{ raw: { eq: { b: 2 } } }`, "raw is not null"],
  [`{ secret: { eq: "AAM=" } }`, String.raw`secret = '\x0003'`],
  [`{ secret: { in: ["AAM=", "AAQ="] } }`, String.raw`secret in ('\x0003', '\x0004')`],
  [`{ rate: { lt: 3.5 } }`, "rate < 3.5"],
  [`{ home: { x: { gt: 10 } } }`, "(home).x > 10"],
  [`{ home: { x: { isNull: true } } }`, "(home).x is null"],
  [
    `{ box: { low: { x: { lt: 9 }, not: { x: { eq: 4 } } } } }`,
    "((box).low).x < 9 and ((box).low).x <> 4",
  ],
  [`{ box: { shade: { eq: ok } } }`, "box is distinct from null"],
  [`{ organization: { name: { eq: "Acme" } } }`, "organization_id::text like '%a'"],
  [`{ organization: { parent: { name: { eq: "Acme" } } } }`, "organization_id::text like '%b'"],
  [`{ boss: {} }`, "boss_id is not null"],
  [`{ not: { boss: {} } }`, "boss_id is null"],
  [
    `{ messagesBySender: { body: { endsWith: "1" } } }`,
    "id in (select sender_id from messages where body like '%1')",
  ],
  [
    `{ messagesByReceiver: { sender: { id: { eq: "2" } } } }`,
    "id in (select receiver_id from messages where sender_id = 2)",
  ],
  [
    `{ not: { messagesByReceiver: {} } }`,
    "id not in (select receiver_id from messages where receiver_id is not null)",
  ],
  [`{ oneToOnes: { extra: { isNull: true } } }`, "id = 3"],
  [`{ or: [{ id: { eq: "1" } }, { id: { eq: "2" }, age: { eq: 2 } }] }`, "id in (1, 2)"],
  [`{ or: [] }`, "false"],
  [`{ and: [] }`, "true"],
  [`{ or: { id: { eq: "1" } } }`, "id = 1"],
  [`{ not: {} }`, "false"],
  [
    `{ and: [{ id: { gt: 3 } }, { not: { or: [{ id: { gt: 9 } }, { age: { isNull: true } }] } }] }`,
    "id > 3 and not (id > 9 or age is null)",
  ],
];

Deno.test("rows() finds by each operator of where what SQL finds", async (t) => {
  await withEngine(everyUrl, async ({ ask }) => {
    for (const [where, sql] of conditions) {
      await t.step(where, async () => {
        const { people } = await ask(`{ people(where: ${where}, orderBy: { id: ASC }) { id } }`);
        deepEqual(
          people,
          await sqlRows(`select id::text from people where ${sql} order by people.id`),
        );
      });
    }
  });
});

/** Queries whose rows have a promised order, and the same in SQL. */
const ordered: [name: string, text: string, sql: string][] = [
  [
    "an order by a column, ties by key",
    "{ r: people(orderBy: [{ mood: DESC }]) { id mood } }",
    "select id::text, mood from people order by mood desc, people.id",
  ],
  [
    "an order with nulls where they are wanted",
    "{ r: people(orderBy: [{ age: ASC_NULLS_FIRST }, { id: DESC }]) { id age } }",
    "select id::text, age from people order by age nulls first, people.id desc",
  ],
  [
    "an order with nulls last, descending",
    "{ r: people(orderBy: [{ age: DESC_NULLS_LAST }]) { id } }",
    "select id::text from people order by age desc nulls last, people.id",
  ],
  [
    "an order by a related row",
    "{ r: people(orderBy: [{ boss: { boss: { name: DESC } } }, { organization: { name: ASC } }]) { id } }",
    `select p.id::text from people p left join people b on b.id = p.boss_id
       left join people bb on bb.id = b.boss_id join organizations o on o.id = p.organization_id
     order by bb.name desc, o.name, p.id`,
  ],
  [
    "key order with limit and offset",
    "{ r: people(limit: 5, offset: 7) { id } }",
    "select id::text from people order by people.id limit 5 offset 7",
  ],
  ["no rows with limit 0", "{ r: people(limit: 0) { id } }", "select 1 where false"],
  ["no rows beyond the end", "{ r: people(offset: 1000) { id } }", "select 1 where false"],
  [
    "a composite key in its own order",
    "{ r: compositeParents(limit: 3) { a b } }",
    "select a, b from composite_parents order by b, a",
  ],
  [
    "rows of all partitions under their root",
    "{ r: measures(limit: 100) { day sensor value } }",
    "select day, sensor, value::text from measures order by day, sensor",
  ],
  [
    "rows of the children with those of a parent table",
    "{ r: animals(orderBy: { id: ASC }) { id name } }",
    "select id, name from animals order by id",
  ],
  [
    "views and materialized views",
    "{ r: peopleCounts(orderBy: { organizationId: ASC }) { organizationId people } }",
    `select organization_id as "organizationId", people::text from people_count order by 1`,
  ],
  [
    "related lists, each with its own arguments",
    `{ r: organizations(orderBy: { name: ASC }) { name
         first: people(limit: 2, offset: 1, orderBy: { name: DESC }) { id }
         young: people(where: { age: { lt: 6 } }) { id messagesBySender(limit: 1) { id body } }
         organizations { name parent { name } } } }`,
    `select name,
       coalesce((select json_agg(json_build_object('id', q.id::text) order by q.name desc, q.id) from
         (select id, name from people where organization_id = o.id order by name desc, id limit 2 offset 1) q), '[]') as first,
       coalesce((select json_agg(json_build_object('id', p.id::text, 'messagesBySender', coalesce((
         select json_agg(json_build_object('id', m.id, 'body', m.body)) from
           (select * from messages where sender_id = p.id order by id limit 1) m), '[]')) order by p.id)
         from people p where organization_id = o.id and age < 6), '[]') as young,
       coalesce((select json_agg(json_build_object('name', c.name, 'parent', json_build_object('name', o.name)) order by c.id)
         from organizations c where parent_id = o.id), '[]') as organizations
     from organizations o order by o.name`,
  ],
  [
    "related rows by a composite foreign key, null where a part is null",
    "{ r: compositeChildren(limit: 9) { id compositeParent { a b note } } }",
    `select c.id, (select row_to_json(p) from composite_parents p where (p.a, p.b) = (c.pa, c.pb)) as "compositeParent"
     from composite_children c order by id`,
  ],
  [
    "the list on the other side of a composite foreign key",
    "{ r: compositeParents(limit: 9) { note compositeChildren { id } } }",
    `select note, coalesce((select json_agg(json_build_object('id', id) order by id) from composite_children
       where (pa, pb) = (a, b)), '[]') as "compositeChildren" from composite_parents order by b, a`,
  ],
  [
    "rows behind a foreign key to a partitioned table",
    "{ r: measureNotes(limit: 9) { note measure { value measureNotes { id } } } }",
    `select note, (select json_build_object('value', m.value::text, 'measureNotes', json_build_array(json_build_object('id', n.id)))
       from measures m where (m.day, m.sensor) = (n.day, n.sensor)) as measure from measure_notes n order by id`,
  ],
  [
    "both keys between two tables",
    "{ r: messages(limit: 9, orderBy: { id: DESC }) { id sender { id } receiver { id boss { id } } } }",
    `select m.id, json_build_object('id', m.sender_id::text) as sender,
       case when m.receiver_id is not null then json_build_object('id', m.receiver_id::text, 'boss',
         (select json_build_object('id', b.boss_id::text) from people b where b.id = m.receiver_id and b.boss_id is not null)) end as receiver
     from messages m order by id desc limit 9`,
  ],
  [
    "a foreign key to a schema that is not exposed as a plain column",
    "{ r: linksOuts { id secretId } }",
    `select id, secret_id as "secretId" from links_out`,
  ],
  [
    "one name of two schemas",
    "{ r: oddSchemaPeople { id nick } }",
    `select id, nick from "Odd.Schema".people`,
  ],
];

Deno.test("rows() gives ordered and nested rows as SQL does", async (t) => {
  await withEngine(everyUrl, async ({ ask }) => {
    for (const [name, text, sql] of ordered) {
      await t.step(name, async () => deepEqual((await ask(text)).r, await sqlRows(sql)));
    }
  });
});

Deno.test("rows() gives one row by key, and null where there is none", async () => {
  await withEngine(everyUrl, async ({ ask }) => {
    deepEqual(
      await ask(
        `query ($id: BigInt!) {
          a: person(id: $id) { id name __typename }
          b: person(id: 41) { id }
          c: compositeParent(b: "y", a: 1) { a b note }
          d: organization(id: "00000000-0000-0000-0000-00000000000A") { name parent { name } }
          e: measure(day: "2026-01-01", sensor: 1) { value }
          f: weirdTable1(id: 1) { select }
          g: uniqueOnly(code: "b") { other }
        }`,
        { id: "9007199254740993" },
      ),
      {
        a: null,
        b: null,
        c: { a: 1, b: "y", note: null },
        d: { name: "Acme", parent: null },
        e: { value: "0.66666666666666666667" },
        f: { select: 2 },
        g: { other: null },
      },
    );
  });
});

Deno.test("rows() gives constants, fragments and aliases beside columns", async () => {
  await withEngine(everyUrl, async ({ ask }) => {
    deepEqual(
      await ask(
        `query ($no: Boolean!) {
          __typename
          one: organizations(limit: 1) { ...o ... on Organization { t: __typename } id @skip(if: true) }
          organizations(limit: 1) { people(limit: 1) { __typename x: id y: id organization { __typename } } }
          people @include(if: $no) { id }
        }
        fragment o on Organization { name n: name parent { __typename } }`,
        { no: false },
      ),
      {
        __typename: "Query",
        one: [{ name: "Acme", n: "Acme", parent: null, t: "Organization" }],
        organizations: [{
          people: [{
            __typename: "Person",
            x: "3",
            y: "3",
            organization: { __typename: "Organization" },
          }],
        }],
      },
    );
  });
});

Deno.test("rows() gives rows of nothing but __typename", async () => {
  await withEngine(everyUrl, async ({ ask }) => {
    deepEqual(await ask("{ keylesses { __typename } person(id: 1) { __typename } }"), {
      keylesses: Array(3).fill({ __typename: "Keyless" }),
      person: { __typename: "Person" },
    });
  });
});

Deno.test("rows() refuses an array of two dimensions, of numbers or of composites", async () => {
  const url = await server.createDatabase();
  await server.query(
    `create type pair as (a int, b int);
     create table grids (id int primary key, numbers int[], pairs pair[]);
     insert into grids values (1, '{{1,2},{3,4}}', null), (2, null, array[array[row(1,2)::pair]])`,
    url,
  );
  await withEngine(url, async ({ ask }) => {
    for (const text of ["{ grids { numbers } }", "{ grids { pairs { a } } }"]) {
      await rejects(ask(text), { name: "AppError", code: "UNREPRESENTABLE" });
    }
    deepEqual(await ask(`{ grid(id: 1) { pairs { a } } }`), { grid: { pairs: null } });
  }, ["public"]);
});

/** Values whose form is right and that PostgreSQL refuses. */
const refused: [name: string, where: string][] = [
  ["a date that does not exist", `{ dates: { has: "2026-02-31" } }`],
  ["a malformed address", `{ net: { eq: "nowhere" } }`],
  ["a malformed range", `{ during: { eq: "[1" } }`],
];

for (const [name, where] of refused) {
  Deno.test(`rows() refuses ${name} as BAD_INPUT`, async () => {
    await withEngine(everyUrl, async ({ ask }) => {
      await rejects(ask(`{ people(where: ${where}) { id } }`), {
        name: "AppError",
        code: "BAD_INPUT",
      });
    });
  });
}

Deno.test("planView() reads a view by PostgreSQL's own names", async () => {
  await withEngine(everyUrl, async ({ engine }) => {
    const plan = engine.planView({
      view: "va_people",
      filter: {
        "Full Name": { startsWith: "A" },
        or: [{ mood: { eq: "ok" } }, { fee: { gt: 10 } }],
      },
      orderBy: `"Full Name" desc, fee DESC nulls last`,
      limit: 2,
    });
    const { va_people: rows } = await run(engine, plan);
    deepEqual(
      rows,
      await sqlRows(
        `select id::text, name as "Full Name", mood, fee::text, attributes,
           case when home is distinct from null then json_build_object('x', (home).x, 'y', (home).y::text, 'label', (home).label) end as home, tags
         from people where name like 'A%' and (mood = 'ok' or fee > 10) order by name desc, people.fee desc nulls last limit 2`,
      ),
    );
  });
});

Deno.test("refresh() finds what was made, changed and dropped, and keeps running plans", async () => {
  const url = await server.createDatabase();
  await server.query(
    "create table t (id int primary key, a text); insert into t values (1, 'x')",
    url,
  );
  await withEngine(url, async ({ engine, ask }) => {
    const before = engine.plan({ text: "{ ts { id a } }" });
    await server.query(
      `create type shade as enum ('dark'); create table u (id int primary key, t_id int references t, s shade);
       insert into u values (1, 1, 'dark')`,
      url,
    );
    await rejects(() => ask("{ us { id } }"), { code: "VALIDATION_ERROR" });
    await engine.refresh();
    deepEqual(await ask("{ us { s t { a us { id } } } }"), {
      us: [{ s: "dark", t: { a: "x", us: [{ id: 1 }] } }],
    });
    deepEqual(await run(engine, before), { ts: [{ id: 1, a: "x" }] });

    await server.query(
      "drop table u; alter table t rename column a to b; alter table t add c int",
      url,
    );
    await rejects(run(engine, before), { code: "UNAVAILABLE" });
    await engine.refresh();
    deepEqual(await ask("{ ts { id b c } }"), { ts: [{ id: 1, b: "x", c: null }] });
    match(engine.sdl(), /type T \{\n {2}b: String\n {2}c: Int\n {2}id: Int!\n\}/);
  }, ["public"]);
});

Deno.test("readCatalog() shows a role only what it may read", async () => {
  const url = await server.createDatabase();
  const role = `fraiseql_test_reader_${crypto.randomUUID().slice(0, 8)}`;
  await server.query(
    `create schema closed; create table closed.c (id int primary key);
     create table all_of_it (id int primary key, a text);
     create table a_part (id int primary key, a text, secret text, all_id int references all_of_it);
     create table without_key (id int primary key, a text);
     create table nothing (id int primary key);
     create role "${role}" login password 'p';
     grant select on all_of_it, closed.c to "${role}";
     grant select (id, a) on a_part to "${role}";
     grant select (a) on without_key to "${role}";
     insert into a_part values (1, 'x', 's', null)`,
    url,
  );
  const reader = new URL(url);
  [reader.username, reader.password] = [role, "p"];
  try {
    await withEngine(reader.href, async ({ engine, ask }) => {
      deepEqual(engine.rootLists().map((list) => list.text), [
        "{ aParts { id a } }",
        "{ allOfIts { id a } }",
        "{ withoutKeys { a } }",
      ]);
      deepEqual(await ask("{ aPart(id: 1) { a } }"), { aPart: { a: "x" } });
      ok(!engine.sdl().includes("withoutKey("), "no row by a key that cannot be read");
      ok(!engine.sdl().includes("aParts(where: APartWhere"), "no link by a column out of sight");
    }, ["public", "closed"]);
  } finally {
    await server.dropDatabase(url);
    await server.query(`drop role "${role}"`);
  }
});

Deno.test("openEngine() serves a database without any relation", async () => {
  const url = await server.createDatabase();
  await withEngine(url, async ({ ask, engine }) => {
    deepEqual(await ask("{ __typename _empty }"), { __typename: "Query", _empty: null });
    deepEqual(engine.rootLists(), []);
  }, ["public"]);
});

Deno.test("readCatalog() takes what PostgreSQL 18 brought for what it is", async () => {
  const url = await server.createDatabase();
  await withEngine(url, async ({ engine, database, ask }) => {
    // An older server in DATABASE_URL has none of this.
    if (database.version < 180000) return;
    await server.query(
      `create table old (id int, late int unique);
       insert into old values (null, null);
       alter table old add constraint o1 not null id not valid;
       alter table old add constraint o2 not null late not valid;
       create table rooms (place int4range, during daterange,
         primary key (place, during without overlaps));
       create table stays (id int primary key, place int4range, during daterange,
         foreign key (place, period during) references rooms (place, period during));
       create table doubled (a int primary key, b int generated always as (a * 2) virtual);
       insert into doubled values (4);
       create table soft (id int primary key, doubled_id int references doubled not enforced);
       insert into soft values (1, 4), (2, 5)`,
      url,
    );
    await engine.refresh();
    deepEqual(await ask("{ olds { id late } }"), { olds: [{ id: null, late: null }] });
    ok(!/^ {2}room: Room$/m.test(engine.sdl()), "no link along a period");
    deepEqual(await ask("{ doubled(a: 4) { b } softs(orderBy: { id: ASC }) { doubled { b } } }"), {
      doubled: { b: 8 },
      softs: [{ doubled: { b: 8 } }, { doubled: null }],
    });
  }, ["public"]);
});

Deno.test("readCatalog() knows the rows of a table as a type, also in arrays and domains", async () => {
  const url = await server.createDatabase();
  await server.query(
    `create table part (a int, b text);
     create domain parts as part[];
     create domain one_part as part;
     create table wholes (id int primary key, one part, many part[], dom parts, d one_part);
     insert into wholes values (1, (1, 'x'), array[(2, 'y')::part], array[(3, 'z')::part], (4, 'd'))`,
    url,
  );
  await withEngine(url, async ({ ask }) => {
    deepEqual(
      await ask(
        "{ wholes(where: { d: { a: { eq: 4 } } }) { one { a } many { b } dom { a b } d { a } } }",
      ),
      { wholes: [{ one: { a: 1 }, many: [{ b: "y" }], dom: [{ a: 3, b: "z" }], d: { a: 4 } }] },
    );
  }, ["public"]);
});

/** The tables of `SHOP` in tests/lib/query/catalogs.ts, with a row of nulls and one of values. */
const SHOP_SQL = `
  create type status as enum ('new', 'paid');
  create type odd_status as enum ('in progress', 'done');
  create type address as (street text, zip int4);
  create domain email as text;
  create table users (id uuid primary key, name text not null, email email,
    manager_id uuid references users, home address);
  create table orders (id int8 primary key, user_id uuid not null references users,
    status status not null, total numeric(10,2), tags text[], extra jsonb, at timestamptz,
    places address[]);
  create table things (b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric, t text,
    c bpchar, u uuid, j json, jb jsonb, bytes bytea, d date, tm time, ts timestamp, tz timestamptz,
    iv interval, st status, odd odd_status, net inet, pt point, dom email, days date[], doms email[]);
  insert into users values ('00000000-0000-0000-0000-000000000000', 'a', 'e', null, ('s', 1)),
    ('00000000-0000-0000-0000-000000000001', 'b', null, '00000000-0000-0000-0000-000000000000', null);
  insert into orders values (1, '00000000-0000-0000-0000-000000000000', 'new', 1, '{a}', '{"a":[1]}',
    '2026-01-01', array[('s', 2)::address, null]), (2, '00000000-0000-0000-0000-000000000001', 'paid', null, null, null, null, null);
  insert into things default values;
  insert into things values (true, 1, 1, 1, 1.5, 1.5, 1.5, 'x', 'x', null, '{"a":["x"]}', '{"a":["x"]}',
    'x', '2026-01-31', '1:00', now(), now(), '1 day', 'new', 'done', '10.0.0.1', '(1,2)', 'd',
    '{2026-01-31}', '{a}')`;

Deno.test("rows() runs every operator on every type of column", async (t) => {
  const url = await server.createDatabase();
  await server.query(SHOP_SQL, url);
  await withEngine(url, async ({ ask, engine }) => {
    const queries = everyOperator(engine.sdl(), "things", "Thing", "b");
    for (const [name, query] of queries) await t.step(name, async () => void await ask(query));
    // One by one, so that a wrong value of one query does not hide the others.
    const random = randomOf(5);
    const schema = buildSchema(engine.sdl());
    let answered = 0;
    await t.step("and whatever else the schema allows", async () => {
      for (let i = 0; i < 900; i++) {
        const text = randomQuery(schema, random);
        try {
          await ask(text);
          answered++;
        } catch (error) {
          ok(error instanceof AppError && CODES[error.code].http < 500, `${text}: ${error}`);
        }
      }
      ok(answered > 200, `only ${answered} were good`);
    });
  }, ["public"]);
});
