/** Every example of docs/queries.md answers on the sample shop, and alike on both transports. */

import { ok, strictEqual as equal } from "node:assert/strict";
import { parse } from "graphql";
import { compare } from "../clients/both_ways.ts";
import { post, serve } from "../serve/serve.ts";
import { testPostgres } from "../services/postgres.ts";
import { fencedBlocks } from "./examples.ts";

const postgres = await testPostgres();

/** The queries of the page, each with the variables that stand behind it. */
function queries() {
  const page = Deno.readTextFileSync(new URL("../../docs/queries.md", import.meta.url));
  const blocks = fencedBlocks(page);
  return blocks.flatMap(({ line, language, text }, i) => {
    const next = blocks[i + 1];
    const variables = next?.language === "json" ? JSON.parse(next.text) : {};
    return language === "graphql" ? [{ name: `line ${line}`, query: text, variables }] : [];
  });
}

function rootFields(query: string): number {
  const [operation] = parse(query).definitions;
  return operation?.kind === "OperationDefinition" ? operation.selectionSet.selections.length : 0;
}

Deno.test("docs/queries.md has examples that give rows, the same over HTTP and Flight", async () => {
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_LOG_LEVEL: "warn",
  });
  const all = queries();
  ok(all.length > 5);
  for (const { name, query, variables } of all) {
    const { status, body } = await post(served.http, query, { variables });
    equal(`${name}: ${status} ${JSON.stringify(body.errors)}`, `${name}: 200 undefined`);
    for (const value of Object.values(body.data)) {
      ok(Array.isArray(value) ? value.length > 0 : value !== null, `${name} gives nothing`);
    }
  }
  const single = all.filter(({ query }) => rootFields(query) === 1);
  const jobs = single.map(({ query, variables }) => ({ query, variables, ordered: true }));
  equal((await compare(served.http, served.flight, jobs)).faults.join("\n"), "");
});
