/** Both transports tell the same of what is wrong with a query: message, places, path, code, hint. */

import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { CODES, type ErrorCode } from "../../lib/errors.ts";
import { RawClient } from "../flight/raw_client.ts";
import { ticketBytes } from "../flight/serve.ts";
import { testPostgres } from "../services/postgres.ts";
import { post, serve } from "./serve.ts";

const postgres = await testPostgres();

const queries: [name: string, query: string, code: ErrorCode][] = [
  ["a text that cannot be parsed", "{ days {", "PARSE_ERROR"],
  ["two fields that are not there", "{ days { nothing } nobody { id } }", "VALIDATION_ERROR"],
  ["a value of another type", '{ days(where: { id: { eq: "x" } }) { id } }', "VALIDATION_ERROR"],
  [
    "a value that PostgreSQL does not take",
    '{ days(where: { at: { eq: "x" } }) { id } }',
    "VALIDATION_ERROR",
  ],
  ["a negative limit", "{ days(limit: -1) { id } }", "BAD_INPUT"],
  ["a mutation", "mutation { days { id } }", "UNSUPPORTED"],
  [
    "a value in a list that Arrow cannot hold",
    "{ all: days(orderBy: [{ id: ASC }]) { id at } }",
    "UNREPRESENTABLE",
  ],
  [
    "a value of a single object that Arrow cannot hold",
    "{ day(id: 3) { when: at } }",
    "UNREPRESENTABLE",
  ],
  [
    "a nested value that Arrow cannot hold",
    "{ weeks { days(orderBy: [{ id: ASC }]) { at } } }",
    "UNREPRESENTABLE",
  ],
];

Deno.test("serve tells the same of a query that fails over HTTP and over Flight", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table weeks (id int primary key);
     create table days (id int primary key, week_id int references weeks, at date);
     insert into weeks values (1);
     insert into days values (1, 1, '2020-01-01'), (2, 1, null), (3, 1, 'infinity')`,
    url,
  );
  await using served = await serve({ DATABASE_URL: url, FRAISEQL_LOG_LEVEL: "warn" });
  const client = new RawClient(served.flight);
  try {
    for (const [name, query, wanted] of queries) {
      const { body } = await post(served.http, query);
      const { code, trailers } = await client.call("DoGet", ticketBytes(query));
      const entries = JSON.parse(String(trailers.get("fraiseql-error")[0]));
      equal([name, entries], [name, body.errors]);
      equal([name, entries[0].extensions.code, code], [name, wanted, CODES[wanted].grpc]);
      ok(wanted !== "UNREPRESENTABLE" || entries[0].path.length >= 2, name);
    }
  } finally {
    client.close();
  }
});

Deno.test("serve tells of a connection that is too large for one row which list to ask", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table notes (id int primary key, body text);
     insert into notes select i, repeat('x', 100) from generate_series(1, 1000) i`,
    url,
  );
  await using served = await serve({
    DATABASE_URL: url,
    FRAISEQL_LOG_LEVEL: "warn",
    FRAISEQL_LIMITS_ROW_BYTES_MAX: String(64 * 1024),
  });
  const client = new RawClient(served.flight);
  try {
    const query = "{ notesConnection { nodes { body } } }";
    const { body } = await post(served.http, query);
    const { trailers } = await client.call("DoGet", ticketBytes(query));
    const [entry] = JSON.parse(String(trailers.get("fraiseql-error")[0]));
    equal([entry], body.errors);
    equal(entry.extensions.code, "TOO_LARGE");
    ok(/ask notes,/.test(entry.extensions.hint), entry.extensions.hint);
    equal((await post(served.http, "{ notesConnection(first: 9) { nodes { id } } }")).status, 200);
  } finally {
    client.close();
  }
});
