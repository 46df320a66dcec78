/** Every limit of a query, at it and one beyond; and that hostile texts end soon and in words. */

import { ok, throws } from "node:assert/strict";
import { AppError, CODES } from "../../../lib/errors.ts";
import type { LimitName } from "../../../lib/limits.ts";
import type { QueryRequest } from "../../../lib/query/query_engine.ts";
import { engineFor, SHOP } from "./catalogs.ts";

const repeat = (count: number, of: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => of(i)).join(" ");
const nested = (levels: number) => `${"{ manager ".repeat(levels)}{ id }${" }".repeat(levels)}`;
const deep = (levels: number): unknown => levels === 0 ? 1 : { a: deep(levels - 1) };

/** A query of a size, which the limit of that size lets pass and the size after it does not. */
const bounds: [limit: LimitName, most: number, of: (size: number) => QueryRequest][] = [
  ["queryDepthMax", 5, (n) => ({ text: `{ users ${nested(n - 2)} }` })],
  [
    "queryDepthMax",
    3,
    (n) => ({
      text: `{ users { ...f } } fragment f on User { ${
        n === 3 ? "manager { id }" : "manager { manager { id } }"
      } }`,
    }),
  ],
  [
    "queryDepthMax",
    2,
    (n) => ({ text: n === 2 ? "{ users { id } }" : "{ users { home { zip } } }" }),
  ],
  ["queryAliasesMax", 4, (n) => ({ text: `{ users { ${repeat(n, (i) => `a${i}: id`)} } }` })],
  ["queryRootFieldsMax", 3, (n) => ({ text: `{ ${repeat(n, (i) => `a${i}: __typename`)} }` })],
  ["queryTokensMax", 100, (n) => ({ text: `{ users { ${"id ".repeat(n - 5)} } }` })],
  [
    "queryNestingMax",
    10,
    (n) => ({
      text: `{ orders(where: { extra: { eq: ${"[".repeat(n - 4)}${"]".repeat(n - 4)} } }) { id } }`,
    }),
  ],
  [
    "queryNestingMax",
    10,
    (n) => ({
      text: "query ($x: JSON) { orders(where: { extra: { eq: $x } }) { id } }",
      variables: { x: deep(n) },
    }),
  ],
  [
    "queryCostMax",
    24,
    // users, its id, orders, and the id of ten orders: 13.
    (n) => ({ text: `{ users { id orders { id } ${repeat(n - 13, (i) => `b${i}: id`)} } }` }),
  ],
  [
    "queryDepthMax",
    3,
    (n) => ({
      text: `{ users(where: ${"{ manager: ".repeat(n)}{ id: { isNull: false } }${
        " }".repeat(n)
      }) { id } }`,
    }),
  ],
  [
    "queryDepthMax",
    3,
    (n) => ({
      text: `{ users(orderBy: ${"{ manager: ".repeat(n)}{ id: ASC }${" }".repeat(n)}) { id } }`,
    }),
  ],
  [
    "filterConditionsMax",
    6,
    (n) => ({ text: `{ users(where: { or: [${repeat(n - 1, () => "{}")}] }) { id } }` }),
  ],
  [
    "filterConditionsMax",
    6,
    (n) => ({
      text: "query ($x: [UserOrderBy!]) { users(orderBy: $x) { id } }",
      variables: { x: Array(n).fill({ id: "ASC" }) },
    }),
  ],
  [
    "filterConditionsMax",
    6,
    (n) => ({
      text: `{ users(orderBy: ${"{ manager: ".repeat(n - 1)}{ id: ASC }${
        " }".repeat(n - 1)
      }) { id } }`,
    }),
  ],
  [
    "filterConditionsMax",
    4,
    (n) => ({
      text: `{ a: users(where: { name: { eq: "a" } }) { id } b: users(where: { name: { eq: "a" ${
        n > 4 ? 'gt: "a"' : ""
      } } }) { id } }`,
    }),
  ],
];

Deno.test("plan() says of a path that is too long that it is its keys which are too many", async () => {
  const engine = await engineFor(SHOP, { limits: { filterConditionsMax: 6 } });
  const path = (n: number) => `{ vaOrders { data(path: [${repeat(n, () => '"a"')}]) } }`;
  engine.plan({ text: path(6) });
  throws(() => engine.plan({ text: path(7) }), {
    code: "TOO_LARGE",
    message: "the paths of the query have more than 6 keys, its conditions counted",
    hint: /filter_conditions_max/,
  });
});

for (const [limit, most, of] of bounds) {
  Deno.test(`plan() lets ${limit} of ${most} pass and stops one beyond: ${of(most).text.slice(0, 60)}`, async () => {
    const engine = await engineFor(SHOP, { limits: { [limit]: most } });
    engine.plan(of(most));
    throws(() => engine.plan(of(most + 1)), { name: "AppError", code: "TOO_LARGE" });
  });
}

Deno.test("planView() stops at the same limits", async () => {
  const engine = await engineFor(SHOP, { limits: { filterConditionsMax: 3, queryNestingMax: 10 } });
  const view = "va_orders";
  engine.planView({ view, orderBy: "id, total, status" });
  throws(() => engine.planView({ view, orderBy: "id, total, status, id" }), { code: "TOO_LARGE" });
  engine.planView({ view, filter: { data: { eq: deep(9) } } });
  throws(() => engine.planView({ view, filter: { data: { eq: deep(10) } } }), {
    code: "TOO_LARGE",
  });
  throws(() => engine.planView({ view, filter: { or: [{}, {}, {}] } }), { code: "TOO_LARGE" });
});

Deno.test("plan() answers an introspection once, and not under many names", async () => {
  const engine = await engineFor();
  const type = "types { fields { type { fields { name } } } }";
  engine.plan({ text: `{ __schema { ${type} } a: __schema { b: ${type} c: ${type} } }` });
  for (
    const text of [
      `{ ${repeat(3, (i) => `a${i}: __schema { ${type} }`)} }`,
      `{ __schema { ${repeat(4, (i) => `a${i}: ${type}`)} } }`,
      `{ __schema { ...a } } fragment a on __Schema { types { ${
        repeat(4, (i) => `a${i}: fields { name }`)
      } } }`,
    ]
  ) throws(() => engine.plan({ text }), { code: "TOO_LARGE" });
});

/** Texts made to take long. Were one exponential, this would not end. */
const hostile: [name: string, text: string][] = [
  ["a million braces", "{".repeat(1_000_000)],
  ["a million brackets", `{ users(where: ${"[".repeat(1_000_000)}`],
  ["a megabyte of one name", `{ ${"a".repeat(1_000_000)} }`],
  ["a megabyte of commas", ",".repeat(1_000_000)],
  ["a megabyte of comment", `#${"x".repeat(1_000_000)}`],
  ["a megabyte of empty comments", "#\n".repeat(500_000)],
  ["a megabyte of one text", `{ user(id: "${"\\u0041".repeat(160_000)}") { id } }`],
  ["a megabyte of block text", `{ user(id: """${"\n x".repeat(300_000)}""") { id } }`],
  ["a megabyte of digits", `{ users(limit: ${"9".repeat(1_000_000)}) { id } }`],
  ["quotes", '"'.repeat(1_000_000)],
  ["dots", ".".repeat(1_000_000)],
  [
    "a long chain of fragments",
    `{ users { ...f0 } } ${
      repeat(1500, (i) => `fragment f${i} on User { ${i < 1499 ? `...f${i + 1}` : "id"} }`)
    }`,
  ],
  [
    "fragments in a circle",
    `{ users { ...f0 } } ${
      repeat(1500, (i) => `fragment f${i} on User { ...f${(i + 1) % 1500} }`)
    }`,
  ],
  [
    "fragments that double",
    `{ users { ...f0 } } ${
      repeat(60, (i) =>
        `fragment f${i} on User { a: manager { ${i < 59 ? `...f${i + 1}` : "id"} } b: manager { ${
          i < 59 ? `...f${i + 1}` : "id"
        } } }`).replaceAll(/[ab]: /g, "")
    }`,
  ],
  [
    "fragments that double under aliases",
    `{ users { ...f0 } } ${
      repeat(50, (i) =>
        `fragment f${i} on User { manager { ${i < 49 ? `...f${i + 1}` : "id"} } x${i}: manager { ${
          i < 49 ? `...f${i + 1}` : "id"
        } } }`)
    }`,
  ],
  ["lists that multiply", `{ users ${"{ orders { user ".repeat(5)}{ id }${" } }".repeat(5)} }`],
  ["one field again and again", `{ ${`users { ${"id ".repeat(90)} } `.repeat(90)} }`],
  [
    "one field in many fragments",
    `{ users { ${repeat(150, (i) => `...f${i}`)} } } ${
      repeat(150, (i) => `fragment f${i} on User { ${"id ".repeat(99)} }`)
    }`,
  ],
  ["one field in inline fragments", `{ users { ${`... { ${"id ".repeat(90)} } `.repeat(90)} } }`],
  [
    "many operations over many fragments",
    `${repeat(900, (i) => `query q${i} { users { ...f0 } }`)} ${
      repeat(400, (i) => `fragment f${i} on User { ${i < 399 ? `...f${i + 1}` : "id"} }`)
    }`,
  ],
  ["many unknown fields", `{ users { ${repeat(9000, (i) => `x${i}`)} } }`],
  ["many variables", `query (${repeat(3000, (i) => `$v${i}: Int`)}) { __typename }`],
  ["many directives", `{ users ${"@include(if: true) ".repeat(2500)} { id } }`],
  [
    "a pattern of backslashes",
    `{ users(where: { name: { like: """${"\\".repeat(100_001)}""" } }) { id } }`,
  ],
];

for (const [name, text] of hostile) {
  Deno.test(`plan() answers ${name} soon`, async () => {
    const engine = await engineFor();
    try {
      engine.plan({ text });
    } catch (error) {
      ok(error instanceof AppError, String(error));
      ok(CODES[error.code].http < 500, error.code);
      ok(
        JSON.stringify(error.entries()).length < 100_000,
        "the answer is not as long as the question",
      );
    }
  });
}
