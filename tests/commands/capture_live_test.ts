/** `fraiseql migrate` and `fraiseql capture` as a person runs them. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { testPostgres } from "../services/postgres.ts";
import { run } from "../serve/serve.ts";

const server = await testPostgres();

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function fraiseql(url: string, ...args: string[]): Promise<Said> {
  await using program = run(args, { DATABASE_URL: url });
  const { code } = await program.ended;
  return { status: code, out: program.stdout(), err: program.stderr() };
}

Deno.test("fraiseql migrate, capture add, list, remove and migrate --down say what they did", async () => {
  const url = await server.createShop();
  try {
    const early = await fraiseql(url, "capture", "add", "orders");
    equal(early.status, 1);
    match(early.err, /the database has no change log\nhint: run fraiseql migrate/);

    equal((await fraiseql(url, "migrate")).status, 0);
    deepEqual(await fraiseql(url, "migrate"), {
      status: 0,
      out: "schema fraiseql is up to date\n",
      err: "",
    });
    deepEqual(await fraiseql(url, "capture", "add", "orders", "--except", "notes"), {
      status: 0,
      out: "captures public.orders as Order by id, without notes\n",
      err: "",
    });
    equal(
      (await fraiseql(url, "capture", "add", "--all-in", "public")).out,
      "captures public.order_items as OrderItem by order_id, product_id\n" +
        "captures public.orders as Order by id\n" +
        "captures public.organizations as Organization by id\n" +
        "captures public.products as Product by id\n" +
        "captures public.users as User by id\n",
    );
    const list = await fraiseql(url, "capture", "list");
    equal(list.status, 0);
    match(list.out, /^public\.orders as Order by id since \d{4}-.*Z$/m);
    match(list.out, /^change log: 1 MiB of 10240 MiB \(0%\)$/m);

    await server.query("alter table users disable trigger user", url);
    const faulty = await fraiseql(url, "capture", "list");
    equal(faulty.status, 1);
    match(faulty.out, /^ {2}trigger fraiseql_insert of public\.users is disabled/m);

    equal(
      (await fraiseql(url, "capture", "remove", "users")).out,
      "captures public.users no longer\n",
    );
    equal(
      (await fraiseql(url, "capture", "remove", "--all")).out,
      "captures none any longer, of 4 tables\n",
    );
    equal((await fraiseql(url, "capture", "list")).out.split("\n")[0], "no table is captured");
    equal((await fraiseql(url, "migrate", "--down")).status, 0);
    deepEqual(await server.query("select from pg_namespace where nspname = 'fraiseql'", url), []);
  } finally {
    await server.dropDatabase(url);
  }
});

const wrong: [args: string[], err: RegExp][] = [
  [["capture", "add"], /name one table, or a schema by --all-in/],
  [["capture", "add", "orders", "--all-in", "public"], /name one table, or a schema by --all-in/],
  [
    ["capture", "add", "--all-in", "public", "--key", "id"],
    /--all-in takes no flag that is of one/,
  ],
  [["capture", "add", "orderz"], /there is no table orderz.*\nhint: did you mean orders\?/],
  [
    ["capture", "add", "orders", "--except", "note"],
    /has no column note\nhint: did you mean notes\?/,
  ],
  [["capture", "add", "orders", "--only", ","], /--only names no column/],
  [["capture", "add", "orders", "--entity", "Purchase"], /public\.orders is type Order/],
  [["capture", "remove"], /name a table, or say --all/],
  [["capture", "remove", "orders", "--all"], /name a table, or say --all/],
];

Deno.test("fraiseql capture refuses wrong usage with status 2 and the remedy", async () => {
  const url = await server.createShop();
  try {
    await fraiseql(url, "migrate");
    for (const [args, err] of wrong) {
      const said = await fraiseql(url, ...args);
      deepEqual([args.join(" "), said.status, said.out], [args.join(" "), 2, ""]);
      match(said.err, err);
    }
  } finally {
    await server.dropDatabase(url);
  }
});

Deno.test("fraiseql capture names the events of a table that is not exposed by --entity", async () => {
  const url = await server.createDatabase();
  try {
    await server.query("create schema s; create table s.t (id int primary key)", url);
    await fraiseql(url, "migrate");
    const nameless = await fraiseql(url, "capture", "add", "s.t");
    equal(nameless.status, 2);
    match(nameless.err, /s\.t is not exposed.*\nhint: name their entity type: --entity Order/);
    match(
      (await fraiseql(url, "capture", "add", "s.t", "--entity", "a.b")).err,
      /"a\.b" is no name/,
    );
    equal(
      (await fraiseql(url, "capture", "add", "s.t", "--entity", "Thing")).out,
      "captures s.t as Thing by id\n",
    );
  } finally {
    await server.dropDatabase(url);
  }
});
