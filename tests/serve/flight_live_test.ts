import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { testPostgres, withClient } from "../services/postgres.ts";
import { flightCall, flightCalls } from "./flight_calls.ts";
import { post, serve } from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "warn" };

async function numbers(): Promise<string> {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create type mood as enum ('sad', 'ok');
     create view numbers as select g as id, 'number ' || g as name, g / 100.0::numeric(12, 2) as price,
       'ok'::mood as mood, array[g, null] as pair, timestamptz '2020-01-01 00:00+00' + g * interval '1 second' as at
       from generate_series(1, 1000000) g;`,
    url,
  );
  return url;
}

Deno.test("serve gives the same schema by GetFlightInfo, GetSchema and DoGet for 0, 1 and 1,000,000 rows", async () => {
  await using served = await serve({ DATABASE_URL: await numbers(), ...quiet });
  const schemas = new Set<string>();
  for (const [limit, rows] of [["(limit: 0)", 0], ["(limit: 1)", 1], ["", 1_000_000]] as const) {
    const cmd = `{ numbers${limit} { id name price mood pair at kind: __typename } }`;
    const [info, schema] = await flightCalls(served.flight, [
      { call: "info", cmd },
      { call: "schema", cmd },
    ]);
    const [endpoint, ...more] = info?.endpoints ?? [];
    equal([endpoint?.rows, more.length], [rows, 0]);
    schemas.add(info?.schema ?? "").add(schema?.schema ?? "").add(endpoint?.schema ?? "");
    schemas.add(endpoint?.schemaOfTicket ?? "");
    ok((endpoint?.rowsMax ?? 0) <= 10_000 && (endpoint?.bytesMax ?? 0) <= 2 * 1024 * 1024);
  }
  equal(schemas.size, 1);
  match([...schemas].join(), /mood: dictionary<values=string, indices=int16/);
});

Deno.test("serve lists flights that can all be read with the schema that was told", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const { flights = [] } = await flightCall(served.flight, { call: "list" });
  const wanted = [
    "orderItems",
    "orders",
    "organizations",
    "products",
    "users",
    "vaOrders",
    "vaUsers",
  ];
  const paths = flights.map(({ path }) => path.join("/"));
  equal(wanted.filter((name) => !paths.includes(name)), []);
  for (const { path, told, schema } of flights) equal([path, schema], [path, told]);
  equal(flights.find(({ path }) => path[0] === "orders")?.rows, 10_000);
});

Deno.test("serve gives one endpoint for each root field, whose ticket works as it is", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const cmd = `{ a: users(limit: 3) { id } products(limit: 2) { sku price } __typename }`;
  const info = await flightCall(served.flight, { call: "info", cmd });
  equal(info.endpoints?.map(({ rows }) => rows), [3, 2]);
  equal(info.endpoints?.map(({ schema, schemaOfTicket }) => schema === schemaOfTicket), [
    true,
    true,
  ]);
  equal(info.schema, "");
  const read = await flightCall(served.flight, { call: "get", ticket: cmd });
  equal(read.code, "INVALID_ARGUMENT");
  match(read.message ?? "", /\ba\b.*\bproducts\b/);
});

Deno.test("serve reads an optimized view by PostgreSQL's own names, in the view's order", async () => {
  const url = await postgres.shop();
  await using served = await serve({ DATABASE_URL: url, ...quiet });
  const ticket = JSON.stringify({
    type: "OptimizedView",
    view: "va_orders",
    filter: { status: { eq: "paid" } },
    order_by: "created_at DESC, id",
    limit: 1000,
    offset: 5,
  });
  const read = await flightCall(served.flight, { call: "get", ticket, rows: true });
  const rows = await withClient(
    url,
    (sql) =>
      sql`select id::text, total::text from va_orders where status = 'paid'
        order by created_at desc, id limit 1000 offset 5`,
  );
  equal(read.values?.map(({ id, total }) => ({ id, total })), [...rows]);
  const columns = await withClient(
    url,
    (sql) =>
      sql<{ name: string }[]>`select attname as name from pg_attribute
        where attrelid = 'va_orders'::regclass and attnum > 0 order by attnum`,
  );
  equal(Object.keys(read.values?.[0] ?? {}), columns.map(({ name }) => name));
});

const badViews: [name: string, ticket: Record<string, unknown>, code: string][] = [
  ["a view that is not there", { view: "va_nothing" }, "NOT_FOUND"],
  ["a table that is not offered", { view: "orders" }, "NOT_FOUND"],
  [
    "an order with more than names",
    { view: "va_orders", order_by: "id; select 1" },
    "INVALID_ARGUMENT",
  ],
  ["an order by nothing known", { view: "va_orders", order_by: "nothing" }, "INVALID_ARGUMENT"],
  [
    "a filter on nothing known",
    { view: "va_orders", filter: { x: { eq: 1 } } },
    "INVALID_ARGUMENT",
  ],
  ["an unknown operator", { view: "va_orders", filter: { status: { is: 1 } } }, "INVALID_ARGUMENT"],
  [
    "a value of another type",
    { view: "va_orders", filter: { total: { gt: "x" } } },
    "INVALID_ARGUMENT",
  ],
  [
    "a label that is none",
    { view: "va_orders", filter: { status: { eq: "x" } } },
    "INVALID_ARGUMENT",
  ],
  ["a negative limit", { view: "va_orders", limit: -1 }, "INVALID_ARGUMENT"],
  ["an unknown key", { view: "va_orders", sort: "id" }, "INVALID_ARGUMENT"],
];

Deno.test("serve refuses views, filters and orders that it does not know with the right status", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const answers = await flightCalls(
    served.flight,
    badViews.map(([, ticket]) => ({
      call: "get",
      ticket: JSON.stringify({ type: "OptimizedView", ...ticket }),
    })),
  );
  equal(
    answers.map(({ code }, i) => [badViews[i]?.[0], code]),
    badViews.map(([name, , code]) => [name, code]),
  );
});

Deno.test("serve gives a single object as one row, or none, and a plain word as its list", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const { body } = await post(served.http, "{ users(limit: 1) { id name } products { id } }");
  const [user] = body.data.users;
  const none = "00000000-0000-0000-0000-000000000000";
  const [one, nothing, word, info, variables, noColumn] = await flightCalls(served.flight, [
    { call: "get", ticket: `{ user(id: "${user.id}") { id name } }`, rows: true },
    { call: "get", ticket: `{ user(id: "${none}") { id name } }` },
    { call: "get", ticket: "products" },
    { call: "info", path: ["products"] },
    {
      call: "get",
      ticket: JSON.stringify({
        type: "GraphQLQuery",
        query: "query A { users { id } } query B($id: ID!) { user(id: $id) { name } }",
        operationName: "B",
        variables: { id: user.id },
        field: null,
      }),
      rows: true,
    },
    { call: "get", ticket: "{ users(limit: 3) { id @skip(if: true) } }" },
  ]);
  equal(noColumn?.rows, 3);
  equal(one?.values, [user]);
  equal([nothing?.rows, nothing?.schema === one?.schema], [0, true]);
  equal(word?.rows, body.data.products.length);
  equal(info?.endpoints?.[0]?.rows, word?.rows);
  equal(info?.endpoints?.[0]?.schema, word?.schema);
  equal(variables?.values, [{ name: user.name }]);
});

Deno.test("serve answers the actions, and says what it does not offer", async () => {
  await using served = await serve({ DATABASE_URL: await postgres.shop(), ...quiet });
  const [health, unknown, nothing, mutation] = await flightCalls(served.flight, [
    { call: "action", type: "HealthCheck" },
    { call: "action", type: "Explode" },
    { call: "get", ticket: "nothing_here" },
    { call: "get", ticket: "mutation { createUser { id } }" },
  ]);
  equal(health?.results, ['{"status":"ok"}']);
  equal([unknown?.code, nothing?.code], ["UNIMPLEMENTED", "NOT_FOUND"]);
  equal(mutation?.code, "UNIMPLEMENTED");
});
