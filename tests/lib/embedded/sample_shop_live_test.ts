import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import {
  loadSampleShop,
  type ShopOptions,
  type ShopProgress,
} from "../../../lib/embedded/sample_shop.ts";
import { shopQuery, testPostgres, withClient } from "../../services/postgres.ts";

const server = await testPostgres();
const shop = await server.shop();

const load = (url: string, options: ShopOptions) =>
  withClient(url, (sql) => loadSampleShop(shopQuery(sql), options));

const ask = (url: string, text: string) =>
  withClient(url, async (sql) => {
    await sql`set timezone to 'UTC'`;
    return (await shopQuery(sql)(text)).map((row) => row.join(" "));
  });

const relations = `select count(*) from pg_class where relnamespace = 'public'::regnamespace`;

/** One number that changes with any value of any row. */
const fingerprint = (table: string) =>
  `select sum(hashtextextended(t::text, 0)::numeric) from ${table} t`;

Deno.test("loadSampleShop() makes every table, of fitting sizes", async () => {
  const tables = ["organizations", "users", "products", "orders", "order_items"];
  const counts = tables.map((table) => `(select count(*) from ${table})`).join(",");
  deepEqual(await ask(shop, `select ${counts}`), ["20 1000 200 10000 24956"]);
});

// Written down, so that a version or a machine that makes other rows is seen.
const sums: [table: string, sum: string][] = [
  ["organizations", "34135196141601828887"],
  ["users", "-87766354716454635436"],
  ["products", "-144436519457948444117"],
  ["orders", "981231664967124853294"],
  ["order_items", "591261663970490540900"],
];

for (const [table, sum] of sums) {
  Deno.test(`loadSampleShop() makes the same ${table} each time`, async () => {
    deepEqual(await ask(shop, fingerprint(table)), [sum]);
  });
}

const truths: [name: string, sql: string][] = [
  [
    "an order's total is the sum of its items",
    `select count(*) = 0 from orders o where (total, item_count) <>
      (select sum(quantity * unit_price), count(*) from order_items where order_id = o.id)`,
  ],
  [
    "only failed orders have an error code",
    "select bool_and((status = 'failed') = (error_code is not null)) from orders",
  ],
  [
    "what was sent has left after it was ordered",
    `select bool_and((status in ('shipped', 'delivered')) = (shipped_at is not null)
      and coalesce(shipped_at > created_at, true)) from orders`,
  ],
  [
    "orders are of the year before the shop's last day",
    `select min(created_at) >= '2025-07-01Z' and max(created_at) < '2026-07-01Z' from orders`,
  ],
  ["every status occurs", "select count(distinct status) = 6 from orders"],
  ["cards are declined", "select count(*) > 100 from orders where error_code = 'PAYMENT_DECLINED'"],
  [
    "later orders have greater keys",
    "select array_agg(id order by id) = array_agg(id order by created_at) from orders",
  ],
  [
    "moments have microseconds",
    "select bool_or(extract(microseconds from created_at)::int % 1000 > 0) from orders",
  ],
  ["nobody's address is anybody's", "select count(distinct email) = count(*) from users"],
  [
    "some organization belongs to another",
    "select count(*) > 0 from organizations where parent_id is not null",
  ],
  [
    "some products have no tags, some several",
    "select min(cardinality(tags)) = 0 and max(cardinality(tags)) > 1 from products",
  ],
  [
    "some columns are null for some",
    "select count(notes) between 1 and 9999 and (select count(phone) between 1 and 999 from users) from orders",
  ],
  [
    "a product that is added gets the next key",
    "insert into products (sku, name, price) values ('x', 'x', 1) returning id = 201",
  ],
  [
    "every column of a foreign key leads an index",
    `select count(*) = 0 from pg_constraint c where contype = 'f' and not exists
      (select from pg_index i where indrelid = conrelid and indkey[0] = conkey[1])`,
  ],
  [
    "every table and each of its columns has a comment",
    `select bool_and(col_description(attrelid, attnum) is not null and
        obj_description(attrelid, 'pg_class') is not null)
      from pg_attribute join pg_class on pg_class.oid = attrelid where attnum > 0
        and relkind = 'r' and relnamespace = 'public'::regnamespace`,
  ],
  [
    "the planner knows every table",
    `select bool_and(reltuples > 0) from pg_class where relkind in ('r', 'm')
      and relnamespace = 'public'::regnamespace`,
  ],
  [
    "the views hold every row",
    `select (select count(*) from va_orders) = 10000 and
    (select count(*) from va_users) = 1000 and (select count(*) from order_summaries) = 10000`,
  ],
  [
    "the monthly revenue is that of the orders",
    `select sum(revenue) = (select sum(total) from orders
      where status in ('paid', 'shipped', 'delivered')) from monthly_revenue`,
  ],
  [
    "numbers of views keep their precision",
    `select bool_and(format_type(atttypid, atttypmod) = 'numeric(12,2)') from pg_attribute
      where attrelid in ('va_orders'::regclass, 'order_summaries'::regclass) and attname = 'total'`,
  ],
];

const copy = await server.createShop();
for (const [name, sql] of truths) {
  Deno.test(`in the sample shop ${name}`, async () => {
    deepEqual(await ask(copy, sql), ["true"]);
  });
}

for (const orders of [1, 3, 777]) {
  Deno.test(`loadSampleShop() makes a shop of ${orders} orders`, async () => {
    const url = await server.createDatabase();
    await load(url, { orders });
    deepEqual(await ask(url, "select count(*) from va_orders"), [String(orders)]);
  });
}

Deno.test("loadSampleShop() reports its progress up to the last row", async () => {
  const seen: ShopProgress[] = [];
  const url = await server.createDatabase();
  await load(url, { orders: 60_000, onProgress: (progress) => void seen.push(progress) });
  deepEqual(seen.at(-1), { rowsDone: 67_320, rowsTotal: 67_320 });
  deepEqual(seen.map(({ rowsDone }) => rowsDone), [120, 6120, 7320, 32_320, 57_320, 67_320]);
});

Deno.test("loadSampleShop() leaves a shop of the same size as it is", async () => {
  const url = await server.createShop();
  await ask(url, "update orders set notes = 'changed'");
  await load(url, {});
  deepEqual(await ask(url, "select count(*) from orders where notes = 'changed'"), ["10000"]);
});

Deno.test("loadSampleShop() refuses a shop of another size and offers to replace it", async () => {
  const url = await server.createShop();
  await rejects(load(url, { orders: 50 }), {
    code: "BAD_INPUT",
    message: "the sample shop is there with 10000 orders",
    hint: "--replace drops it and makes one with 50",
  });
  await load(url, { orders: 50, replace: true });
  deepEqual(await ask(url, "select count(*) from orders"), ["50"]);
});

Deno.test("loadSampleShop() refuses tables of that name that are not the shop's", async () => {
  const url = await server.createDatabase();
  await ask(url, "create table orders (id int)");
  for (const replace of [false, true]) {
    await rejects(load(url, { replace }), {
      code: "BAD_INPUT",
      message: "the database has orders, not of the sample shop",
    });
  }
  deepEqual(await ask(url, relations), ["1"]);
});

Deno.test("loadSampleShop() leaves nothing when it is cancelled in the middle", async () => {
  const url = await server.createDatabase();
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  await rejects(load(url, { signal: controller.signal, onProgress }), { code: "CANCELLED" });
  deepEqual(await ask(url, relations), ["0"]);
});

Deno.test("loadSampleShop() keeps the old shop when replacing it fails", async () => {
  const url = await server.createShop();
  await ask(url, "create view of_mine as select * from orders");
  await rejects(load(url, { orders: 5, replace: true }), /other objects depend on it/);
  deepEqual(await ask(url, "select count(*) from orders"), ["10000"]);
});

for (const orders of [0, -1, 1.5, 100_000_001, NaN]) {
  Deno.test(`loadSampleShop() refuses to make ${orders} orders`, async () => {
    await rejects(load(shop, { orders }), { code: "BAD_INPUT" });
  });
}
