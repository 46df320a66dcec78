/** `fraiseql capture add --backfill` as a person runs it, ends it and runs it again. */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { type Environment, run } from "../serve/serve.ts";

const server = await testPostgres();

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function fraiseql(
  url: string,
  args: readonly string[],
  env: Environment = {},
): Promise<Said> {
  await using program = run(args, { DATABASE_URL: url, ...env });
  const { code } = await program.ended;
  return { status: code, out: program.stdout(), err: program.stderr() };
}

/** A database with a table of so many rows, migrated. */
async function withRows(rows: number, work: (url: string) => Promise<void>): Promise<void> {
  const url = await server.createDatabase();
  try {
    await server.query(
      `create table orders (id int primary key, created_at timestamptz, note text);
       insert into orders select n, now() - n * interval '1 day', 'n' from generate_series(1, ${rows}) n`,
      url,
    );
    equal((await fraiseql(url, ["migrate"])).status, 0);
    await work(url);
  } finally {
    await server.dropDatabase(url);
  }
}

const logged = async (url: string): Promise<{ events: number; rows: number }> => {
  const [row] = await server.query(
    `select count(*)::int as events, count(distinct entity_id)::int as rows
     from fraiseql.change_log`,
    url,
  );
  return row as { events: number; rows: number };
};

const small = { FRAISEQL_LIMITS_BACKFILL_ROWS_MAX: "3" };
const add = ["capture", "add", "orders", "--backfill"];

Deno.test("fraiseql capture add --backfill says how many rows are events, and how many are too old", async () => {
  await withRows(100, async (url) => {
    const said = await fraiseql(url, [...add, "--timestamp-column", "created_at"]);
    deepEqual([said.status, said.out], [
      0,
      "captures public.orders as Order by id\n" +
      "back-filled public.orders: 89 rows are events, and left out 11 older than 90 days\n",
    ]);
    match(said.err, /^back-fill of public\.orders: about 100 rows$/m);
    deepEqual(await logged(url), { events: 89, rows: 89 });
    const env = { FRAISEQL_EVENT_RETENTION_DAYS: "7" };
    const { out } = await fraiseql(url, [...add, "--timestamp-column", "created_at"], env);
    match(out, /: 6 rows are events, and left out 94 older than 7 days\n$/);
  });
});

Deno.test("fraiseql capture add --all-in --backfill takes one table after another", async () => {
  await withRows(2, async (url) => {
    await server.query(
      "create table users (id int primary key); insert into users values (1)",
      url,
    );
    const said = await fraiseql(url, ["capture", "add", "--all-in", "public", "--backfill"]);
    equal(said.status, 0);
    match(said.out, /^back-filled public\.orders: 2 rows are events$/m);
    match(said.out, /^back-filled public\.users: 1 rows are events$/m);
    deepEqual((await logged(url)).events, 3);
  });
});

Deno.test("fraiseql capture add --backfill goes on by the same command, also after it was killed", async () => {
  await withRows(3000, async (url) => {
    for (const signal of ["SIGKILL", "SIGINT"] as const) {
      const before = (await logged(url)).events;
      await using program = run(add, { DATABASE_URL: url, ...small });
      while ((await logged(url)).events < before + 50);
      program.signal(signal);
      const { code } = await program.ended;
      if (signal === "SIGINT") {
        equal(code, 1);
        match(
          program.stderr(),
          /^back-fill of public\.orders stopped at [\d,]+ of about 3,000 rows/m,
        );
        match(program.stderr(), /^hint: the same command again goes on from there$/m);
      }
      const { out } = await fraiseql(url, ["capture", "list"]);
      match(
        out,
        /back-fill stopped at [\d,]+ of about 3,000 rows \(\d+%\), .*--backfill goes on$/m,
      );
    }
    const said = await fraiseql(url, add);
    match(said.err, /^back-fill of public\.orders goes on at [\d,]+ of about 3,000 rows/m);
    equal(said.status, 0);
    match(said.out, /^back-filled public\.orders: 3,000 rows are events$/m);
    deepEqual(await logged(url), { events: 3000, rows: 3000 });
  });
});

Deno.test("fraiseql capture add --all-in --backfill goes on with the tables that are left", async () => {
  await withRows(10, async (url) => {
    await server.query(
      `create table users (id text primary key); create table zones (id text primary key);
       insert into users select 'u' || n from generate_series(1, 2000) n;
       insert into zones values ('z')`,
      url,
    );
    const all = ["capture", "add", "--all-in", "public", "--backfill"];
    await using program = run(all, { DATABASE_URL: url, ...small });
    while ((await logged(url)).events < 50);
    program.signal("SIGINT");
    equal((await program.ended).code, 1);
    const said = await fraiseql(url, all);
    match(said.err, /^back-fill of public\.orders is done, and the others' goes on$/m);
    match(said.err, /^back-fill of public\.users goes on at/m);
    match(said.out, /^back-filled public\.zones: 1 rows are events$/m);
    deepEqual(await logged(url), { events: 2011, rows: 2011 });
    // All are done, and so all begin again.
    equal((await fraiseql(url, all)).status, 0);
    deepEqual(await logged(url), { events: 4022, rows: 2011 });
  });
});

Deno.test("fraiseql capture add --backfill refuses a second one, and ends when the table is removed", async () => {
  await withRows(10, async (url) => {
    // Full at once, and so it waits.
    await server.query("update fraiseql.capture_settings set log_bytes_max = 1000", url);
    await using first = run(add, { DATABASE_URL: url });
    await first.said(
      /waits at 0 of about 10 rows \(0%\): .*no publisher runs that empties it: start/,
    );
    const second = await fraiseql(url, add);
    equal(second.status, 1);
    match(second.err, /another back-fill of public\.orders is under way\nhint: /);
    match(
      (await fraiseql(url, ["capture", "list"])).out,
      /back-fill under way: 0 of about 10 rows/,
    );
    equal((await fraiseql(url, ["capture", "remove", "orders"])).status, 0);
    equal((await first.ended).code, 1);
    match(first.stderr(), /public\.orders is captured no longer: its back-fill ended after 0 rows/);
    ok(!(await fraiseql(url, ["capture", "list"])).out.includes("back-fill"));
  });
});

Deno.test("fraiseql capture add --backfill refuses before it captures what it could not fill", async () => {
  await withRows(1, async (url) => {
    const refused = await fraiseql(url, [...add, "--timestamp-column", "note"]);
    deepEqual([refused.status, refused.out], [2, ""]);
    match(refused.err, /column note of public\.orders is of type text, and tells no time/);
    match((await fraiseql(url, ["capture", "list"])).out, /^no table is captured/);
    await server.query("create view v as select * from orders", url);
    const view = await fraiseql(url, ["capture", "add", "v", "--backfill"]);
    match(view.err, /public\.v is a view, whose writes nobody sees/);
  });
});
