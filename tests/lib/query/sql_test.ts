/** From a query to SQL: the exact text, and that nothing from outside stands in it. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal, throws } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { engineFor, SHOP, sqlOf, statementsOf } from "./catalogs.ts";

const engine = await engineFor();

/** `{ users }` -> text and parameters. `pg.` stands for `"pg_catalog".`, and names without quotes. */
const plain = (text: string) =>
  text.replaceAll('"pg_catalog".', "pg.").replaceAll('"public".', "").replaceAll('"', "");

const queries: [query: string, sql: string, parameters: string[]][] = [
  ["{ users { id } }", "select t0.id from users t0", []],
  ["{ users { __typename } }", "select  from users t0", []],
  [
    "{ users(distinctOn: [name]) { __typename } }",
    "select from (select distinct on (t0.name) true from users t0 order by t0.name, t0.id) t1",
    [],
  ],
  [
    "{ users(limit: 2, offset: 1) { name } }",
    "select t0.name from users t0 order by t0.id limit 2 offset $1::pg.int8",
    ["1"],
  ],
  [
    "{ users(orderBy: [{ name: DESC_NULLS_LAST }, { id: ASC }]) { id } }",
    "select t0.id from users t0 order by t0.name desc nulls last, t0.id asc",
    [],
  ],
  [
    "{ users(orderBy: { manager: { name: ASC } }) { id manager { name } } }",
    "select t0.id, case when t1.id is not null then row(t1.name) end from users t0 " +
    "left join users t1 on t1.id = t0.manager_id order by t1.name asc, t0.id",
    [],
  ],
  [
    `{ user(id: "6f9619ff-8b86-d011-b42d-00cf4fc964ff") { id } }`,
    "select t0.id from users t0 where t0.id = $1::pg.uuid",
    ["6f9619ff-8b86-d011-b42d-00cf4fc964ff"],
  ],
  [
    `{ users(where: { name: { eq: "x" } }) { orders(where: { total: { gt: 1 } }, limit: 3) { id } } }`,
    "select array(select row(t1.id) from orders t1 where t1.user_id = t0.id and t1.total > $1::pg.numeric " +
    "order by t1.id limit 3) from users t0 where t0.name = $2::pg.text",
    ["1", "x"],
  ],
  [
    "{ orders { user { manager { id } orders { id } } } }",
    "select case when t1.id is not null then row(case when t2.id is not null then row(t2.id) end, " +
    "array(select row(t3.id) from orders t3 where t3.user_id = t1.id order by t3.id)) end " +
    "from orders t0 left join users t1 on t1.id = t0.user_id left join users t2 on t2.id = t1.manager_id",
    [],
  ],
  [
    `{ users(where: { orders: { status: { in: [new, paid] } }, not: { manager: {} } }) { id } }`,
    "select t0.id from users t0 where (exists (select from orders t1 where t1.user_id = t0.id " +
    "and t1.status = any($1::status[])) and not (exists (select from users t2 where t2.id = t0.manager_id)))",
    ['{"new","paid"}'],
  ],
  [
    "{ users { home { zip } } }",
    "select case when t0.home is distinct from null then row((t0.home).zip) end from users t0",
    [],
  ],
  [
    "{ orders { places { zip } } }",
    "select case when t0.places is null then null when pg_catalog.array_ndims(t0.places) > 1 " +
    "then array[array[row()]] else array(select case when (t0.places)[i1] is distinct from null " +
    "then row(((t0.places)[i1]).zip) end from pg_catalog.generate_subscripts(t0.places, 1) i1 " +
    "order by i1) end from orders t0",
    [],
  ],
  ["{ things { net pt } }", "select t0.net::pg.name, t0.pt::pg.text from things t0", []],
  ["{ things(limit: 1) { b } }", "select t0.b from things t0 limit 1", []],
];

for (const [query, sql, parameters] of queries) {
  Deno.test(`compileRead() of ${query}`, () => {
    const statement = sqlOf(engine, query);
    equal(plain(statement.text), sql);
    deepEqual(statement.parameters, parameters);
  });
}

Deno.test("compileRead() puts quotes around every name and doubles those in it", async () => {
  const odd = await engineFor({ tables: { 'a"; drop table "b': '"c"" d" int4! key' } });
  const [list] = odd.rootLists();
  equal(
    sqlOf(odd, list?.text ?? "").text,
    'select t0."c"""" d" from "public"."a""; drop table ""b" t0',
  );
});

Deno.test("compileRead() gives one statement a root field, numbered in order", () => {
  const plan = engine.plan({
    text: "{ a: users { id } __typename b: orders { id } user: users { id } }",
  });
  deepEqual(
    plan.roots.map((
      root,
    ) => [root.name, root.field, root.kind === "value" ? null : root.statement]),
    [["a", "users", 0], ["__typename", "__typename", null], ["b", "orders", 1], [
      "user",
      "users",
      2,
    ]],
  );
  equal(statementsOf(plan).length, 3);
});

/** Texts that end a string, an identifier, a comment, a parameter or a pattern somewhere. */
const hostile = [
  "'; drop table users; --",
  '"; drop table users; --',
  "\\'; select 1",
  "$1",
  "$$; select 1; $$",
  "/* x */ -- y",
  "%_\\%",
  "{a,b}",
  '{"a"',
  "\n\r\t\u0001\u007f",
  "😀",
  "null",
];

/** Every place where a text of the client's may stand. */
const places: [name: string, statement: (text: string) => { text: string }][] = [
  [
    "a condition",
    (x) =>
      sqlOf(engine, {
        text: "query($x:String){users(where:{name:{eq:$x}}){id}}",
        variables: { x },
      }),
  ],
  ["a literal", (x) => sqlOf(engine, `{users(where:{name:{eq:${JSON.stringify(x)}}}){id}}`)],
  [
    "a list",
    (x) =>
      sqlOf(engine, {
        text: "query($x:[String!]){users(where:{name:{in:$x}}){id}}",
        variables: { x },
      }),
  ],
  [
    "a pattern",
    (x) =>
      sqlOf(engine, {
        text: "query($x:String){users(where:{name:{contains:$x}}){id}}",
        variables: { x },
      }),
  ],
  [
    "an array element",
    (x) =>
      sqlOf(engine, {
        text: "query($x:String){orders(where:{tags:{has:$x}}){id}}",
        variables: { x },
      }),
  ],
  [
    "a JSON value",
    (x) =>
      sqlOf(engine, {
        text: "query($x:JSON){orders(where:{extra:{contains:$x}}){id}}",
        variables: { x: { [x]: x } },
      }),
  ],
  [
    "a JSON key",
    (x) =>
      sqlOf(engine, {
        text: "query($x:String){orders(where:{extra:{hasKey:$x}}){id}}",
        variables: { x },
      }),
  ],
  ["a JSON path", (x) =>
    sqlOf(engine, {
      text: "query($x:[String!]!){orders(where:{extra:{path:{path:$x,eq:1}}}){id}}",
      variables: { x },
    })],
  [
    "a type without a form of its own",
    (x) =>
      sqlOf(engine, { text: "query($x:String){things(where:{net:{eq:$x}}){b}}", variables: { x } }),
  ],
  [
    "a view's filter",
    (x) =>
      statementsOf(engine.planView({ view: "va_orders", filter: { data: { contains: x } } }))[0] ??
        { text: "" },
  ],
];

for (const [name, statement] of places) {
  Deno.test(`compileRead() keeps ${name} out of the text`, () => {
    const harmless = statement("harmless").text;
    for (const text of hostile) equal(statement(text).text, harmless, JSON.stringify(text));
  });

  Deno.test(`compileRead() refuses NUL and half a surrogate pair in ${name}`, () => {
    for (const text of ["a\0b", "\ud800", "x\udc00y"]) {
      try {
        const { text: sql } = statement(text);
        // In JSON both are escapes, which PostgreSQL refuses or keeps as it likes.
        ok(/jsonb/.test(sql) && !sql.includes(text), JSON.stringify(text));
      } catch (error) {
        ok(error instanceof AppError);
        ok(["BAD_INPUT", "PARSE_ERROR"].includes(error.code), error.code);
      }
    }
  });
}

/** Every place where the name of something may stand. */
const named: [name: string, plan: (text: string) => unknown][] = [
  ["a view", (x) => engine.planView({ view: x })],
  [
    "a column of a filter",
    (x) => engine.planView({ view: "va_orders", filter: { [x]: { eq: 1 } } }),
  ],
  ["an operator", (x) => engine.planView({ view: "va_orders", filter: { id: { [x]: 1 } } })],
  ["an enum's label", (x) => engine.planView({ view: "va_orders", filter: { status: { eq: x } } })],
  ["an order", (x) => engine.planView({ view: "va_orders", orderBy: x })],
  [
    "an order in quotes",
    (x) => engine.planView({ view: "va_orders", orderBy: `"${x.replaceAll('"', '""')}"` }),
  ],
  ["a direction", (x) => engine.planView({ view: "va_orders", orderBy: `id ${x}` })],
  ["a word", (x) => engine.planWord(x)],
  ["an operation", (x) => engine.plan({ text: "{ __typename }", operationName: x })],
  [
    "an order's variable",
    (x) =>
      engine.plan({
        text: "query($x:[UserOrderBy!]){users(orderBy:$x){id}}",
        variables: { x: { [x]: "ASC" } },
      }),
  ],
  [
    "a label's variable",
    (x) =>
      engine.plan({
        text: "query($x:Status){orders(where:{status:{eq:$x}}){id}}",
        variables: { x },
      }),
  ],
  [
    "a label that is a String",
    (x) =>
      engine.plan({ text: "query($x:String){things(where:{odd:{eq:$x}}){b}}", variables: { x } }),
  ],
];

for (const [name, plan] of named) {
  Deno.test(`plan() refuses ${name} that is not there`, () => {
    for (
      const text of [
        ...hostile,
        "a\0b",
        "\ud800",
        "__proto__",
        "constructor",
        "toString",
        "x".repeat(300_000),
      ]
    ) {
      throws(() => plan(text), (error: unknown) => {
        ok(error instanceof AppError, String(error));
        ok(["BAD_INPUT", "NOT_FOUND"].includes(error.code), error.code);
        ok(error.message.length < 5000, "the message does not repeat all of it");
        return true;
      });
    }
  });
}

Deno.test("plan() takes aliases of every form, and they stay out of the SQL", () => {
  const statement = sqlOf(engine, "{ users { select: id _1: id toString: name __proto__: name } }");
  equal(plain(statement.text), "select t0.id, t0.id, t0.name, t0.name from users t0");
});

Deno.test("planView() gives the columns in the view's order under PostgreSQL's names", () => {
  const plan = engine.planView({
    view: "va_orders",
    filter: { status: { eq: "paid" }, or: [{ id: { gt: 1 } }, { total: { isNull: true } }] },
    orderBy: 'total DESC NULLS LAST ,"id" asc',
    limit: 10,
    offset: 0,
  });
  const [statement] = statementsOf(plan);
  equal(
    plain(statement?.text ?? ""),
    "select t0.id, t0.status, t0.total, t0.data from va_orders t0 where " +
      "(t0.status = $1::status and (t0.id > $2::pg.int8 or t0.total is null)) " +
      "order by t0.total desc nulls last, t0.id asc limit 10 offset $3::pg.int8",
  );
  deepEqual(statement?.parameters, ["paid", "1", "0"]);
});

const badOrders = [
  "id,",
  ",id",
  "id,,id",
  'id "',
  '"id',
  "id up",
  "id asc desc",
  "id nulls",
  "id; x",
  "(id)",
  "1",
];

for (const orderBy of badOrders) {
  Deno.test(`planView() refuses the order ${orderBy}`, () => {
    throws(() => engine.planView({ view: "va_orders", orderBy }), {
      name: "AppError",
      code: "BAD_INPUT",
    });
  });
}

const badViews: [name: string, request: Parameters<typeof engine.planView>[0], code: string][] = [
  ["a view that is not offered", { view: "secrets" }, "NOT_FOUND"],
  ["a table", { view: "users" }, "NOT_FOUND"],
  ["a filter that is a list", { view: "va_orders", filter: [] as never }, "BAD_INPUT"],
  ["a condition that is a value", { view: "va_orders", filter: { id: 1 } }, "BAD_INPUT"],
  ["a null condition", { view: "va_orders", filter: { id: { eq: null } } }, "BAD_INPUT"],
  ["a null column", { view: "va_orders", filter: { id: null } }, "BAD_INPUT"],
  ["a number that is none", { view: "va_orders", filter: { id: { eq: "x" } } }, "BAD_INPUT"],
  ["a null not", { view: "va_orders", filter: { not: null } }, "BAD_INPUT"],
  ["a negative limit", { view: "va_orders", limit: -1 }, "BAD_INPUT"],
  ["half a row", { view: "va_orders", limit: 0.5 }, "BAD_INPUT"],
  ["an offset beyond numbers", { view: "va_orders", offset: 2 ** 53 }, "BAD_INPUT"],
  ["an order by JSON", { view: "va_orders", orderBy: "nothing" }, "BAD_INPUT"],
];

for (const [name, request, code] of badViews) {
  Deno.test(`planView() refuses ${name} as ${code}`, () => {
    throws(() => engine.planView(request), { name: "AppError", code });
  });
}

Deno.test("planView() offers the views that the configuration names, with schema or without", async () => {
  const offered = await engineFor(SHOP, { views: ["secrets", "public.users"] });
  for (const view of ["secrets", "public.secrets", "users", "va_orders"]) {
    offered.planView({ view });
  }
});
