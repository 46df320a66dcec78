import { deepEqual, equal, rejects } from "node:assert/strict";
import { JsonRows } from "../../../lib/json/json_rows.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { testPostgres } from "../../services/postgres.ts";

const postgres = await testPostgres();

async function withEngine(
  sql: readonly string[],
  run: (engine: QueryEngine) => Promise<void>,
  views: readonly string[] = [],
): Promise<void> {
  const url = await postgres.createDatabase();
  for (const statement of sql) await postgres.query(statement, url);
  const database = await openDatabase({
    url,
    limits: limits(),
    log: createLog("error", () => {}),
  });
  try {
    const readSchema = () => readCatalog(database, ["public"]);
    await run(
      await openEngine({
        database,
        readCatalog: readSchema,
        limits: limits(),
        unrepresentable: "error",
        views,
      }),
    );
  } finally {
    await database.close();
    await postgres.dropDatabase(url);
  }
}

/** The rows of the only root field. */
async function read(engine: QueryEngine, text: string): Promise<unknown> {
  const plan = engine.plan({ text });
  const root = plan.roots[0];
  if (root?.kind !== "rows") throw new Error("not a list");
  const rows = new JsonRows(root.fields, { unrepresentable: "error" });
  for await (const chunk of engine.rows(plan, { signal: new AbortController().signal })) {
    rows.push(chunk);
  }
  return JSON.parse(`[${new TextDecoder().decode(rows.take())}]`);
}

Deno.test("a table that others inherit from: each row once, and no row by a key that is not one", () =>
  withEngine([
    "create table parents (id int primary key, v text)",
    "create table children (extra int) inherits (parents)",
    "create table refs (id int primary key, parent_id int references parents)",
    "insert into parents values (1, 'own'), (2, 'other')",
    "insert into children values (1, 'inherited', 9)",
    "insert into refs values (10, 1)",
  ], async (engine) => {
    deepEqual(await read(engine, "{ refs { id parent { v } } }"), [
      { id: 10, parent: { v: "own" } },
    ]);
    deepEqual(
      await read(engine, '{ refs(where: { parent: { v: { eq: "inherited" } } }) { id } }'),
      [],
    );
    deepEqual(await read(engine, "{ parents(orderBy: [{ v: ASC }]) { v } }"), [
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
      const rows = await read(engine, `{ words(where: { ${condition} }) { id } }`);
      deepEqual([condition, rows], [condition, [{ id: 1 }]]);
    }
    deepEqual(await read(engine, "{ words { id uses { id } } }"), [{ id: 1, uses: [{ id: 1 }] }]);
  }));

Deno.test("openEngine() refuses a view to offer that is not there, and names one that is near", () =>
  rejects(
    withEngine(["create view reports as select 1 as one"], () => Promise.resolve(), ["report"]),
    { code: "BAD_INPUT", message: /"report"/, hint: /reports/ },
  ));
