import { deepStrictEqual as equal } from "node:assert/strict";
import { auditServer } from "graphql-http";
import { FakeEngine } from "./fake_engine.ts";
import { serve } from "./serve.ts";

Deno.test("serveHttp() passes every audit of the GraphQL-over-HTTP specification, without a warning", async () => {
  await using http = await serve(new FakeEngine());
  const results = await auditServer({ url: `${http.url}/graphql` });
  const failed = results.filter((result) => result.status !== "ok");
  equal(failed.map(({ id, name, status }) => `${status} ${id} ${name}`), []);
  equal(results.length > 50, true);
  for (const result of results) if ("response" in result) await result.response.body?.cancel();
});
