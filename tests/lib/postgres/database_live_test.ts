/** Reading rows from a real PostgreSQL. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { LIMITS } from "../../../lib/limits.ts";
import { createMetrics } from "../../../lib/metrics.ts";
import { openDatabase, type PostgresDatabase } from "../../../lib/postgres/database.ts";
import { testPostgres } from "../../services/postgres.ts";
import { ask, count, ints, intsOf, never, sql } from "./rows.ts";
import { quiet, until } from "./server.ts";

const server = await testPostgres();
const url = await server.createDatabase();

/** A database of one test, with an observer's connection that bears another name. */
function testRows(
  name: string,
  some: Parameters<typeof quiet>[0],
  run: (database: PostgresDatabase, name: string) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const applicationName = `t${crypto.randomUUID().slice(0, 8)}`;
    const database = await openDatabase({ url, applicationName, ...quiet(some) });
    try {
      await run(database, applicationName);
    } finally {
      await database.close();
    }
  });
}

/** What our connections do, by `pg_stat_activity`. */
async function activity(name: string): Promise<string[]> {
  const rows = await server.query(
    `select state from pg_stat_activity where application_name = '${name}'`,
    url,
  );
  return rows.map((row) => String(row.state));
}

testRows("rows() gives the rows of one statement", {}, async (database) => {
  deepEqual(await ints(database, [sql("select generate_series(1, 3)")]), [[0, 1], [0, 2], [0, 3]]);
});

testRows("rows() gives statements in order, and no chunk for one without rows", {}, async (db) => {
  const statements = [sql("select 1"), sql("select 2 where false"), sql("select $1::int4", "3")];
  deepEqual(await ints(db, statements), [[0, 1], [2, 3]]);
});

testRows("rows() gives nothing for no statement", {}, async (database) => {
  deepEqual(await ints(database, []), []);
});

testRows("rows() takes NULL and any text as a parameter", {}, async (database) => {
  const text = "'; drop table x; -- ü€\\";
  const statement = sql(
    "select ($1::text is null and $2::text = $3::text)::int4",
    null,
    text,
    text,
  );
  deepEqual(await ints(database, [statement]), [[0, 1]]);
});

testRows("rows() gives every row of a large result once", {}, async (database) => {
  let [next, chunks] = [1, 0];
  for await (const chunk of ask(database, [sql("select generate_series(1, 300000)::int4")])) {
    for (const [, value] of intsOf(chunk)) equal(value, next++);
    chunks++;
  }
  equal(next, 300_001);
  ok(chunks > 10);
});

testRows("rows() runs several statements in one snapshot", {}, async (database) => {
  await server.query("create table if not exists snapped (a int); truncate snapped", url);
  const counting = sql("select count(*)::int4 from snapped");
  // The first statement sends more than fits on the way, so the second runs when we have read it.
  const chunks = ask(database, [sql("select a from generate_series(1, 500000) a"), counting]);
  let last = -1;
  let inserted = false;
  for await (const chunk of chunks) {
    if (!inserted) await server.query("insert into snapped values (1)", url);
    inserted = true;
    if (chunk.statement === 1) last = intsOf(chunk)[0]?.[1] ?? -1;
  }
  equal(last, 0);
});

for (const several of [false, true]) {
  const name = several ? "several statements" : "one statement";
  testRows(`rows() of ${name} cannot write`, {}, async (database) => {
    await server.query(
      `create table if not exists written (a int);
       create or replace function write_it() returns int language sql as
       'insert into written values (1) returning a'`,
      url,
    );
    const statements = [sql("select write_it()"), ...(several ? [sql("select 1")] : [])];
    await rejects(ints(database, statements), { code: "UNSUPPORTED" });
    deepEqual(await ints(database, [sql("select 5")]), [[0, 5]]);
  });
}

const failing: [name: string, statement: ReturnType<typeof sql>, code: string][] = [
  ["a parameter that is no number", sql("select $1::int4", "x"), "BAD_INPUT"],
  ["a number out of range", sql("select $1::int4", "3000000000"), "BAD_INPUT"],
  ["a date that is none", sql("select $1::date", "2026-02-30"), "BAD_INPUT"],
  ["a uuid that is none", sql("select $1::uuid", "1"), "BAD_INPUT"],
  ["a NUL in a text", sql("select $1::text", "a\0b"), "BAD_INPUT"],
  ["a pattern that ends in an escape", sql("select 'ab' like $1::text", "a\\"), "BAD_INPUT"],
  ["a regular expression that is none", sql("select 'a' ~ $1::text", "("), "BAD_INPUT"],
  ["JSON that is none", sql("select $1::jsonb", "{"), "BAD_INPUT"],
  ["a negative limit", sql("select 1 limit $1::int8", "-1"), "BAD_INPUT"],
  ["a table that is gone", sql("select 1 from nobody_has_this"), "UNAVAILABLE"],
  ["a column that is gone", sql("select gone from pg_class"), "UNAVAILABLE"],
  ["a value above a gigabyte", sql("select repeat($1::text, 2000000000)", "x"), "TOO_LARGE"],
  ["a division by zero, no fault of the caller", sql("select 1/0"), "INTERNAL"],
  ["SQL that is none", sql("selekt"), "INTERNAL"],
];

for (const [name, statement, code] of failing) {
  testRows(`rows() throws ${code} for ${name}`, { poolConnectionsMax: 1 }, async (database) => {
    await rejects(ints(database, [statement]), { name: "AppError", code });
    await rejects(ints(database, [sql("select 1"), statement]), { name: "AppError", code });
    deepEqual(await ints(database, [sql("select 8")]), [[0, 8]]);
  });
}

for (const several of [false, true]) {
  const name = several ? "several statements" : "one statement";
  testRows(`rows() of ${name} does not show a value that a view cannot cope with`, {}, async (
    database,
  ) => {
    await server.query(
      `create or replace view castv as select pw::int n from (values ('hunter2')) secret(pw);
       create or replace view foldv as select ('hunter' || '2')::int n`,
      url,
    );
    const before = several ? [sql("select $1::int4", "1")] : [];
    for (
      const statement of [
        sql("select n from castv"),
        sql("select n from castv where $1::int4 = 1", "1"),
        sql("select n from foldv where $1::int4 = 1", "1"),
      ]
    ) {
      await rejects(ints(database, [...before, statement]), (error: Error & { code?: string }) => {
        equal(error.code, "INTERNAL");
        equal(error.message.includes("hunter2"), false);
        match(String(error.cause), /hunter2/);
        return true;
      });
    }
    await rejects(ints(database, [...before, sql("select $1::int4 + $2::int4", "1", "x")]), {
      code: "BAD_INPUT",
      message: 'parameter $2: invalid input syntax for type integer: "x"',
      hint: /arguments/,
    });
  });
}

testRows("rows() throws BAD_INPUT for a pattern where the collation has none", {}, async (
  database,
) => {
  await server.query(
    `create collation if not exists blind (provider = icu, locale = 'und', deterministic = false)`,
    url,
  );
  // PostgreSQL 18 has LIKE for such texts, but no ILIKE.
  const statement = sql(
    "select (a collate blind ilike $1::text)::int4 from (values ('a')) t(a)",
    "a%",
  );
  await rejects(ints(database, [statement]), { code: "BAD_INPUT", hint: /eq/ });
});

testRows("rows() throws FORBIDDEN for what the role may not read", {}, async () => {
  await server.query(
    `create table if not exists secret (a int); drop role if exists fraiseql_test_reader;
     create role fraiseql_test_reader login password 'r'`,
    url,
  );
  const login = new URL(url);
  login.username = "fraiseql_test_reader";
  login.password = "r";
  const database = await openDatabase({ url: login.href, ...quiet() });
  await rejects(ints(database, [sql("select a from secret")]), { code: "FORBIDDEN" });
  await database.close();
  await server.query("drop role fraiseql_test_reader", url);
});

testRows("rows() throws an error that comes after rows, behind them", {}, async (database) => {
  const statement = sql("select 1/(a-50000) from generate_series(1, 60000) a");
  let rows = 0;
  await rejects(async () => {
    for await (const chunk of ask(database, [statement])) rows += intsOf(chunk).length;
  }, { code: "INTERNAL" });
  equal(rows, 49_999);
});

testRows("rows() throws TIMEOUT for the statement timeout", {}, async (database) => {
  const slow = sql("select 1 from pg_sleep(30)");
  await rejects(ints(database, [slow], { statementTimeoutMs: 50 }), { code: "TIMEOUT" });
  await rejects(ints(database, [sql("select 1"), slow], { statementTimeoutMs: 50 }), {
    code: "TIMEOUT",
  });
});

testRows("rows() changes the statement timeout with each call", {}, async (database) => {
  const ms = sql("select setting::int4 from pg_settings where name = 'statement_timeout'");
  for (const statementTimeoutMs of [1000, 2000, 2000, 3000]) {
    deepEqual(await ints(database, [ms], { statementTimeoutMs }), [[0, statementTimeoutMs]]);
    deepEqual(await ints(database, [ms, ms], { statementTimeoutMs }), [
      [0, statementTimeoutMs],
      [1, statementTimeoutMs],
    ]);
  }
  // A failed transaction takes the setting back, also one that was made in it.
  await rejects(ints(database, [sql("select 1/0"), ms], { statementTimeoutMs: 4000 }));
  deepEqual(await ints(database, [ms], { statementTimeoutMs: 4000 }), [[0, 4000]]);
});

testRows("rows() takes a timeout of any size", {}, async (database) => {
  for (const statementTimeoutMs of [0.4, 1000.5, 2 ** 40]) {
    // Not a millisecond may be too short for it, but PostgreSQL must understand it.
    const read = ints(database, [sql("select 1")], { statementTimeoutMs });
    if (statementTimeoutMs > 1) deepEqual(await read, [[0, 1]]);
    else await read.catch((error) => equal(error.code, "TIMEOUT"));
  }
});

testRows("rows() takes 65,535 parameters and no more", { poolConnectionsMax: 1 }, async (db) => {
  const many = (count: number) => {
    const values = Array.from({ length: count }, (_, n) => `$${n + 1}::text`).join(",");
    return sql(`select cardinality(array[${values}])`, ...Array<string>(count).fill("x"));
  };
  deepEqual(await ints(db, [many(65_535)]), [[0, 65_535]]);
  await rejects(ints(db, [many(65_536)]), { code: "TOO_LARGE" });
  await rejects(ints(db, [sql("select '\0'")]), { code: "BAD_INPUT" });
  deepEqual(await ints(db, [sql("select 1")]), [[0, 1]]);
});

testRows("rows() throws CANCELLED when its signal is aborted", {}, async (database, name) => {
  const stop = new AbortController();
  const reading = ints(database, [sql("select 1 from pg_sleep(30)")], { signal: stop.signal });
  await until(async () => (await activity(name)).includes("active"));
  stop.abort();
  await rejects(reading, { code: "CANCELLED" });
  await until(async () => !(await activity(name)).includes("active"));
});

testRows("rows() runs nothing when its signal is aborted already", {}, async (database) => {
  await rejects(ints(database, [sql("select 1")], { signal: AbortSignal.abort() }), {
    code: "CANCELLED",
  });
});

testRows("rows() holds PostgreSQL back while nobody asks", {}, async (database, name) => {
  const chunks = ask(database, [sql("select repeat('x', 1000) from generate_series(1, 200000)")]);
  for await (const _ of chunks) {
    await until(async () => {
      const [row] = await server.query(
        `select wait_event from pg_stat_activity where application_name = '${name}'`,
        url,
      );
      return row?.wait_event === "ClientWrite";
    });
    break;
  }
});

testRows("rows() left early leaves nothing running", {}, async (database, name) => {
  for await (const _ of ask(database, [sql("select generate_series(1, 5000000)")])) break;
  await until(async () => (await activity(name)).join() === "idle");
  deepEqual(await ints(database, [sql("select 4")]), [[0, 4]]);
});

testRows("rows() left early in a transaction leaves none open", {}, async (database, name) => {
  const many = sql("select generate_series(1, 5000000)");
  for await (const _ of ask(database, [sql("select 1"), many, sql("select 2")])) break;
  await until(async () => (await activity(name)).join() === "idle");
});

testRows("rows() throws UNAVAILABLE when its session is ended amidst the rows", {}, async (
  database,
  name,
) => {
  const chunks = ask(database, [sql("select repeat('x', 1000) from generate_series(1, 200000)")]);
  await rejects(async () => {
    let asked = false;
    for await (const _ of chunks) {
      if (asked) continue;
      asked = true;
      await server.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${name}'`,
        url,
      );
    }
  }, { code: "UNAVAILABLE" });
  deepEqual(await ints(database, [sql("select 6")]), [[0, 6]]);
});

testRows("rows() does not notice that an idle session was ended", {}, async (database, name) => {
  await ints(database, [sql("select 1")]);
  await server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = '${name}'`,
    url,
  );
  await until(async () => (await activity(name)).length === 0);
  deepEqual(await ints(database, [sql("select 7")]), [[0, 7]]);
});

const rowBytesMax = LIMITS.rowBytesMax.min;

testRows("rows() gives a row of rowBytesMax", { rowBytesMax }, async (database) => {
  // Length of the message, number of columns, length of the column.
  const statement = sql("select repeat('x', $1::int)", String(rowBytesMax - 4 - 2 - 4));
  deepEqual(await count(ask(database, [statement])), [1, rowBytesMax + 1]);
});

testRows("rows() throws TOO_LARGE for a row above rowBytesMax", {
  rowBytesMax,
  poolConnectionsMax: 1,
}, async (database) => {
  const statement = sql("select repeat('x', a) from generate_series($1::int, 100000) a", "65527");
  await rejects(count(ask(database, [statement])), { code: "TOO_LARGE", hint: /row_bytes_max/ });
  deepEqual(await ints(database, [sql("select 9")]), [[0, 9]]);
});

testRows("rows() gives large rows between small ones", {}, async (database) => {
  const statement = sql(
    "select repeat('x', case a % 7 when 0 then a * 10000 else a end) from generate_series(1, 300) a",
  );
  let expected = 0;
  for (let a = 1; a <= 300; a++) expected += 11 + (a % 7 === 0 ? a * 10_000 : a);
  deepEqual(await count(ask(database, [statement])), [300, expected]);
});

testRows("rows() sends large parameters while rows come back", {}, async (database) => {
  const large = "x".repeat(20_000_000);
  const statements = [
    sql("select repeat('y', 1000) from generate_series(1, 50000)"),
    sql("select length($1::text)", large),
  ];
  equal((await count(ask(database, statements)))[0], 50_001);
});

testRows("rows() keeps no more prepared statements than allowed", {
  preparedStatementsMax: 3,
  poolConnectionsMax: 1,
}, async (database) => {
  const known = sql(
    "select count(*)::int4 from pg_prepared_statements where statement like '%/**/'",
  );
  for (let n = 0; n < 10; n++) await ints(database, [sql(`select ${n} /**/`)]);
  const [[, kept = 0] = []] = await ints(database, [known]);
  ok(kept > 0 && kept <= 3, `${kept}`);
});

testRows("rows() prepares a text once, however often it is asked", {
  poolConnectionsMax: 1,
}, async (database) => {
  const calls = sql(
    "select (generic_plans + custom_plans)::int4 from pg_prepared_statements where statement = $1::text",
    "select 1 /* once */",
  );
  for (let n = 0; n < 5; n++) await ints(database, [sql("select 1 /* once */")]);
  deepEqual(await ints(database, [calls]), [[0, 5]]);
});

testRows("rows() tells of a changed table once, and reads it anew", {
  poolConnectionsMax: 1,
}, async (database) => {
  await server.query("drop table if exists changing; create table changing (a int4)", url);
  await server.query("insert into changing values (1)", url);
  const all = sql("select * from changing");
  deepEqual(await ints(database, [all]), [[0, 1]]);
  await server.query("alter table changing alter a type text", url);
  await rejects(ints(database, [all]), { code: "UNAVAILABLE", hint: /refresh/ });
  equal((await count(ask(database, [all])))[0], 1);
});

testRows("query() gives text, NULL as null", {}, async (database) => {
  const rows = await database.query("select $1::int, null, true union all select 2, 'x', false", [
    "1",
  ]);
  deepEqual(rows, [["1", null, "t"], ["2", "x", "f"]]);
});

testRows("ping() answers", {}, async (database) => {
  await database.ping(new AbortController().signal);
});

testRows("ping() answers while all connections are busy", {
  poolConnectionsMax: 1,
  poolWaitMsMax: 10,
}, async (database) => {
  for await (const _ of ask(database, [sql("select generate_series(1, 1000000)")])) {
    await database.ping(never);
    break;
  }
});

testRows("the pool serves in the order of asking", { poolConnectionsMax: 1 }, async (database) => {
  const order: number[] = [];
  const asked = Array.from({ length: 20 }, (_, n) => n);
  await Promise.all(asked.map(async (n) => {
    await ints(database, [sql("select 1")]);
    order.push(n);
  }));
  deepEqual(order, asked);
});

testRows("the pool opens no more than poolConnectionsMax", { poolConnectionsMax: 2 }, async (
  database,
  name,
) => {
  let most = 0;
  await Promise.all(Array.from({ length: 10 }, async () => {
    await ints(database, [sql("select 1 from pg_sleep(0.01)")]);
    most = Math.max(most, (await activity(name)).length);
  }));
  equal(most, 2);
});

testRows("rows() throws UNAVAILABLE when no connection comes free within poolWaitMsMax", {
  poolConnectionsMax: 1,
  poolWaitMsMax: 20,
}, async (database) => {
  const chunks = ask(database, [sql("select generate_series(1, 1000000)")])[Symbol.asyncIterator]();
  await chunks.next();
  await rejects(ints(database, [sql("select 1")]), (error: Error & { code?: string }) => {
    equal(error.code, "UNAVAILABLE");
    match(error.message, /within 20 ms/);
    equal((error as { retryAfterSeconds?: number }).retryAfterSeconds, 2);
    return true;
  });
  await chunks.return?.();
  await until(() => ints(database, [sql("select 1")]).then(() => true, () => false));
});

testRows("rows() throws UNAVAILABLE at once when poolQueueMax wait already", {
  poolConnectionsMax: 1,
  poolQueueMax: 1,
}, async (database) => {
  const chunks = ask(database, [sql("select generate_series(1, 1000000)")])[Symbol.asyncIterator]();
  await chunks.next();
  const waiting = ints(database, [sql("select 2")]);
  await rejects(ints(database, [sql("select 3")]), { code: "UNAVAILABLE", message: /1 requests/ });
  await chunks.return?.();
  deepEqual(await waiting, [[0, 2]]);
});

testRows("rows() leaves the queue when its signal is aborted", { poolConnectionsMax: 1 }, async (
  database,
) => {
  const chunks = ask(database, [sql("select generate_series(1, 1000000)")])[Symbol.asyncIterator]();
  await chunks.next();
  const stop = new AbortController();
  const left = ints(database, [sql("select 2")], { signal: stop.signal });
  const stays = ints(database, [sql("select 3")]);
  stop.abort();
  await rejects(left, { code: "CANCELLED" });
  await chunks.return?.();
  deepEqual(await stays, [[0, 3]]);
});

testRows("the pool closes what is idle for poolIdleSecondsMax", { poolIdleSecondsMax: 1 }, async (
  database,
  name,
) => {
  await Promise.all([1, 2, 3].map(() => ints(database, [sql("select 1 from pg_sleep(0.05)")])));
  await until(async () => (await activity(name)).length === 0);
  deepEqual(await ints(database, [sql("select 4")]), [[0, 4]]);
});

Deno.test("close() waits for what runs, and refuses what comes later", async () => {
  const database = await openDatabase({ url, ...quiet() });
  const running = ints(database, [sql("select 1 from pg_sleep(0.1)")]);
  // Given a connection before the pool closes.
  await until(async () => {
    const [row] = await server.query(
      "select count(*) from pg_stat_activity where query = 'select 1 from pg_sleep(0.1)'",
      url,
    );
    return row?.count !== "0";
  });
  const closing = database.close();
  await rejects(ints(database, [sql("select 2")]), { code: "UNAVAILABLE" });
  deepEqual(await running, [[0, 1]]);
  await closing;
  await database.close();
});

Deno.test("metrics.connections shows idle, busy and waiting", async () => {
  const metrics = createMetrics();
  const states = async () => {
    const line = /^fraiseql_postgres_connections\{state="(\w+)"\} (\d+)$/gm;
    const given = [...(await metrics.text()).matchAll(line)];
    return Object.fromEntries(given.map(([, state, value]) => [state, Number(value)]));
  };
  const database = await openDatabase({ url, metrics, ...quiet({ poolConnectionsMax: 1 }) });
  deepEqual(await states(), { idle: 1, busy: 0, waiting: 0 });
  const chunks = ask(database, [sql("select 1")])[Symbol.asyncIterator]();
  await chunks.next();
  const waiting = ints(database, [sql("select 2")]);
  await until(async () => (await states()).waiting === 1);
  deepEqual(await states(), { idle: 0, busy: 1, waiting: 1 });
  await chunks.return?.();
  await waiting;
  await database.close();
  deepEqual(await states(), { idle: 0, busy: 0, waiting: 0 });
});
