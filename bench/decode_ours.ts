/** Reads a query from PostgreSQL into record batches and drops them: what decoding costs, without gRPC. */

import { recordBatches } from "../lib/arrow/record_batches.ts";
import { limits } from "../lib/limits.ts";
import { createLog } from "../lib/log.ts";
import { readCatalog } from "../lib/postgres/catalog.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import { openEngine } from "../lib/query/open_query.ts";

const url = Deno.args[0] ?? "";
const all = limits();
const database = await openDatabase({ url, limits: all, log: createLog("error") });
const engine = await openEngine({
  database,
  readCatalog: () => readCatalog(database, ["public"]),
  limits: all,
  unrepresentable: "error",
  views: [],
});

async function read(text: string): Promise<{ rows: number; seconds: number }> {
  const began = performance.now();
  const plan = engine.plan({ text });
  const [root] = plan.roots;
  if (root?.kind !== "rows") throw new Error("the query has no list");
  const { signal } = new AbortController();
  let rows = 0;
  const { batchRowsMax, batchBytesMax, flightRowBytesMax: rowBytesMax } = all;
  const options = { batchRowsMax, batchBytesMax, rowBytesMax, unrepresentable: "error" } as const;
  for await (const message of recordBatches(root.fields, engine.rows(plan, { signal }), options)) {
    if (message.kind === "batch") rows += message.rows;
  }
  return { rows, seconds: (performance.now() - began) / 1000 };
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
for await (const line of lines) {
  const answer = await read(JSON.parse(line).query);
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(answer)}\n`));
}
await database.close();
