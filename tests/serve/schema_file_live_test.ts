/** `schema print`, `schema check` and a served schema file, as a user runs them. */

import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { lexicographicSortSchema, printSchema } from "graphql";
import everyKind from "../lib/postgres/every_kind.sql" with { type: "text" };
import kinds from "./kinds.sql" with { type: "text" };
import { testPostgres } from "../services/postgres.ts";
import { flightCall, flightGet } from "./flight_calls.ts";
import { introspect } from "./queries.ts";
import { command, folder, post, serve, until } from "./serve.ts";

const postgres = await testPostgres();
const quiet = { FRAISEQL_LOG_LEVEL: "warn" };
const http = { FRAISEQL_TOPOLOGY: "http", ...quiet };

async function databaseOf(sql: string): Promise<string> {
  const url = await postgres.createDatabase();
  await postgres.query(sql, url);
  return url;
}

const databases: [name: string, url: () => Promise<string>, schemas: string][] = [
  ["the sample shop", () => postgres.shop(), "public"],
  ["every kind of relation", () => databaseOf(everyKind), "public,Odd.Schema"],
  ["every kind of type", () => databaseOf(kinds), "public"],
];

for (const [name, url, schemas] of databases) {
  Deno.test(`schema print of ${name}, served by FRAISEQL_SCHEMA, gives the same API back`, async () => {
    await using dir = await folder();
    const env = { DATABASE_URL: await url(), FRAISEQL_DB_SCHEMAS: schemas };
    const printed = await command(["schema", "print"], env);
    equal(printed.code, 0, printed.stderr);
    const file = `${dir.path}/schema.graphql`;
    await Deno.writeTextFile(file, printed.stdout);
    const checked = await command(["schema", "check", file], env);
    equal([checked.code, checked.stderr], [0, ""]);
    match(checked.stdout, /^\S+schema\.graphql fits: \d+ types, \d+ fields, \d+ enums?\n$/);

    await using plain = await serve({ ...env, ...http });
    await using filed = await serve({ ...env, ...http, FRAISEQL_SCHEMA: file });
    const [without, withFile] = await Promise.all(
      [plain, filed].map(async (served) =>
        printSchema(lexicographicSortSchema(await introspect(served.http)))
      ),
    );
    ok(without);
    equal(withFile, without);
    // A file that is served prints as itself.
    const again = await command(["schema", "print"], { ...env, FRAISEQL_SCHEMA: file });
    equal([again.code, again.stdout], [0, printed.stdout]);
  });
}

const misfit = `type Person @source(relation: "users") {
  id: ID!
  name: Int!
  emial: String!
}
`;
const misfitTold = [
  "schema.graphql has 2 faults:",
  "schema.graphql:3:9 public.users.name is String and not Int!: declare it as String or ID",
  "schema.graphql:4:3 public.users has no column for emial: did you mean email?",
];

for (const words of [["serve"], ["flight"], ["schema", "print"], ["schema", "check"]]) {
  Deno.test(`fraiseql ${words.join(" ")} refuses a file that does not fit, with every fault: exit status 2`, async () => {
    await using dir = await folder();
    await Deno.writeTextFile(`${dir.path}/schema.graphql`, misfit);
    const { code, stdout, stderr } = await command(words, {
      DATABASE_URL: await postgres.shop(),
      FRAISEQL_SCHEMA: "schema.graphql",
      FRAISEQL_BIND_ADDR: "127.0.0.1:0",
      FRAISEQL_FLIGHT_BIND_ADDR: "127.0.0.1:0",
      ...quiet,
    }, dir.path);
    equal([code, stdout], [2, ""], stderr);
    equal(misfitTold.filter((line) => !stderr.includes(line)), [], stderr);
  });
}

Deno.test("schema check is 2 without a file or with one that cannot be read, and 1 without a database", async () => {
  await using dir = await folder();
  const DATABASE_URL = await postgres.shop();
  const none = await command(["schema", "check"], { DATABASE_URL }, dir.path);
  equal([none.code, none.stdout], [2, ""]);
  match(none.stderr, /there is no schema file to check\nhint: name one/);
  const gone = await command(["schema", "check", "gone.graphql"], { DATABASE_URL }, dir.path);
  equal([gone.code, gone.stdout], [2, ""]);
  match(gone.stderr, /gone\.graphql cannot be read/);
  await Deno.writeFile(`${dir.path}/latin.graphql`, Uint8Array.of(0x23, 0xe4, 0x0a));
  const latin = await command(["schema", "check", "latin.graphql"], { DATABASE_URL }, dir.path);
  equal([latin.code, latin.stdout], [2, ""]);
  match(latin.stderr, /is not UTF-8/);
  await Deno.writeTextFile(`${dir.path}/empty.graphql`, "# nothing yet\n");
  const away = await command(["schema", "check", "empty.graphql"], {
    DATABASE_URL: "postgres://127.0.0.1:1/none",
  }, dir.path);
  equal([away.code, away.stdout], [1, ""], away.stderr);
  const empty = await command(["schema", "check", "empty.graphql"], { DATABASE_URL }, dir.path);
  equal([empty.code, empty.stdout], [2, ""]);
  match(empty.stderr, /empty\.graphql defines nothing to serve\nhint: declare at least one type/);
});

Deno.test("serve tells of a schema file that is not there before it waits for a database", async () => {
  await using dir = await folder();
  const { code, stderr } = await command(["serve"], {
    DATABASE_URL: "postgres://127.0.0.1:1/none",
    FRAISEQL_SCHEMA: "gone.graphql",
  }, dir.path);
  equal(code, 2);
  match(stderr, /gone\.graphql cannot be read/);
});

Deno.test("a schema file longer than schemaFileBytesMax is refused, one as long is read", async () => {
  await using dir = await folder();
  const env = {
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_LIMITS_SCHEMA_FILE_BYTES_MAX: "1024",
  };
  const file = `${dir.path}/schema.graphql`;
  const type = 'type User @source(relation: "users") { id: ID! }\n';
  await Deno.writeTextFile(file, type.padEnd(1024, "#"));
  equal((await command(["schema", "check", file], env)).code, 0);
  await Deno.writeTextFile(file, type.padEnd(1025, "#"));
  const { code, stderr } = await command(["schema", "check", file], env);
  equal(code, 2);
  match(stderr, /has 1025 bytes, more than 1024\nhint: .*schema_file_bytes_max/);
});

Deno.test("a value that where finds unfit is told of the list, and of no row that is not in the answer", async () => {
  await using dir = await folder();
  const file = `${dir.path}/schema.graphql`;
  await Deno.writeTextFile(
    file,
    'type Doc @source(relation: "docs", json: "data") { id: Int! @column(plain: true) n: Int }',
  );
  await using served = await serve({
    DATABASE_URL: await databaseOf(
      `create table docs (id int primary key, data jsonb);
       insert into docs values (1, '{"n":1}'), (2, '{"n":2}'), (3, '{"n":"x"}')`,
    ),
    FRAISEQL_SCHEMA: file,
    ...quiet,
  });
  const ticket = "{ docs(where: { n: { gt: 1 } }) { id } }";
  const { body } = await post(served.http, ticket);
  const [error] = body.errors ?? [];
  equal([error?.extensions.code, error?.path], ["UNREPRESENTABLE", ["docs"]]);
  equal((await flightCall(served.flight, { call: "get", ticket })).code, "OUT_OF_RANGE");
});

const people = (fields: string) => `type Person @source(relation: "users") { ${fields} }\n`;

Deno.test("serve answers by the file on both transports, reads it again, and keeps it where it fits no more", async () => {
  await using dir = await folder();
  const file = `${dir.path}/schema.graphql`;
  await Deno.writeTextFile(
    file,
    people('id: ID! mood: String @column(json: "preferences", name: "language")'),
  );
  await using served = await serve({
    DATABASE_URL: await postgres.shop(),
    FRAISEQL_SCHEMA: file,
    ...quiet,
  });
  const asked = "{ people(limit: 3) { mood } }";
  const first = await post(served.http, asked);
  equal(first.body.data, { people: [{ mood: null }, { mood: "fr" }, { mood: "ja" }] });
  const overFlight = await flightGet(served.flight, asked);
  equal(overFlight.rows, 3);
  equal((await post(served.http, "{ orders { id } }")).status, 400);

  const named = "{ people(limit: 1) { name } }";
  equal((await post(served.http, named)).status, 400);
  await Deno.writeTextFile(file, people("id: ID! name: String!"));
  served.signal("SIGHUP");
  await until(() => post(served.http, named), ({ status }) => status === 200);
  await until(
    () => flightGet(served.flight, named).then(({ rows }) => rows, () => 0),
    (rows) => rows === 1,
  );

  await Deno.writeTextFile(file, misfit);
  served.signal("SIGHUP");
  await served.said(/schema not refreshed, the old one stays.*emial/);
  equal((await post(served.http, named)).status, 200);
  const action = await flightCall(served.flight, { call: "action", type: "RefreshSchema" });
  match(action.message ?? "", /2 faults/);
  equal((await flightGet(served.flight, named)).rows, 1);
  equal((await post(served.http, named)).status, 200);
  equal(await served.stop(), 0);
});
