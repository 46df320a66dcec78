import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { httpInterfaceUrl, readClickhouseUrl } from "../../../lib/clickhouse/url.ts";

Deno.test("readClickhouseUrl() takes user, password, database and cluster", () => {
  deepEqual(readClickhouseUrl("https://me:p%40ss@ch.example:8443/events?cluster=all"), {
    origin: "https://ch.example:8443",
    user: "me",
    password: "p@ss",
    database: "events",
    cluster: "all",
  });
});

Deno.test("readClickhouseUrl() has a default for all but the host", () => {
  deepEqual(readClickhouseUrl("http://ch:8123"), {
    origin: "http://ch:8123",
    user: "default",
    password: "",
    database: "fraiseql",
    cluster: null,
  });
});

Deno.test("readClickhouseUrl() lets keys of their own beat the URL", () => {
  const extras = { user: "a", password: "b", database: "c" };
  deepEqual(readClickhouseUrl("http://x:y@ch:8123/z", extras), {
    origin: "http://ch:8123",
    user: "a",
    password: "b",
    database: "c",
    cluster: null,
  });
});

Deno.test("readClickhouseUrl() takes the database as ClickHouse's own parameter, too", () => {
  equal(readClickhouseUrl("http://ch:8123/?database=events").database, "events");
  equal(readClickhouseUrl("http://ch:8123/events?database=events").database, "events");
});

Deno.test("readClickhouseUrl() refuses an escape that is none, and does not show the password", () => {
  throws(() => readClickhouseUrl("http://me:p%ss@ch:8123"), {
    code: "BAD_INPUT",
    message: "the ClickHouse URL has a % in its user or password that no two hex digits follow: " +
      "write it as %25",
  });
});

Deno.test("httpInterfaceUrl() gives what ClickHouse's HTTP interface takes, and means the same", () => {
  const url = httpInterfaceUrl("http://me:p%40ss@ch:8123/events");
  equal(url, "http://me:p%40ss@ch:8123/?database=events");
  deepEqual(readClickhouseUrl(url), readClickhouseUrl("http://me:p%40ss@ch:8123/events"));
});

const faults: [url: string, message: RegExp][] = [
  ["ch:8123", /must be http:/],
  ["clickhouse://ch:9000", /must be http:/],
  ["http://ch:8123/a/b", /database's name/],
  ["http://ch:8123/a-b", /database's name/],
  ["http://ch:8123/x?user=me", /parameter user/],
  ["http://ch:8123/?database=a-b", /database that is no name/],
  ["http://ch:8123/x?database=y", /names the databases x and y/],
  ["http://ch:8123/x?cluster=a`b", /cluster that is no name/],
];

for (const [url, message] of faults) {
  Deno.test(`readClickhouseUrl() refuses ${url}`, () => {
    throws(() => readClickhouseUrl(url), { code: "BAD_INPUT", message });
  });
}

Deno.test("readClickhouseUrl() shows no password in what it says", () => {
  throws(
    () => readClickhouseUrl("http://u:secret@ch/a/b"),
    (error: Error) => !error.message.includes("secret"),
  );
});
