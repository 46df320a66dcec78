/** BulkExport on a real server's rows, read by pyarrow and Python's own csv. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { camelCase, plural } from "../../lib/query/names.ts";
import { readList } from "../lib/query/engine.ts";
import { testPostgres } from "../services/postgres.ts";
import { withFlight } from "./real.ts";

const postgres = await testPostgres();

interface Told {
  readonly [table: string]: {
    readonly rows: number;
    readonly lines: readonly string[];
    readonly columns: readonly string[];
    readonly batches: number;
    readonly largest: number;
  };
}

Deno.test("BulkExport gives CSV and JSON lines of every kind with the values of HTTP's JSON", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    await Deno.readTextFile(new URL("../serve/kinds.sql", import.meta.url)),
    url,
  );
  await withFlight(url, async ({ engine, python }) => {
    const names = await postgres.query(
      "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v', 'm') and not relispartition",
      url,
    );
    const tables = names.map(({ relname }) => String(relname));
    const told = await python<Told>("exports.py", ...tables);
    equal(Object.keys(told).length, tables.length);
    let compared = 0;
    for (const { name, text } of engine.rootLists()) {
      const rows = (await readList(engine, text)).map(values);
      const table = tables.find((one) => [camelCase(one), plural(camelCase(one))].includes(name));
      if (!table) continue; // named by its schema or otherwise
      const read = told[table];
      compared++;
      equal(read?.rows, rows.length, name);
      if (!read || read.lines.length === 0) continue;
      const lines = read.lines.map((line) => values(JSON.parse(line)));
      deepEqual(sorted(lines), sorted(rows), name);
    }
    ok(compared > 3);
  });
});

/** Names differ, and JavaScript puts names that are numbers first. */
const values = (row: unknown) =>
  Object.values(row as object).map((value) => JSON.stringify(value)).sort();
const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

Deno.test("BulkExport gives a large table in pieces of at most 1 MiB, and long rows too", async () => {
  const url = await postgres.createDatabase();
  await postgres.query(
    `create table long as select g as id, repeat(chr(34) || 'é', 1500000) as body from generate_series(1, 3) g;
     create table many as select g as id, 'row, "' || g || '"' as name, null::text as none, '' as empty
       from generate_series(1, 60000) g;
     create table nothing (id int, "a ""b"", c" text)`,
    url,
  );
  await withFlight(url, async ({ python }) => {
    const told = await python<Told>("exports.py", "long", "many", "nothing", "public.many");
    equal(told.many?.rows, 60_000);
    deepEqual(told["public.many"], told.many);
    ok(told.many!.batches > 3 && told.many!.largest <= 1024 * 1024);
    ok(told.long!.batches > 10 && told.long!.largest <= 1024 * 1024);
    deepEqual(told.nothing, {
      rows: 0,
      lines: [],
      columns: ["id", 'a "b", c'],
      batches: 0,
      largest: 0,
    });
  });
});

Deno.test("BulkExport heeds filter and limit by PostgreSQL's names, with the key as order", () =>
  postgres.shop().then((url) =>
    withFlight(url, async ({ get }) => {
      const file = async (more: object) => {
        const ticket = JSON.stringify({ type: "BulkExport", table: "products", ...more });
        const { messages, code } = await get(ticket);
        equal(code, 0);
        return new TextDecoder().decode(messages[1]);
      };
      const filter = { id: { in: ["3", "4", "5"] } };
      const lines = await file({ format: "json", filter, limit: 2 });
      deepEqual([...lines.matchAll(/\{"id":"(\d+)","sku":"/g)].map(([, id]) => id), ["3", "4"]);
    })
  ));

Deno.test("BulkExport refuses what is not exposed, and columns that are not there", async () => {
  await withFlight(await postgres.shop(), async ({ get }) => {
    const refused = async (more: object) => {
      const { code, message } = await get(JSON.stringify({ type: "BulkExport", ...more }));
      return `${code} ${message}`;
    };
    ok(
      /^5 no table or view named "order" .*did you mean orders/.test(
        await refused({ table: "order" }),
      ),
    );
    ok(/^5 /.test(await refused({ table: "pg_catalog.pg_authid" })));
    ok(/^5 /.test(await refused({ table: "orders; select 1" })));
    ok(/^3 /.test(await refused({ table: "orders", filter: { createdAt: { isNull: true } } })));
    ok(/^12 .*parquet/.test(await refused({ table: "orders", format: "parquet" })));
  });
});
