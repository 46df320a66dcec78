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

/** Every type whose bytes could be taken for another's, and what it is changed to. */
const changes: [name: string, before: string, after: string][] = [
  ["an integer that becomes a text", "int4", "text"],
  ["a text that becomes JSON", "text", "jsonb using to_jsonb(value)"],
  ["a timestamp that becomes one with a time zone", "timestamp", "timestamptz"],
  ["an array that becomes one of another type", "int4[]", "int8[]"],
  ["an enum that becomes a text", "mood", "text"],
];

for (const [name, before, after] of changes) {
  Deno.test(`rows() refuses ${name} until the schema is read again`, async () => {
    const url = await postgres.createDatabase();
    const run = (sql: string) => postgres.query(sql, url);
    await run("create type mood as enum ('good', 'bad')");
    await run(`create table things (id int primary key, value ${before})`);
    await run("insert into things values (1, null)");
    const database = await openDatabase({
      url,
      limits: limits({ poolConnectionsMax: 1 }),
      log: createLog("error", () => {}),
    });
    try {
      const engine = await openEngine({
        database,
        readCatalog: () => readCatalog(database, ["public"]),
        limits: limits(),
        unrepresentable: "error",
        views: [],
      });
      await run(`alter table things alter value type ${after}`);
      for (const _ of ["newly prepared", "and when asked again"]) {
        await rejects(read(engine), { name: "AppError", code: "UNAVAILABLE" });
      }
      await engine.refresh();
      deepEqual(JSON.parse(await read(engine)), { id: 1, value: null });
    } finally {
      await database.close();
      await postgres.dropDatabase(url);
    }
  });
}

async function read(engine: QueryEngine): Promise<string> {
  const plan = engine.plan({ text: "{ things { id value } }" });
  const root = plan.roots[0];
  equal(root?.kind, "rows");
  if (root?.kind !== "rows") return "";
  const rows = new JsonRows(root.fields, { unrepresentable: "error" });
  const { signal } = new AbortController();
  for await (const chunk of engine.rows(plan, { signal })) rows.push(chunk);
  return new TextDecoder().decode(rows.take());
}
