import { notStrictEqual as notEqual, strictEqual } from "node:assert/strict";
import type { QueryRequest } from "../../../lib/query/query_engine.ts";
import { engineFor, sqlOf } from "./catalogs.ts";

const text = "query A($n: Int) { users(limit: $n) { id } } query B { orders { id } }";
const a: QueryRequest = { text, operationName: "A", variables: { n: 1 } };

Deno.test("plan() gives the plan that it made for an equal request, until the schema is read again", async () => {
  const engine = await engineFor();
  const plan = engine.plan(a);
  strictEqual(engine.plan({ ...a, variables: { n: 1 } }), plan);
  await engine.refresh();
  notEqual(engine.plan(a), plan);
});

const others: [name: string, request: QueryRequest][] = [
  ["another value", { ...a, variables: { n: 2 } }],
  ["no variable", { ...a, variables: {} }],
  ["another operation", { ...a, operationName: "B" }],
  ["another text", { ...a, text: `${text} ` }],
];

for (const [name, request] of others) {
  Deno.test(`plan() makes a plan of its own for ${name}`, async () => {
    const engine = await engineFor();
    const plan = engine.plan(a);
    notEqual(engine.plan(request), plan);
    strictEqual(engine.plan(a), plan);
  });
}

Deno.test("plan() takes no null for what JSON writes as null", async () => {
  const engine = await engineFor();
  const json = "query ($x: JSON) { orders(where: { extra: { eq: $x } }) { id } }";
  const nested = (x: unknown) => ({ text: json, variables: { x: [x] } });
  strictEqual(sqlOf(engine, nested(null)).parameters[0], "[null]");
  let code = "";
  try {
    engine.plan(nested(Infinity));
  } catch (error) {
    code = (error as { code: string }).code;
  }
  strictEqual(code, "BAD_INPUT");
});

Deno.test("plan() forgets the plan that was used least recently", async () => {
  const engine = await engineFor(undefined, { limits: { planCacheEntriesMax: 1 } });
  const plan = engine.plan(a);
  engine.plan({ text: "{ users { id } }" });
  notEqual(engine.plan(a), plan);
});
