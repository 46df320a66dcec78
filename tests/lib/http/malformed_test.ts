import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { FakeEngine } from "./fake_engine.ts";
import { MALFORMED, random } from "./malformed.ts";
import { serve } from "./serve.ts";

for (const [kind, make] of Object.entries(MALFORMED)) {
  Deno.test(`serveHttp() answers 1,000 requests of ${kind} with 4xx and lives`, async () => {
    const tooDeep = new AppError("VALIDATION_ERROR", "no");
    await using http = await serve(new FakeEngine({ "{ a }": tooDeep }));
    const next = random(7);
    const statuses = new Set<number>();
    const headers = {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
    };
    for (let i = 0; i < 1000; i++) {
      const body = make(next, i) as BodyInit;
      const response = await fetch(`${http.url}/graphql`, { method: "POST", headers, body });
      statuses.add(response.status);
      const { errors } = await response.json();
      ok(errors[0].extensions.code !== "INTERNAL");
    }
    equal([...statuses].every((status) => status >= 400 && status < 500), true, `${[...statuses]}`);
    equal(await (await http.post("{ __typename }")).json(), { data: { __typename: "Query" } });
  });
}
