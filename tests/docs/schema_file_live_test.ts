/** Runs the examples of docs/schema_file.md on the sample shop. */

import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { JsonRows } from "../../lib/json/json_rows.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { readCatalog } from "../../lib/postgres/catalog.ts";
import { openDatabase } from "../../lib/postgres/database.ts";
import { openEngine } from "../../lib/query/open_query.ts";
import type { QueryEngine } from "../../lib/query/query_engine.ts";
import { testPostgres } from "../services/postgres.ts";

const postgres = await testPostgres();
const path = new URL("../../docs/schema_file.md", import.meta.url);

interface Example {
  readonly heading: string;
  readonly sql: readonly string[];
  readonly file: string;
  readonly queries: readonly { readonly query: string; readonly answer: unknown }[];
}

/** What follows `<!-- example -->` in a section: SQL, the file, and queries with their answers. */
function examplesOf(text: string): Example[] {
  return text.split(/^## /m).flatMap((section) => {
    const [, body] = section.split("<!-- example -->");
    if (body === undefined) return [];
    const blocks = [...body.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, word, code = ""]) => ({
      word,
      code,
    }));
    const [file, ...queries] = blocks.filter(({ word }) => word === "graphql");
    const answers = blocks.filter(({ word }) => word === "json");
    return {
      heading: section.split("\n")[0] ?? "",
      sql: blocks.filter(({ word }) => word === "sql").map(({ code }) => code),
      file: file?.code ?? "",
      queries: queries.map(({ code }, i) => ({
        query: code,
        answer: JSON.parse(answers[i]?.code ?? "null"),
      })),
    };
  });
}

async function answerOf(engine: QueryEngine, text: string): Promise<unknown> {
  const plan = engine.plan({ text });
  const [root] = plan.roots;
  if (root?.kind !== "rows") throw new Error("examples ask for one list");
  const rows = new JsonRows(root.fields, { unrepresentable: "error" });
  const { signal } = new AbortController();
  for await (const chunk of engine.rows(plan, { signal })) rows.push(chunk);
  return { [root.name]: JSON.parse(`[${new TextDecoder().decode(rows.take())}]`) };
}

const examples = examplesOf(await Deno.readTextFile(path));

Deno.test("docs/schema_file.md has an example of each kind of field", () => {
  ok(examples.length === 4 && examples.every(({ queries }) => queries.length > 0));
});

for (const { heading, sql, file, queries } of examples) {
  Deno.test(`docs/schema_file.md: the examples of "${heading}" give what stands there`, async () => {
    const url = await postgres.createShop();
    for (const statement of sql) await postgres.query(statement, url);
    const log = createLog("error", () => {});
    const database = await openDatabase({ url, limits: limits(), log });
    try {
      const engine = await openEngine({
        database,
        readCatalog: () => readCatalog(database, ["public"]),
        readSchemaFile: () => Promise.resolve({ path: "schema.graphql", text: file }),
        limits: limits(),
        unrepresentable: "error",
        views: [],
      });
      for (const { query, answer } of queries) {
        deepEqual(await answerOf(engine, query), answer);
      }
    } finally {
      await database.close();
      await postgres.dropDatabase(url);
    }
  });
}
