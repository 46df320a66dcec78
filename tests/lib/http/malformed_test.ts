import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { FakeEngine } from "./fake_engine.ts";
import { serve } from "./serve.ts";

/** Numbers that are the same in every run. */
function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

const good = JSON.stringify({
  query: "{ __typename }",
  variables: { n: 1, list: ["a", { b: 2 }] },
});

const kinds: Record<string, (next: () => number, i: number) => string | Uint8Array> = {
  "random bytes": (next) =>
    Uint8Array.from({ length: 1 + Math.floor(next() * 2000) }, () => Math.floor(next() * 256)),
  "JSON cut somewhere": (next) => good.slice(0, Math.floor(next() * (good.length - 1))),
  "JSON with a character too many": (next) => {
    const at = Math.floor(next() * good.length);
    return good.slice(0, at) + '"}],{['[Math.floor(next() * 6)] + good.slice(at) + "]";
  },
  "broken GraphQL": (next) =>
    JSON.stringify({ query: "}" + '{}()$!@:"#[] \u0000'.repeat(next() * 100) }),
  "huge numbers": (next) =>
    `{"query":"query CoerceFailure($id: ID!) { a }","variables":{"id":${
      next() < 0.5 ? "9".repeat(1 + next() * 5000) : `1e${Math.floor(next() * 1e9)}`
    }}}`,
  "wrong variables": (_, i) =>
    `{"query":"{ __typename }","variables":${["3", '"x"', "[{}]", "true", "1.5"][i % 5]}}`,
  "deep nesting": (next) => {
    const depth = 300 + Math.floor(next() * 5000);
    return next() < 0.5
      ? `{"query":"{ a }","variables":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`
      : '{"query":'.repeat(depth);
  },
};

for (const [kind, make] of Object.entries(kinds)) {
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
