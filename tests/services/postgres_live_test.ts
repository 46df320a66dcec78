import { strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "./postgres.ts";

const server = await testPostgres();

Deno.test("createDatabase() gives an empty database of its own each time", async () => {
  const one = await server.createDatabase();
  const two = await server.createDatabase();
  await server.query("create table t (id int)", one);
  const [row] = await server.query("select to_regclass('t') as t", two);
  equal(row?.t, null);
});

Deno.test("dropDatabase() drops it while somebody is in it", async () => {
  const url = await server.createDatabase("dropped");
  await server.dropDatabase(url);
  const rows = await server.query(
    "select from pg_database where datname = 'fraiseql_test_dropped'",
  );
  equal(rows.length, 0);
});

Deno.test("shop() gives the same shop to everyone", async () => {
  const [one, two] = await Promise.all([server.shop(), server.shop()]);
  equal(one, two);
  const [row] = await server.query("select count(*) from orders", one);
  equal(row?.count, "10000");
});

Deno.test("createShop() gives a shop that can be written to, while others read theirs", async () => {
  const url = await server.createShop();
  await server.query("delete from orders", url);
  const [row] = await server.query("select count(*) from orders", await server.shop());
  equal(row?.count, "10000");
});
