import { equal } from "node:assert/strict";
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
  const url = await server.createDatabase("test_dropped");
  await server.dropDatabase(url);
  const rows = await server.query("select from pg_database where datname = 'test_dropped'");
  equal(rows.length, 0);
});
