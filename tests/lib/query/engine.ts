/** The query engine on a database of its own, and what a list of it gives. */

import { JsonDocument } from "../../../lib/http/to_json.ts";
import { JsonRows } from "../../../lib/json/json_rows.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { testPostgres } from "../../services/postgres.ts";

const postgres = await testPostgres();

/** Runs the statements in a new database, and the test on the engine that read it. */
export async function withEngine(
  statements: readonly string[],
  test: (engine: QueryEngine, run: (sql: string) => Promise<unknown>) => Promise<void>,
  views: readonly string[] = [],
  more: {
    /** The text of the schema file at each reading. */
    readonly schemaFile?: () => string;
    readonly unrepresentable?: "error" | "null";
  } = {},
): Promise<void> {
  const url = await postgres.createDatabase();
  const run = (sql: string) => postgres.query(sql, url);
  for (const statement of statements) await run(statement);
  const database = await openDatabase({
    url,
    // One, so that what a connection remembers is there when it is asked again.
    limits: limits({ poolConnectionsMax: 1 }),
    log: createLog("error", () => {}),
  });
  try {
    const engine = await openEngine({
      database,
      readCatalog: () => readCatalog(database, ["public"]),
      limits: limits(),
      unrepresentable: more.unrepresentable ?? "error",
      views,
      readSchemaFile: more.schemaFile
        ? () => Promise.resolve({ path: "s.graphql", text: more.schemaFile?.() ?? "" })
        : null,
    });
    await test(engine, run);
  } finally {
    await database.close();
    await postgres.dropDatabase(url);
  }
}

/** The rows of a query's only root field, a list. */
export async function readList(engine: QueryEngine, text: string): Promise<unknown[]> {
  const plan = engine.plan({ text });
  const [root] = plan.roots;
  if (root?.kind !== "rows") throw new Error("not a list");
  const rows = new JsonRows(root.fields, { unrepresentable: "error" });
  const { signal } = new AbortController();
  for await (const chunk of engine.rows(plan, { signal })) rows.push(chunk);
  return JSON.parse(`[${new TextDecoder().decode(rows.take())}]`);
}

/** The `data` of a query, as HTTP would send it. */
export async function readData(
  engine: QueryEngine,
  text: string,
  variables: Readonly<Record<string, unknown>> = {},
  // deno-lint-ignore no-explicit-any -- rows have the form of the query in the test
): Promise<any> {
  const plan = engine.plan({ text, variables });
  const document = new JsonDocument(plan.roots, "error");
  const decoder = new TextDecoder();
  let json = "";
  const take = (pieces: readonly Uint8Array[]) => {
    for (const piece of pieces) json += decoder.decode(piece, { stream: true });
  };
  const { signal } = new AbortController();
  for await (const chunk of engine.rows(plan, { signal })) take(document.push(chunk));
  take(document.end());
  return JSON.parse(json).data;
}
