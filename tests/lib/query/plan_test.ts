/** What a request becomes: variables, fragments, directives, operations, introspection. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from "graphql";
import { limits } from "../../../lib/limits.ts";
import type { Catalog } from "../../../lib/query/catalog.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryRequest } from "../../../lib/query/query_engine.ts";
import { catalogOf, engineFor, NO_DATABASE, sqlOf, statementsOf } from "./catalogs.ts";

const engine = await engineFor();

const USERS_BY = (type: string, where: string) =>
  `query ($x: ${type}) { users(where: ${where}) { id } }`;
const ORDERS_BY = (type: string, where: string) =>
  `query ($x: ${type}) { orders(where: ${where}) { id } }`;
const THINGS_BY = (type: string, where: string) =>
  `query ($x: ${type}) { things(where: ${where}) { b } }`;

/** Variables as a client may send them, and the parameters that they become. */
const coerced: [
  name: string,
  text: string,
  variables: Record<string, unknown> | null,
  parameters: string[],
][] = [
  ["a text", USERS_BY("String", "{ name: { eq: $x } }"), { x: "a" }, ["a"]],
  ["a single value as a list", USERS_BY("[String!]", "{ name: { in: $x } }"), { x: "a" }, [
    '{"a"}',
  ]],
  ["a list", USERS_BY("[String!]", "{ name: { in: $x } }"), { x: ["a", "b"] }, ['{"a","b"}']],
  ["an empty list", USERS_BY("[String!]", "{ name: { in: $x } }"), { x: [] }, ["{}"]],
  ["a default", `query ($x: String = "d") { users(where: { name: { eq: $x } }) { id } }`, {}, [
    "d",
  ]],
  [
    "a default of a list",
    `query ($x: [Int!] = 3) { things(where: { i4: { in: $x } }) { b } }`,
    null,
    ['{"3"}'],
  ],
  [
    "a value in place of a default",
    `query ($x: String = "d") { users(where: { name: { eq: $x } }) { id } }`,
    { x: "e" },
    ["e"],
  ],
  ["an enum", ORDERS_BY("Status", "{ status: { eq: $x } }"), { x: "paid" }, ["paid"]],
  ["an input object", USERS_BY("UserWhere", "$x"), {
    x: { name: { eq: "n" }, or: [{ email: { eq: "e" } }] },
  }, ["n", "e"]],
  [
    "a single object as a list",
    USERS_BY("UserWhere", "{ or: [$x] }".replace("[$x]", "$x")).replace(
      "UserWhere",
      "[UserWhere!]",
    ),
    { x: { name: { eq: "n" } } },
    ["n"],
  ],
  [
    "a nested input",
    `query ($x: StringFilter) { users(where: { manager: { name: $x } }) { id } }`,
    { x: { like: "a%" } },
    ["a%"],
  ],
  ["an Int as a Float", THINGS_BY("Float", "{ f8: { eq: $x } }"), { x: 1 }, ["1"]],
  ["a whole Float as an Int", THINGS_BY("Int", "{ i4: { eq: $x } }"), { x: 2.0 }, ["2"]],
  [
    "a BigInt as a string",
    THINGS_BY("BigInt", "{ i8: { eq: $x } }"),
    { x: "-9223372036854775808" },
    ["-9223372036854775808"],
  ],
  ["a BigInt as a number", THINGS_BY("BigInt", "{ i8: { eq: $x } }"), { x: 12 }, ["12"]],
  ["a Decimal with all digits", THINGS_BY("Decimal", "{ n: { eq: $x } }"), {
    x: "0.10000000000000000000001",
  }, ["0.10000000000000000000001"]],
  ["a date beyond 9999", THINGS_BY("Date", "{ d: { eq: $x } }"), { x: "+012026-01-31" }, [
    "12026-01-31",
  ]],
  ["a date before 1", THINGS_BY("Date", "{ d: { eq: $x } }"), { x: "-000043-03-15" }, [
    "0044-03-15 BC",
  ]],
  ["the year 0", THINGS_BY("Date", "{ d: { eq: $x } }"), { x: "0000-03-15" }, ["0001-03-15 BC"]],
  ["bytes", THINGS_BY("Bytes", "{ bytes: { eq: $x } }"), { x: "AP8=" }, ["\\x00ff"]],
  ["a JSON value", THINGS_BY("JSON", "{ jb: { eq: $x } }"), { x: { a: [1, null, "x"] } }, [
    '{"a":[1,null,"x"]}',
  ]],
  ["a variable in a JSON literal", THINGS_BY("String", "{ jb: { contains: { a: [$x, 1.5] } } }"), {
    x: "v",
  }, ['{"a":["v",1.5]}']],
  ["null for a whole where", USERS_BY("UserWhere", "$x"), { x: null }, []],
  ["nothing for a whole where", USERS_BY("UserWhere", "$x"), {}, []],
  [
    "nothing for one operator, which then asks nothing",
    USERS_BY("String", `{ name: { eq: $x, like: "a" } }`),
    {},
    ["a"],
  ],
  ["nulls for limit and offset", "query ($x: Int) { users(limit: $x, offset: $x) { id } }", {
    x: null,
  }, []],
  ["variables that nobody declared", "query ($x: Int) { users(offset: $x) { id } }", {
    x: 1,
    y: "?",
  }, ["1"]],
];

for (const [name, text, variables, parameters] of coerced) {
  Deno.test(`plan() takes ${name}`, () => {
    deepEqual(sqlOf(engine, { text, variables }).parameters, parameters);
  });
}

/** What is refused, with the words that tell where. */
const refused: [name: string, request: QueryRequest | string, message: RegExp][] = [
  ["a text for an Int", {
    text: "query ($x: Int) { users(limit: $x) { id } }",
    variables: { x: "1" },
  }, /\$x.*Int cannot represent/],
  ["null for a value that must be", {
    text: "query ($x: Int!) { users(limit: $x) { id } }",
    variables: { x: null },
  }, /\$x.*must not be null/],
  [
    "nothing for a value that must be",
    { text: "query ($x: Int!) { users(limit: $x) { id } }" },
    /\$x.*was not provided/,
  ],
  ["a label that there is not", {
    text: ORDERS_BY("Status", "{ status: { eq: $x } }"),
    variables: { x: "lost" },
  }, /"lost" does not exist in "Status"/],
  ["a field that there is not, deep", {
    text: USERS_BY("UserWhere", "$x"),
    variables: { x: { or: [{ name: { eqq: 1 } }] } },
  }, /\$x.*at "x\.or\[0\]\.name".*"eqq".*Did you mean "eq"/],
  ["a list for one value", {
    text: USERS_BY("String", "{ name: { eq: $x } }"),
    variables: { x: ["a"] },
  }, /String cannot represent/],
  ["null in a list", {
    text: USERS_BY("[String!]", "{ name: { in: $x } }"),
    variables: { x: [null] },
  }, /at "x\[0\]"/],
  ["two keys in one order", {
    text: "query ($x: [UserOrderBy!]) { users(orderBy: $x) { id } }",
    variables: { x: [{ id: "ASC", name: "ASC" }] },
  }, /[Ee]xactly one/],
  ["no key in an order", {
    text: "query ($x: [UserOrderBy!]) { users(orderBy: $x) { id } }",
    variables: { x: [{}] },
  }, /[Ee]xactly one/],
  ["null for an operator", {
    text: USERS_BY("String", "{ name: { eq: $x } }"),
    variables: { x: null },
  }, /^where\.name\.eq is null/],
  [
    "null written for an operator",
    "{ users(where: { name: { eq: null } }) { id } }",
    /^where\.name\.eq is null/,
  ],
  ["null for a field", "{ users(where: { name: null }) { id } }", /^where\.name is null/],
  ["null for not", "{ users(where: { not: null }) { id } }", /^where\.not is null/],
  ["null for and", "{ users(where: { and: null }) { id } }", /^where\.and is null/],
  [
    "null for a related row",
    "{ users(where: { manager: null }) { id } }",
    /^where\.manager is null/,
  ],
  [
    "null for isNull",
    "{ users(where: { name: { isNull: null } }) { id } }",
    /^where\.name\.isNull is null/,
  ],
  [
    "null for a list",
    "{ users(where: { name: { in: null } }) { id } }",
    /^where\.name\.in is null/,
  ],
  [
    "a number beyond int2",
    "{ things(where: { i2: { eq: 32768 } }) { b } }",
    /^where\.i2\.eq: 32768 is not from -32768 to 32767/,
  ],
  [
    "a number beyond int8",
    `{ things(where: { i8: { in: ["1", "9223372036854775808"] } }) { b } }`,
    /^where\.i8\.in\[1\]: .*is not from/,
  ],
  ["a number that JSON may have cut", {
    text: THINGS_BY("BigInt", "{ i8: { eq: $x } }"),
    variables: { x: 2 ** 53 },
  }, /digits JSON may have lost/],
  ["an ID that is no UUID", `{ user(id: "1") { id } }`, /^id: "1" is no UUID/],
  ["a negative limit", "{ users(limit: -1) { id } }", /^limit: -1 is not a whole number from 0/],
  ["a negative offset", "{ users { orders(offset: -1) { id } } }", /^offset: -1/],
  [
    "a pattern that ends with half an escape",
    `{ users(where: { name: { like: "a\\\\" } }) { id } }`,
    /ends with a backslash/,
  ],
  ["null for a condition of @include", {
    text: "query ($x: Boolean = true) { users @include(if: $x) { id } }",
    variables: { x: null },
  }, /must not be null/],
  ["null for a condition of @skip in a fragment", {
    text: "query ($x: Boolean = true) { ...f } fragment f on Query { users { id @skip(if: $x) } }",
    variables: { x: null },
  }, /must not be null/],
  [
    "no operation",
    { text: "fragment f on User { id }", operationName: null },
    /0 operations|never used/,
  ],
  [
    "one of two operations without a name",
    "query a { __typename } query b { __typename }",
    /2 operations/,
  ],
  [
    "an operation that there is not",
    { text: "query a { __typename }", operationName: "c" },
    /no operation named "c"/,
  ],
  [
    "a name where the operation has none",
    { text: "{ __typename }", operationName: "c" },
    /no operation named "c"/,
  ],
];

for (const [name, request, message] of refused) {
  Deno.test(`plan() refuses ${name} as BAD_INPUT and says where`, () => {
    throws(
      () => engine.plan(typeof request === "string" ? { text: request } : request),
      (error: Error & { code?: string }) => {
        equal(error.name, "AppError");
        ok(error.code === "BAD_INPUT" || error.code === "VALIDATION_ERROR", error.code);
        match(error.message, message);
        return true;
      },
    );
  });
}

const invalid: [name: string, text: string, code: string][] = [
  ["an unclosed brace", "{ users { id }", "PARSE_ERROR"],
  ["nothing", "", "PARSE_ERROR"],
  ["a comment alone", "# nothing", "PARSE_ERROR"],
  ["a lone surrogate", '{ users(where: { name: { eq: "\ud800" } }) { id } }', "PARSE_ERROR"],
  ["a NUL", "{ users { id } }\0", "PARSE_ERROR"],
  ["an unclosed text", '{ user(id: "', "PARSE_ERROR"],
  ["an unknown field", "{ users { idd } }", "VALIDATION_ERROR"],
  ["an unknown argument", "{ users(first: 1) { id } }", "VALIDATION_ERROR"],
  ["a missing key", "{ user { id } }", "VALIDATION_ERROR"],
  ["an object without a selection", "{ users }", "VALIDATION_ERROR"],
  ["a column with a selection", "{ users { id { x } } }", "VALIDATION_ERROR"],
  ["an unknown fragment", "{ ...f }", "VALIDATION_ERROR"],
  ["a fragment in itself", "{ ...f } fragment f on Query { ...f }", "VALIDATION_ERROR"],
  ["a fragment of another type", "{ users { ... on Order { id } } }", "VALIDATION_ERROR"],
  ["one name for two things", "{ a: users { id } a: orders { id } }", "VALIDATION_ERROR"],
  [
    "one name with other arguments",
    "{ users(limit: 1) { id } users(limit: 2) { id } }",
    "VALIDATION_ERROR",
  ],
  ["a text for a number", '{ users(limit: "1") { id } }', "VALIDATION_ERROR"],
  [
    "a JSON number beyond numbers",
    "{ things(where: { jb: { eq: [1e400] } }) { b } }",
    "VALIDATION_ERROR",
  ],
  [
    "a JSON integer whose digits a number cannot hold",
    "{ things(where: { jb: { eq: { a: 9007199254740993 } } }) { b } }",
    "VALIDATION_ERROR",
  ],
  ["an undeclared variable", "{ users(limit: $x) { id } }", "VALIDATION_ERROR"],
  ["an unused variable", "query ($x: Int) { __typename }", "VALIDATION_ERROR"],
  [
    "a variable of another type",
    "query ($x: String) { users(limit: $x) { id } }",
    "VALIDATION_ERROR",
  ],
  [
    "a variable that is absent in an order",
    "query ($x: OrderDirection) { users(orderBy: { id: $x }) { id } }",
    "BAD_INPUT",
  ],
  ["an unknown directive", "{ users @defer { id } }", "VALIDATION_ERROR"],
  [
    "two operations of one name",
    "query a { __typename } query a { __typename }",
    "VALIDATION_ERROR",
  ],
  ["a type definition", "type A { b: Int } { __typename }", "VALIDATION_ERROR"],
  ["a mutation", "mutation { createUser { id } }", "UNSUPPORTED"],
  ["a subscription", "subscription { users { id } }", "UNSUPPORTED"],
];

for (const [name, text, code] of invalid) {
  Deno.test(`plan() refuses ${name} as ${code}`, () => {
    throws(() => engine.plan({ text }), { name: "AppError", code });
  });
}

Deno.test("plan() reports every error of a document, with its place", () => {
  throws(() => engine.plan({ text: "{ users {\n  a\n  b } }" }), (error: unknown) => {
    const { others, locations } = error as { others: unknown[]; locations: unknown };
    deepEqual([others.length, locations], [1, [{ line: 2, column: 3 }]]);
    return true;
  });
});

/** Selections, and the names that come out. */
const selections: [
  name: string,
  text: string,
  variables: Record<string, unknown>,
  names: string[],
][] = [
  ["merged fields", "{ users { id } users { name id } }", {}, ["id", "name"]],
  [
    "fragments in the order they are met",
    "{ users { ...a id ...a } } fragment a on User { name id }",
    {},
    ["name", "id"],
  ],
  [
    "fragments in fragments",
    "{ users { ...a } } fragment a on User { ...b email } fragment b on User { name }",
    {},
    ["name", "email"],
  ],
  ["fragments without a type", "{ users { ... { id } ... @include(if: true) { name } } }", {}, [
    "id",
    "name",
  ]],
  [
    "what @include leaves",
    "query ($y: Boolean!, $n: Boolean!) { users { id @include(if: $y) name @include(if: $n) } }",
    { y: true, n: false },
    ["id"],
  ],
  [
    "what @skip leaves",
    "query ($y: Boolean!) { users { id name @skip(if: $y) ... @skip(if: $y) { email } } }",
    { y: true },
    ["id"],
  ],
  ["@skip before @include", "{ users { id name @skip(if: true) @include(if: true) } }", {}, ["id"]],
  [
    "a spread that is left out once and taken once",
    "{ users { ...f @skip(if: true) ...f } } fragment f on User { id }",
    {},
    ["id"],
  ],
  ["__typename anywhere", "{ users { t: __typename home { __typename } } }", {}, ["t", "home"]],
];

for (const [name, text, variables, names] of selections) {
  Deno.test(`plan() gives ${name}`, () => {
    const [root] = engine.plan({ text, variables }).roots;
    ok(root?.kind === "rows");
    deepEqual(root.fields.map((field) => field.name), names);
  });
}

Deno.test("plan() gives aliases of one list their own arguments", () => {
  const { text } = sqlOf(
    engine,
    "{ users { a: orders(limit: 1) { id } b: orders(limit: 2) { id } } }",
  );
  deepEqual(text.match(/limit \d+/g), ["limit 1", "limit 2"]);
  equal(text.split("array(").length, 3);
});

Deno.test("plan() gives a root field's merged selections one statement", () => {
  equal(statementsOf(engine.plan({ text: "{ a: users { id } a: users { name } }" })).length, 1);
});

Deno.test("plan() chooses the operation by its name", () => {
  const text = "query a { users { id } } query b { orders { id } } mutation c { d }";
  equal(engine.plan({ text, operationName: "b" }).roots[0]?.field, "orders");
  equal(engine.plan({ text, operationName: "b" }).operationName, "b");
  throws(() => engine.plan({ text, operationName: "c" }), { code: "UNSUPPORTED" });
  throws(() => engine.plan({ text, operationName: "" }), { code: "BAD_INPUT" });
});

Deno.test("plan() names nothing where everything is left out", () => {
  deepEqual(engine.plan({ text: "{ users @skip(if: true) { id } }" }).roots, []);
});

Deno.test("plan() answers the introspection that tools send", () => {
  const [root] = engine.plan({
    text: getIntrospectionQuery({ specifiedByUrl: true, oneOf: true, inputValueDeprecation: true }),
  }).roots;
  ok(root?.kind === "value");
  const schema = buildClientSchema({ __schema: root.value } as unknown as IntrospectionQuery);
  ok(schema.getType("OrderWhere"));
});

Deno.test("plan() answers __type beside rows, by variables and fragments", () => {
  const plan = engine.plan({
    text: `query ($name: String!, $no: Boolean!) {
      a: __type(name: $name) { ...t } none: __type(name: "None") { name } users { id } __typename
      __schema @include(if: $no) { types { name } } }
      fragment t on __Type { __typename name fields { name @skip(if: $no) } }`,
    variables: { name: "Status", no: false },
  });
  const values = plan.roots.map((root) => root.kind === "value" ? root.value : root.kind);
  deepEqual(JSON.parse(JSON.stringify(values)), [
    { __typename: "__Type", name: "Status", fields: null },
    null,
    "rows",
    "Query",
  ]);
});

Deno.test("plan() gives related rows nullable, lists never, columns as the table says", () => {
  const [root] =
    engine.plan({ text: "{ orders { id tags user { name } } users { orders { id } } }" }).roots;
  ok(root?.kind === "rows");
  deepEqual(root.fields.map((field) => field.kind === "constant" || field.nullable), [
    false,
    true,
    true,
  ]);
});

Deno.test("refresh() keeps the schema of the refresh that began last", async () => {
  const answers: ((catalog: Catalog) => void)[] = [];
  const catalog = (table: string) => catalogOf({ tables: { [table]: "id int4! key" } });
  const opening = openEngine({
    database: NO_DATABASE,
    readCatalog: () => new Promise((resolve) => answers.push(resolve)),
    limits: limits(),
    unrepresentable: "error",
    views: [],
  });
  answers[0]?.(catalog("first"));
  const opened = await opening;
  const refreshes = [opened.refresh(), opened.refresh()];
  answers[2]?.(catalog("third"));
  await refreshes[1];
  answers[1]?.(catalog("second"));
  await refreshes[0];
  deepEqual(opened.rootLists().map((list) => list.name), ["thirds"]);
});

Deno.test("refresh() that fails leaves the schema as it was", async () => {
  const catalogs = [Promise.resolve(catalogOf({ tables: { first: "id int4! key" } }))];
  const opened = await openEngine({
    database: NO_DATABASE,
    readCatalog: () => catalogs.shift() ?? Promise.reject(new Error("gone")),
    limits: limits(),
    unrepresentable: "error",
    views: [],
  });
  await rejects(opened.refresh(), /gone/);
  deepEqual(opened.rootLists().map((list) => list.name), ["firsts"]);
});
