import { strictEqual as equal, throws } from "node:assert/strict";
import { refuseUnequal } from "../../flight/batched.ts";
import type { ResultField } from "../../lib/arrow/result_field.ts";
import { engineFor } from "../lib/query/catalogs.ts";
import { scalar } from "../lib/arrow/encode.ts";

const roots = (...lists: (readonly ResultField[])[]) =>
  lists.map((fields, statement) => ({
    kind: "rows" as const,
    name: "a",
    field: "a",
    fields,
    statement,
  }));
const list = (item: ResultField & { kind: "scalar" | "object" }): ResultField => ({
  kind: "list",
  name: "l",
  nullable: false,
  item,
});
const object = (...fields: ResultField[]): ResultField & { kind: "object" } => ({
  kind: "object",
  name: "o",
  nullable: true,
  fields,
});

const differences: [name: string, a: ResultField[], b: ResultField[], says: RegExp][] = [
  [
    "another name",
    [scalar("a", "text")],
    [scalar("b", "text")],
    /column 1 is "b" text, not "a" text/,
  ],
  ["another type", [scalar("a", "int4")], [scalar("a", "int8")], /is "a" int8, not "a" int4/],
  ["another null", [scalar("a", "text", false)], [scalar("a", "text")], /not "a" text not null/],
  [
    "a column more",
    [scalar("a", "text")],
    [scalar("a", "text"), scalar("b", "bool")],
    /column 2 is not there, not "b" bool/,
  ],
  [
    "a column less",
    [scalar("a", "text"), scalar("b", "bool")],
    [scalar("a", "text")],
    /column 2 is "b" bool, not there/,
  ],
  [
    "another scale",
    [scalar("a", { kind: "decimal", precision: 5, scale: 2 })],
    [scalar("a", { kind: "decimal", precision: 5, scale: 1 })],
    /decimal\(5,1\), not "a" decimal\(5,2\)/,
  ],
  [
    "other labels",
    [scalar("a", { kind: "enum", labels: ["x"] })],
    [scalar("a", { kind: "enum", labels: ["y"] })],
    /enum\(y\), not "a" enum\(x\)/,
  ],
  [
    "another column of an object",
    [object(scalar("a", "text"))],
    [object(scalar("a", "bool"))],
    /column 1\.1 is "a" bool/,
  ],
  [
    "another element",
    [list(scalar("item", "text"))],
    [list(scalar("item", "bool"))],
    /column 1\.1 is "item" bool/,
  ],
  ["an object for a list", [list(object())], [object()], /column 1 is "o" object/],
];

for (const [name, a, b, says] of differences) {
  Deno.test(`refuseUnequal() names ${name} as BAD_TICKET`, () => {
    refuseUnequal(roots(a, a));
    refuseUnequal(roots(b, b));
    throws(() => refuseUnequal(roots(a, a, b)), { code: "BAD_TICKET", message: says });
    throws(() => refuseUnequal(roots(a, a, b)), { message: /^queries\[2\]/ });
  });
}

Deno.test("refuseUnequal() takes types of PostgreSQL for equal that are one of Arrow's", () => {
  const texts = (["text", "uuid", "numeric", "interval"] as const).map((
    kind,
  ) => [scalar("a", kind)]);
  refuseUnequal(roots(...texts, [scalar("a", "text")]));
  refuseUnequal(roots([scalar("a", "json")], [scalar("a", "jsonb")]));
  refuseUnequal(roots([{ kind: "constant", name: "a", value: "x" }], [scalar("a", "text", false)]));
});

Deno.test("planBatch() takes batchedQueriesMax queries and refuses one more as TOO_LARGE", async () => {
  const engine = await engineFor(undefined, { limits: { batchedQueriesMax: 3 } });
  const query = "{ users { id } }";
  equal(engine.planBatch([query, query, query]).roots.length, 3);
  throws(() => engine.planBatch([query, query, query, query]), { code: "TOO_LARGE" });
});

Deno.test("planBatch() holds the cost of all queries together to queryCostMax", async () => {
  const engine = await engineFor(undefined, { limits: { queryCostMax: 10 } });
  const query = "{ users { id name } }"; // costs 3
  equal(engine.planBatch([query, query, query]).roots.length, 3);
  throws(() => engine.planBatch([query, query, query, query]), {
    code: "TOO_LARGE",
    message: /all queries a cost above 10/,
  });
});

const refused: [name: string, query: string, code: string, says: RegExp][] = [
  [
    "a query with two root fields",
    "{ users { id } orders { id } }",
    "BAD_TICKET",
    /queries\[1\] has several root fields: users, orders/,
  ],
  ["a query without rows", "{ __typename }", "BAD_TICKET", /queries\[1\] has no root field/],
  ["a query that cannot be parsed", "{ users", "PARSE_ERROR", /^queries\[1\]: Syntax Error/],
  ["a query of unknown fields", "{ users { x } }", "VALIDATION_ERROR", /^queries\[1\]: /],
];

for (const [name, query, code, says] of refused) {
  Deno.test(`planBatch() refuses ${name} as ${code}, and says which it is`, async () => {
    const engine = await engineFor();
    throws(() => engine.planBatch(["{ users { id } }", query]), { code, message: says });
  });
}
