/** Which queries the engine keeps results of, over a database that counts what it is asked. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { SchemaChanged } from "../../../lib/errors.ts";
import { limits } from "../../../lib/limits.ts";
import type { Database } from "../../../lib/query/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryRequest } from "../../../lib/query/query_engine.ts";
import { catalogOf, type CatalogSpec, NO_DATABASE, SHOP } from "./catalogs.ts";

async function counting(relations: readonly string[] | null, specs: CatalogSpec[] = [SHOP]) {
  let [reads, catalogs, told] = [0, 0, 0];
  const database: Database = {
    ...NO_DATABASE,
    async *rows() {
      await Promise.resolve();
      reads++;
      yield { statement: 0, bytes: new Uint8Array(8), start: 0, end: 8 };
    },
    query: () => Promise.resolve([["shop", "reader", "reader"]]),
  };
  const engine = await openEngine({
    database,
    readCatalog: () =>
      Promise.resolve(catalogOf(specs[Math.min(catalogs++, specs.length - 1)] ?? SHOP)),
    // A read of the catalog by itself may follow another at once.
    limits: limits({ catalogReadsPerMinuteMax: 60_000 }),
    unrepresentable: "error",
    views: [],
    onChanged: () => void told++,
    ...relations && { resultCache: { seconds: 60, relations } },
  });
  const ask = async (request: QueryRequest | string, root?: number) => {
    const plan = engine.plan(typeof request === "string" ? { text: request } : request);
    const ages: number[] = [];
    const fromCache = (age: number) => ages.push(age);
    const { signal } = new AbortController();
    const run = { signal, fromCache, ...root !== undefined && { root } };
    for await (const _ of engine.rows(plan, run));
    return ages.length > 0;
  };
  return { engine, ask, reads: () => reads, catalogs: () => catalogs, told: () => told };
}

const orders = "{ orders { id } }";

const queries: [name: string, relations: readonly string[], text: string, isKept: boolean][] = [
  ["one relation that is named", ["orders"], orders, true],
  ["one that is named with its schema", ["public.orders"], orders, true],
  ["any where all are", ["*"], "{ orders { user { id } } }", true],
  ["one that is not named", ["users"], orders, false],
  ["a row by its key", ["orders"], '{ order(id: "1") { id } }', true],
  ["a to-one row of one that is not named", ["orders"], "{ orders { user { id } } }", false],
  ["a to-one row where both are named", ["orders", "users"], "{ orders { user { id } } }", true],
  ["to-many rows of one that is not named", ["users"], "{ users { orders { id } } }", false],
  [
    "a condition on one that is not named",
    ["orders"],
    '{ orders(where: { user: { name: { eq: "x" } } }) { id } }',
    false,
  ],
  [
    "an order by one that is not named",
    ["orders"],
    "{ orders(orderBy: [{ user: { name: ASC } }]) { id } }",
    false,
  ],
  [
    "two root fields of which one is not named",
    ["orders"],
    "{ orders { id } users { id } }",
    false,
  ],
];

for (const [name, relations, text, isKept] of queries) {
  Deno.test(`rows() ${isKept ? "keeps" : "does not keep"} the result of ${name}`, async () => {
    const { ask, reads } = await counting(relations);
    deepEqual([await ask(text), await ask(text)], [false, isKept]);
    equal(reads(), isKept ? 1 : 2);
  });
}

Deno.test("rows() keeps nothing unless told to", async () => {
  const { ask, reads } = await counting(null);
  deepEqual([await ask(orders), await ask(orders), reads()], [false, false, 2]);
});

Deno.test("rows() keeps a view that is read by its own name", async () => {
  const { engine, reads } = await counting(["va_orders"]);
  for (const _ of ["read", "and from the cache"]) {
    const plan = engine.planView({ view: "va_orders" });
    for await (const _ of engine.rows(plan, { signal: new AbortController().signal }));
  }
  equal(reads(), 1);
});

Deno.test("rows() shares a root field's result among the queries that read the same", async () => {
  const { ask, reads } = await counting(["orders", "users"]);
  await ask("{ users { id } orders { id } }", 1);
  equal(await ask("query Other { a: orders { id } }"), true);
  equal(await ask("{ users { id } }"), false);
  equal(reads(), 2);
});

Deno.test("rows() never shares between variables, operations or selections that differ", async () => {
  const { ask } = await counting(["orders"]);
  const text = `query A($n: Int) { orders(limit: $n) { id } } query B { orders { id userId } }`;
  const requests: QueryRequest[] = [
    { text, operationName: "A", variables: { n: 1 } },
    { text, operationName: "A", variables: { n: 2 } },
    { text, operationName: "A", variables: { n: null } },
    { text, operationName: "B", variables: { n: 1 } },
    { text: "{ orders(limit: 1) { userId } }" },
    { text: "{ orders(limit: 1, offset: 1) { id } }" },
    { text: '{ orders(limit: 1, where: { id: { eq: "1" } }) { id } }' },
    { text: '{ orders(limit: 1, where: { id: { eq: "2" } }) { id } }' },
  ];
  for (const request of requests) equal(await ask(request), false);
  for (const request of requests) equal(await ask(request), true);
});

Deno.test("openEngine() refuses a result cache of a relation that is not there, and names one that is near", async () => {
  await rejects(counting(["ordres"]), {
    code: "BAD_INPUT",
    message: /result_cache names "ordres"/,
    hint: /orders/,
  });
});

Deno.test("refresh() tells nobody, since who asked for it does", async () => {
  const { engine, told } = await counting(null, [SHOP, later]);
  await engine.refresh();
  equal(told(), 0);
});

Deno.test("refresh() drops what was kept, and a plan from before is not answered by what comes later", async () => {
  const { engine, ask, reads } = await counting(["orders"]);
  await ask(orders);
  const before = engine.plan({ text: orders });
  await engine.refresh();
  equal(await ask(orders), false);
  for await (const _ of engine.rows(before, { signal: new AbortController().signal }));
  equal(reads(), 3);
});

const later: CatalogSpec = { ...SHOP, tables: { ...SHOP.tables, later: "id int4! key" } };
const changed = () => new SchemaChanged("row 1 has not the planned columns");

Deno.test("failed() reads the catalog again for a changed schema, drops what was kept, and tells others", async () => {
  const { engine, ask, catalogs, told } = await counting(["orders"], [SHOP, later]);
  await ask(orders);
  await engine.failed(changed(), 0);
  deepEqual([catalogs(), told()], [2, 1]);
  equal(await ask(orders), false);
  equal(engine.rootLists().some(({ name }) => name === "laters"), true);
});

Deno.test("failed() keeps results and schema where the catalog says the same again", async () => {
  const { engine, ask, catalogs, told } = await counting(["orders"]);
  await ask(orders);
  const lists = engine.rootLists();
  await engine.failed(changed(), 0);
  deepEqual([catalogs(), told()], [2, 0]);
  equal(engine.rootLists(), lists);
  equal(await ask(orders), true);
});

Deno.test("failed() lets a request that was refused find its field when it asks again", async () => {
  const { engine, ask } = await counting(null, [SHOP, later]);
  await new Promise((resolve) => setTimeout(resolve, 10)); // five pauses of a millisecond
  const text = "{ laters { id } }";
  await ask(text).catch((error) => engine.failed(error, 0));
  await ask(text);
});

for (const error of [new Error("ours"), new DOMException("left"), null]) {
  Deno.test(`failed() reads no catalog for ${error}`, async () => {
    const { engine, catalogs } = await counting(null);
    await engine.failed(error, 0);
    equal(catalogs(), 1);
  });
}
