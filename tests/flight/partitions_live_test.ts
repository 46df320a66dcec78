/** Partitions of a real table: they are one snapshot, whatever happens to the table meanwhile. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import {
  ACTION,
  CANCEL_FLIGHT_INFO_REQUEST,
  CANCEL_FLIGHT_INFO_RESULT,
  decodeMessage,
  encodeMessage,
  FLIGHT_INFO,
  RESULT,
} from "../../flight/protobuf.ts";
import { JsonRows } from "../../lib/json/json_rows.ts";
import type { PlannedRoot } from "../../lib/query/plan.ts";
import type { Part, Plan, QueryEngine } from "../../lib/query/query_engine.ts";
import { compileRead } from "../../lib/query/sql.ts";
import { readList } from "../lib/query/engine.ts";
import { testPostgres, withClient } from "../services/postgres.ts";
import { type Real, withFlight } from "./real.ts";
import { command, until } from "./serve.ts";

const postgres = await testPostgres();

interface Told {
  readonly told: { readonly partitions: number; readonly why?: string };
  readonly expires: number;
  readonly rows: readonly number[];
  readonly same: boolean;
}

const TABLES = `
  create table makers (id int primary key, name text);
  insert into makers select g, 'maker ' || g from generate_series(1, 50) g;
  create table things (id int primary key, maker_id int references makers, name text, price numeric(10, 2));
  insert into things select g, g % 50 + 1, repeat('thing ' || g, 5), g / 7.0 from generate_series(1, 20000) g;
  create materialized view copies as select * from things;
  create view lookalikes as select * from things;
  create table sliced (id int, day date) partition by range (day);
  create table sliced_1 partition of sliced for values from ('2020-01-01') to ('2021-01-01');
  create table parents (id int primary key);
  create table children () inherits (parents);
  insert into parents values (1);
  insert into children values (2);
  insert into sliced values (1, '2020-05-05');
  create table nothing (id int primary key);
`;

async function withTables(test: (real: Real, run: Run) => Promise<void>, some = {}): Promise<void> {
  const url = await postgres.createDatabase();
  await postgres.query(TABLES, url);
  try {
    await withFlight(url, (real) => test(real, (sql) => postgres.query(sql, url)), some);
  } finally {
    await postgres.dropDatabase(url);
  }
}
type Run = (sql: string) => Promise<Record<string, unknown>[]>;

const ticketOf = (query: string, partitions: number) =>
  JSON.stringify({ type: "GraphQLQuery", query, partitions });
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

async function infoOf({ client }: Real, query: string, partitions = 4) {
  const answer = await client.call("GetFlightInfo", command(ticketOf(query, partitions)));
  const info = decodeMessage(FLIGHT_INFO, answer.messages[0] ?? new Uint8Array());
  return { ...answer, info, tickets: info.endpoint.map(({ ticket }) => text(ticket?.ticket)) };
}

const query = "{ things { id name price maker { name } } }";

Deno.test("partitions give together what the whole gives, read in parallel by pyarrow", () =>
  withTables(async ({ python }) => {
    const { told, rows, ...more } = await python<Told>("partitions.py", query, "4");
    deepEqual(told, { partitions: 4 });
    deepEqual(more, { same: true, expires: 4 });
    equal(rows.length, 4);
    ok(Math.min(...rows) > 4000, String(rows));
  }));

const splits: [name: string, query: string, rows: number][] = [
  ["a materialized view", "{ copies { id name } }", 20_000],
  ["a table with fewer pages than parts", "{ makers { id things { id } } }", 50],
  ["a table without rows", "{ nothings { id } }", 0],
  ["a filter", "{ things(where: { id: { lte: 70 } }) { id } }", 70],
];

for (const [name, text, count] of splits) {
  Deno.test(`partitions split ${name}`, () =>
    withTables(async ({ python }) => {
      const { told, rows, same } = await python<Told>("partitions.py", text, "3");
      deepEqual([told, same, rows.length], [{ partitions: 3 }, true, 3]);
      equal(rows.reduce((sum, one) => sum + one, 0), count);
    }));
}

const wholes: [name: string, query: string, why: RegExp][] = [
  ["a view", "{ lookalikes { id } }", /lookalikes is neither a table nor a materialized view/],
  ["a partitioned table", "{ sliceds { id } }", /neither a table/],
  ["a table that others inherit from", "{ parents { id } }", /inherit from parents/],
  ["an orderBy", "{ things(orderBy: [{ id: DESC }]) { id } }", /things has an orderBy/],
  ["a limit", "{ t: things(limit: 5) { id } }", /t has a limit/],
  ["an offset", "{ things(offset: 19990) { id } }", /things has an offset/],
  ["a single object", "{ thing(id: 1) { id } }", /only a list of rows/],
];

for (const [name, text, why] of wholes) {
  Deno.test(`partitions leave ${name} whole, in one endpoint, and say why`, () =>
    withTables(async ({ python }) => {
      const { told, same, expires } = await python<Told>("partitions.py", text, "3");
      deepEqual([told.partitions, same, expires], [1, true, 0]);
      match(told.why ?? "", why);
    }));
}

Deno.test("partitions leave whole what the role may read by columns alone", () =>
  withTables(async (_, run) => {
    const role = `reader_${crypto.randomUUID().slice(0, 8)}`;
    const [{ name } = {}] = await run("select current_database() as name");
    await run(
      `create role ${role} login password 'x'; grant select (id, name) on things to ${role}`,
    );
    try {
      const url = new URL(postgres.url);
      Object.assign(url, { pathname: `/${name}`, username: role, password: "x" });
      await withFlight(url.href, async ({ python }) => {
        const { told, same } = await python<Told>("partitions.py", "{ things { id name } }", "3");
        deepEqual([told.partitions, same], [1, true]);
        match(told.why ?? "", /may not read the column ctid/);
      });
    } finally {
      await run(`drop owned by ${role}; drop role ${role}`);
    }
  }));

Deno.test("partitions leave several root fields whole, each in its endpoint", () =>
  withTables(async (real) => {
    const { info, tickets } = await infoOf(real, "{ makers { id } things { id } }");
    deepEqual(tickets.map((ticket) => JSON.parse(ticket).field), ["makers", "things"]);
    match(text(info.appMetadata), /"partitions":1,"why":"the query has several root fields/);
  }));

Deno.test("partitions of one field of several are split", () =>
  withTables(async ({ client, get }) => {
    const ticket = JSON.stringify({
      type: "GraphQLQuery",
      query: "{ makers { id } things { id } }",
      field: "things",
      partitions: 2,
    });
    const { messages } = await client.call("GetFlightInfo", command(ticket));
    const { endpoint } = decodeMessage(FLIGHT_INFO, messages[0] ?? new Uint8Array());
    equal(endpoint.length, 2);
    for (const { ticket } of endpoint) equal((await get(ticket?.ticket ?? "")).code, 0);
  }));

async function readPart(engine: QueryEngine, text: string, part: Part): Promise<unknown[]> {
  const plan = engine.plan({ text });
  const [root] = plan.roots;
  if (root?.kind !== "rows") throw new Error("not a list");
  const rows = new JsonRows(root.fields, { unrepresentable: "error" });
  const { signal } = new AbortController();
  for await (const chunk of engine.rows(plan, { signal, root: 0, part })) rows.push(chunk);
  return JSON.parse(`[${new TextDecoder().decode(rows.take())}]`);
}

const sorted = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).sort();

Deno.test("split() gives parts that together are the rows of before, while the table is written to", () =>
  withTables(async ({ engine }, run) => {
    const before = sorted(await readList(engine, query));
    const plan = engine.plan({ text: query });
    const { signal } = new AbortController();
    const split = await engine.split(plan, { root: 0, parts: 5, signal });
    if (split.kind !== "parts") throw new Error(split.why);
    const changes = [
      "update things set name = 'changed', price = -1",
      "delete from things where id % 2 = 0; insert into things select g, 1, 'more', 0 from generate_series(20001, 40000) g",
      "vacuum things",
      "update makers set name = 'changed'",
      "delete from things",
    ];
    const read: unknown[] = [];
    for (const [i, range] of split.ranges.entries()) {
      await run(changes[i]!);
      read.push(...await readPart(engine, query, { snapshot: split.snapshot.name, range }));
    }
    deepEqual(sorted(read), before);
    await split.snapshot.release();
    deepEqual(await readList(engine, query), []);
  }));

Deno.test("split() gives ranges of which PostgreSQL reads the pages alone", () =>
  withTables(async ({ engine }, run) => {
    const plan = engine.plan({ text: query }) as Plan & { planned: readonly PlannedRoot[] };
    const [root] = plan.planned;
    if (root?.kind !== "rows") throw new Error("not a list");
    const range = { from: 10, to: 20 };
    const { statement } = compileRead({ ...root.read, range }, { unrepresentable: "error" });
    const rows = await run(
      `set plan_cache_mode = force_generic_plan; prepare part as ${statement.text};
       explain execute part('(10,0)', '(20,0)')`,
    );
    match(JSON.stringify(rows), /Tid Range Scan on things/);
  }));

Deno.test("split() lets nobody rewrite or empty the tables of the query until it is released", () =>
  withTables(async ({ engine }, run) => {
    const plan = engine.plan({ text: query });
    const { signal } = new AbortController();
    const split = await engine.split(plan, { root: 0, parts: 2, signal });
    if (split.kind !== "parts") throw new Error(split.why);
    const forbidden = [
      "alter table things alter id type int8",
      "truncate things, makers",
      "drop table makers cascade",
    ];
    for (const sql of forbidden) {
      await rejects(run(`set lock_timeout = '50ms'; ${sql}`), /lock timeout/);
    }
    await split.snapshot.release();
    await until(
      "the locks are gone",
      () => run("set lock_timeout = '50ms'; truncate things").then(() => true, () => false),
    );
  }));

Deno.test("split() waits for who empties the table, and then reads what came in its place", () =>
  withTables(async ({ engine }, run) => {
    const [{ name } = {}] = await run("select current_database() as name");
    const url = new URL(postgres.url);
    url.pathname = `/${name}`;
    const plan = engine.plan({ text: "{ things { id } }" });
    const { signal } = new AbortController();
    const splitting = await withClient(url.href, async (sql) => {
      await sql.unsafe("begin; truncate things; insert into things values (1), (2), (3)");
      const begun = engine.split(plan, { root: 0, parts: 1, signal });
      await until("it waits", async () =>
        (await run(
          "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )).length === 1);
      await sql.unsafe("commit");
      return { begun };
    });
    const split = await splitting.begun;
    if (split.kind !== "parts") throw new Error(split.why);
    const part = { snapshot: split.snapshot.name, range: split.ranges[0]! };
    deepEqual(await readPart(engine, "{ things { id } }", part), [{ id: 1 }, { id: 2 }, { id: 3 }]);
    await split.snapshot.release();
  }));

Deno.test("split() holds its snapshot whatever the database says of idle transactions", () =>
  withTables(async (_, run) => {
    const [{ name } = {}] = await run("select current_database() as name");
    await run(`alter database "${name}" set idle_in_transaction_session_timeout = 50`);
    const url = new URL(postgres.url);
    url.pathname = `/${name}`;
    await withFlight(url.href, async (real) => {
      const { tickets } = await infoOf(real, query, 2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (const ticket of tickets) equal((await real.get(ticket)).code, 0);
    });
  }));

Deno.test("rows() reads on where its snapshot is released, and is NOT_FOUND when it begins after", () =>
  withTables(async ({ engine }, run) => {
    const plan = engine.plan({ text: query });
    const { signal } = new AbortController();
    const split = await engine.split(plan, { root: 0, parts: 1, signal });
    if (split.kind !== "parts") throw new Error(split.why);
    const part = { snapshot: split.snapshot.name, range: split.ranges[0]! };
    const rows = engine.rows(plan, { signal, root: 0, part })[Symbol.asyncIterator]();
    await rows.next();
    await split.snapshot.release();
    await run("delete from things where id > 10");
    while (!(await rows.next()).done);
    await until(
      "the snapshot is gone",
      () => readPart(engine, query, part).then(() => false, ({ code }) => code === "NOT_FOUND"),
    );
    // The connection is as good as before.
    equal((await readList(engine, query)).length, 10);
  }));

Deno.test("DoGet of a partition is NOT_FOUND after partitionSnapshotSeconds, with what to do", () =>
  withTables(async (real, run) => {
    const { tickets } = await infoOf(real, query, 2);
    equal((await real.get(tickets[0]!)).code, 0);
    equal((await real.get(tickets[0]!)).code, 0, "as often as one likes");
    await until("it has expired", async () => (await real.get(tickets[1]!)).code === 5);
    const { message } = await real.get(tickets[1]!);
    match(message, /has expired \(hint: ask GetFlightInfo again/);
    await until("its transaction has ended", async () => {
      const rows = await run(
        "select from pg_stat_activity where datname = current_database() and state = 'idle in transaction'",
      );
      return rows.length === 0;
    });
  }, { partitionSnapshotSeconds: 1 }));

Deno.test("every call takes partitionsMax partitions and refuses one more as TOO_LARGE", () =>
  withTables(async (real) => {
    equal((await infoOf(real, query, 3)).tickets.length, 3);
    const { code, message } = await infoOf(real, query, 4);
    equal(code, 8);
    match(message, /at most 3/);
    equal((await real.get(ticketOf(query, 3))).code, 0);
    const got = await real.get(ticketOf(query, 4));
    deepEqual([got.code, got.messages.length], [8, 0]);
  }, { partitionsMax: 3 }));

Deno.test("GetFlightInfo holds partitionSnapshotsMax snapshots and refuses one more, until one is cancelled", () =>
  withTables(async (real) => {
    const { info, tickets } = await infoOf(real, query);
    await infoOf(real, query);
    const refused = await infoOf(real, query);
    equal(refused.code, 8);
    const [entry] = JSON.parse(String(refused.trailers.get("fraiseql-error")[0]));
    equal(entry.extensions.code, "RATE_LIMITED");
    ok(entry.extensions.retryAfterSeconds > 0);
    // What is not split holds nothing.
    equal((await infoOf(real, "{ things(limit: 1) { id } }")).code, 0);
    const body = encodeMessage(CANCEL_FLIGHT_INFO_REQUEST, { info });
    const cancel = encodeMessage(ACTION, { type: "CancelFlightInfo", body });
    const { messages } = await real.client.call("DoAction", cancel);
    const result = decodeMessage(RESULT, messages[0] ?? new Uint8Array());
    equal(decodeMessage(CANCEL_FLIGHT_INFO_RESULT, result.body).status, 1);
    equal((await real.get(tickets[0]!)).code, 5);
    equal((await infoOf(real, query)).code, 0);
  }, { partitionSnapshotsMax: 2 }));

Deno.test("GetFlightInfo holds nothing for partitions whose tickets would be too long", () =>
  withTables(async (real) => {
    const long = query + " ".repeat(262_144 - query.length - 60);
    equal((await infoOf(real, long)).code, 8);
    equal((await infoOf(real, query)).code, 0);
  }, { partitionSnapshotsMax: 1 }));

Deno.test("DoGet refuses a partition put on another query, or on what cannot be split", () =>
  withTables(async (real) => {
    const { tickets } = await infoOf(real, query);
    const ticket = JSON.parse(tickets[0]!);
    for (
      const other of ["{ makers { id } }", "{ lookalikes { id } }", "{ things(limit: 1) { id } }"]
    ) {
      const { code, message } = await real.get(JSON.stringify({ ...ticket, query: other }));
      equal([code, /another query/.test(message)].join(), "3,true");
    }
    const invented = { ...ticket.partition, snapshot: crypto.randomUUID() };
    equal((await real.get(JSON.stringify({ ...ticket, partition: invented }))).code, 5);
  }));

Deno.test("DoGet of a ticket with partitions reads the whole", () =>
  withTables(async ({ get }) => {
    const { code, messages } = await get(ticketOf("{ makers { id } }", 4));
    deepEqual([code, messages.length], [0, 2]);
  }));
