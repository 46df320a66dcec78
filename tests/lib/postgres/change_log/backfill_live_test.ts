import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { BackfillProgress } from "../../../../lib/postgres/change_log/backfill.ts";
import { removeCapture } from "../../../../lib/postgres/change_log/capture.ts";
import { dropChangeLog, openRegistry } from "../../../../lib/postgres/change_log/migrate.ts";
import { connect } from "../../../../lib/postgres/connection.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { backfilled, stoppedAfter } from "./backfilled.ts";
import { captured } from "./captured.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();
const one = { tables: ["t"] };

Deno.test("backfill() makes a Created event of each row, marked as such", async () => {
  const sql =
    "create table t (id int primary key, v text); insert into t values (1, 'a'), (2, null)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    const done = await backfilled(scene.url, "t");
    deepEqual([done.ended, done.rowsDone, done.rowsOld], ["done", 2, 0]);
    const events = await scene.events();
    deepEqual(
      events.map(({ entityType, origin, traceparent, line }) => [
        entityType,
        origin,
        traceparent,
        line.event_type,
        line.entity_id,
        line.data,
        line.changes,
      ]),
      [
        ["t", "backfill", null, "Created", "1", { id: 1, v: "a" }, undefined],
        ["t", "backfill", null, "Created", "2", { id: 2, v: null }, undefined],
      ],
    );
    for (const { eventId, position, line } of events) {
      equal(eventId, line.id);
      equal(BigInt(`0x${eventId.slice(-12)}`), position);
    }
  });
});

/** What rows hold that is written in a way of its own. */
const KINDS = `
  create type mood as enum ('sad', 'glad');
  create type pair as (a int, j json);
  create table t (
    "Id" int, region text collate "C", n numeric(10, 2), f float8, d date, at timestamptz,
    local timestamp, span interval, bytes bytea, tags text[], j json, jb jsonb, m mood, p pair,
    money_ money, password text, author int, tenant text, "odd "" name" text, gone text,
    twice int generated always as ("Id" * 2) stored,
    primary key (region, "Id"));
  alter table t drop column gone;
  insert into t values (1, 'east', 1.50, 'NaN', '2026-01-01', '2026-01-01 12:00+02', '2026-01-01',
    '1 day 2 hours', '\\x00ff', '{a,"b c",null}', E'{"a":\\n "\\\\u0000"}', '{"b": 1}', 'glad',
    '(1,"{""x"": 1}")', 12.5, 'secret', 7, 'acme', 'x'),
    (2, 'a "quoted" \\ region', null, '-Infinity', 'infinity', '-infinity', 'infinity', null, null,
    '{}', 'null', 'null', null, null, null, null, null, null, null)`;

Deno.test("backfill() writes a row exactly as the triggers write it", async () => {
  const sql = `${KINDS}; create table u (like t including all)`;
  const how = { except: ["tags"], userColumn: "author", orgColumn: "tenant" };
  const columns = `"Id", region, n, f, d, at, local, span, bytes, tags, j, jb, m, p, money_,
    password, author, tenant, "odd "" name"`;
  await Scene.run(server, { sql, tables: ["t", "u"], how }, async (scene) => {
    await scene.query(`insert into u (${columns}) select ${columns} from t order by region, "Id"`);
    const written = await scene.events();
    await backfilled(scene.url, "t");
    const filled = await scene.events();
    equal(filled.length, 2);
    const rest = ({ text }: { readonly text: string }) => text.slice(text.indexOf(',"data":'));
    const key = (event: typeof filled[number]) => event.line.entity_id;
    deepEqual(
      filled.map((event) => [key(event), rest(event)]).sort(),
      written.map((event) => [key(event), rest(event)]).sort(),
    );
    ok(filled.every(({ text }) => !text.includes("secret") && !text.includes("tags")));
    match(filled[1]?.text ?? "", /"user_id":"7","org_id":"acme"/);
  });
});

Deno.test("backfill() cuts a row above the limit as the triggers do", async () => {
  const sql =
    "create table t (id int primary key, v text); insert into t values (1, repeat('x', 5000))";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await scene.query("update fraiseql.capture_settings set event_bytes_max = 4096");
    await backfilled(scene.url, "t");
    const [event] = await scene.events();
    deepEqual(event?.line.data, { id: 1, "$truncated": ["v"] });
    deepEqual(await scene.query("select cut from fraiseql.change_log"), [["2"]]);
  });
});

Deno.test("backfill() walks partitions and children by themselves, as their root's", async () => {
  const sql = `
    create table parted (id int, region text, v text, primary key (id, region))
      partition by list (region);
    create table parted_east partition of parted for values in ('east');
    create table parted_west (v text, region text not null, id int not null);
    alter table parted attach partition parted_west for values in ('west');
    create table empty (id int primary key) partition by hash (id);
    create table animals (id int primary key, name text);
    create table dogs (bark text) inherits (animals);
    insert into parted select n, case n % 2 when 0 then 'east' else 'west' end, 'v'
      from generate_series(1, 6) n;
    insert into animals values (1, 'ant');
    insert into dogs values (2, 'rex', 'woof')`;
  const tables = ["parted", "empty", "animals"];
  await Scene.run(server, { sql, tables }, async (scene) => {
    for (const table of tables) {
      equal((await backfilled(scene.url, table, { some: { backfillRowsMax: 2 } })).ended, "done");
    }
    deepEqual((await scene.said()).sort(), [
      'Created 1 {"id":1,"name":"ant"}',
      'Created 2 {"id":2,"name":"rex"}',
      'Created ["1","west"] {"id":1,"region":"west","v":"v"}',
      'Created ["2","east"] {"id":2,"region":"east","v":"v"}',
      'Created ["3","west"] {"id":3,"region":"west","v":"v"}',
      'Created ["4","east"] {"id":4,"region":"east","v":"v"}',
      'Created ["5","west"] {"id":5,"region":"west","v":"v"}',
      'Created ["6","east"] {"id":6,"region":"east","v":"v"}',
    ]);
  });
});

/** Keys whose order and text have something of their own; seven rows of each. */
const KEYS: [name: string, type: string, values: string][] = [
  ["integers", "int", "n - 4"],
  ["large numbers", "numeric", "n * 1e30 + 0.001"],
  ["floats", "float8", "case n when 1 then '-Infinity'::float8 when 2 then 'NaN' else 1.0 / n end"],
  [
    "text in a language's order",
    'text collate "en-x-icu"',
    "(array['a','B','é','z','Z','e','\"'])[n]",
  ],
  ["padded text", "char(5)", "repeat('x', n % 5) || case when n > 4 then 'y' else '' end"],
  ["one byte", '"char"', 'chr(60 + n)::"char"'],
  ["bytes", "bytea", "decode(lpad(to_hex(n * 30), 2, '0'), 'hex')"],
  ["bits", "bit(3)", "n::bit(3)"],
  ["uuids", "uuid", "md5(n::text)::uuid"],
  [
    "moments",
    "timestamptz",
    "case n when 1 then 'infinity' else '2026-01-01'::timestamptz + n * '0.000001 s'::interval end",
  ],
  ["intervals", "interval", "n * '1 month 1 day'::interval"],
  ["money", "money", "n::money"],
  ["addresses", "inet", "('10.0.0.' || n)::inet"],
  ["enums", "mood", "(enum_range(null::mood))[n]"],
  ["domains", "positive", "n"],
  ["arrays", "int[]", "array[n % 2, n]"],
];

for (const [name, type, values] of KEYS) {
  Deno.test(`backfill() walks keys that are ${name}, each row once`, async () => {
    const sql = `
      create type mood as enum ('g', 'f', 'e', 'd', 'c', 'b', 'a');
      create domain positive as int check (value > 0);
      create table t ("the key" ${type} primary key, n int);
      insert into t select ${values}, n from generate_series(1, 7) n`;
    await Scene.run(server, { ...one, sql }, async (scene) => {
      const done = await backfilled(scene.url, "t", { some: { backfillRowsMax: 2 } });
      const events = await scene.events();
      equal(done.rowsDone, 7);
      deepEqual(events.map(({ line }) => Number(line.data.n)).sort(), [1, 2, 3, 4, 5, 6, 7]);
      const walk = await scene.query("select walk from fraiseql.backfills");
      match(walk[0]?.[0] ?? "", /^1:\d+$/);
    });
  });
}

/** Tables that are walked in another way than by a key of one column: nine rows of each. */
const WALKS: [name: string, sql: string, a: string, walk: RegExp][] = [
  [
    "a key of several columns",
    "create table t (b text, a int, n int, primary key (a, b))",
    "n / 4",
    /^2:\d+,1:\d+$/,
  ],
  [
    "an index that descends",
    "create table t (a int not null, b text not null, n int);" +
    "create unique index on t (a desc, b desc)",
    "n / 4",
    /^1:\d+,2:\d+$/,
  ],
  [
    "an index in two directions",
    "create table t (a int not null, b text not null, n int);" +
    "create unique index on t (a desc, b)",
    "n / 4",
    /^file:/,
  ],
  [
    "a key that no index holds, and several rows have",
    "create table t (a int not null, b text, n int)",
    "n / 4",
    /^file:/,
  ],
  [
    "a key that can be null",
    "create table t (a int unique, b text, n int)",
    "nullif(n, 3)",
    /^file:/,
  ],
];

for (const [name, sql, a, walk] of WALKS) {
  Deno.test(`backfill() gives each row once of a table with ${name}`, async () => {
    const rows = `insert into t (a, b, n) select ${a}, 'b' || n, n from generate_series(1, 9) n`;
    const key = /, b(?: desc)?\)/.test(sql) ? ["a", "b"] : ["a"];
    await Scene.run(server, { ...one, sql: `${sql}; ${rows}`, how: { key } }, async (scene) => {
      const done = await backfilled(scene.url, "t", { some: { backfillRowsMax: 2 } });
      equal(done.rowsDone, 9);
      const events = await scene.events();
      deepEqual(events.map(({ line }) => line.data.n).sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
      match((await scene.query("select walk from fraiseql.backfills"))[0]?.[0] ?? "", walk);
    });
  });
}

Deno.test("backfill() finds every row of a table with holes that no index leads through", async () => {
  const sql = `create table t (id int, v text); alter table t set (fillfactor = 50);
    insert into t select n, repeat('x', 100) from generate_series(1, 5000) n;
    delete from t where id between 100 and 4000 or id % 3 = 0`;
  await Scene.run(server, { ...one, sql, how: { key: ["id"] } }, async (scene) => {
    await backfilled(scene.url, "t", { some: { backfillRowsMax: 70 } });
    const [row] = await scene.query("select array_agg(id::text order by id)::text from t");
    const ids = (await scene.events()).map(({ line }) => Number(line.entity_id));
    equal(`{${ids.sort((a, b) => a - b).join(",")}}`, row?.[0]);
  });
});

const bounds: [name: string, some: Record<string, number>, chunks: number][] = [
  ["rows", { backfillRowsMax: 4 }, 3],
  ["bytes", { backfillBytesMax: 2048 }, 5],
];

for (const [name, some, chunks] of bounds) {
  Deno.test(`backfill() bounds a chunk in ${name}, and a chunk is one transaction`, async () => {
    const sql = `create table t (id int primary key, v text);
      insert into t select n, repeat('x', 1000) from generate_series(1, 10) n`;
    await Scene.run(server, { ...one, sql }, async (scene) => {
      await backfilled(scene.url, "t", { some });
      const [row] = await scene.query(
        "select count(distinct xid), count(*) from fraiseql.change_log",
      );
      deepEqual(row?.map(Number), [chunks, 10]);
    });
  });
}

Deno.test("backfill() takes a row above the limit of bytes alone, also where it is stored apart", async () => {
  const sql =
    `create table t (id int primary key, v text); alter table t alter v set storage external;
    insert into t select n, repeat('x', 100000) from generate_series(1, 3) n`;
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await backfilled(scene.url, "t", { some: { backfillBytesMax: 1024 } });
    const [row] = await scene.query(
      "select count(distinct xid), count(*) from fraiseql.change_log",
    );
    deepEqual(row?.map(Number), [3, 3]);
  });
});

Deno.test("backfill() goes on where it was stopped, and gives no row twice", async () => {
  const sql = "create table t (id int primary key); insert into t select generate_series(1, 10)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    const some = { backfillRowsMax: 3 };
    const first = await stoppedAfter(2, scene.url, "t", some);
    deepEqual([first.ended, first.rowsDone], ["stopped", 6]);
    const listed = (await scene.list())[0]?.backfill;
    deepEqual([listed?.rowsDone, listed?.isRunning], [6, false]);
    // As the command does when it is run again.
    await captured(scene.url, ["t"]);
    const steps: BackfillProgress[] = [];
    const second = await backfilled(scene.url, "t", {
      some,
      onProgress: (step) => steps.push(step),
    });
    deepEqual([steps[0]?.kind, steps[0]?.rowsDone], ["goes on", 6]);
    deepEqual([second.ended, second.rowsDone], ["done", 10]);
    deepEqual(
      (await scene.events()).map(({ line }) => Number(line.entity_id)),
      [
        ...Array(10).keys(),
      ].map((n) => n + 1),
    );
    equal((await scene.list())[0]?.backfill, null);
  });
});

Deno.test("backfill() begins from the first row where the last one was done", async () => {
  const sql = "create table t (id int primary key); insert into t values (1), (2)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await backfilled(scene.url, "t");
    const steps: string[] = [];
    await backfilled(scene.url, "t", { onProgress: ({ kind }) => steps.push(kind) });
    equal(steps[0], "begins");
    deepEqual((await scene.events()).map(({ line }) => line.entity_id), ["1", "2", "1", "2"]);
  });
});

Deno.test("backfill() leaves out rows behind the last key of its beginning, which are captured", async () => {
  const sql = "create table t (id int primary key); insert into t select generate_series(1, 4)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await stoppedAfter(1, scene.url, "t", { backfillRowsMax: 2 });
    await scene.query("insert into t values (5), (6)");
    equal((await backfilled(scene.url, "t", { some: { backfillRowsMax: 2 } })).rowsDone, 4);
    deepEqual((await scene.events()).map(({ line }) => line.entity_id), [
      "1",
      "2",
      "5",
      "6",
      "3",
      "4",
    ]);
  });
});

Deno.test("backfill() goes on through columns that are added, renamed and dropped", async () => {
  const sql = `create table t (id int primary key, v text, w text);
    insert into t select n, 'v', 'w' from generate_series(1, 6) n`;
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await stoppedAfter(1, scene.url, "t", { backfillRowsMax: 3 });
    await scene.query(
      "alter table t rename id to number; alter table t drop w; alter table t add x int default 1",
    );
    await backfilled(scene.url, "t");
    deepEqual((await scene.said()).slice(3), [
      'Created 4 {"number":4,"v":"v","x":1}',
      'Created 5 {"number":5,"v":"v","x":1}',
      'Created 6 {"number":6,"v":"v","x":1}',
    ]);
  });
});

Deno.test("backfill() begins a table again that was written anew in another order", async () => {
  const sql = `create table t (id int, v text); insert into t select n, repeat('x', 500)
    from generate_series(1, 400) n; delete from t where id < 200`;
  await Scene.run(server, { ...one, sql, how: { key: ["id"] } }, async (scene) => {
    await stoppedAfter(4, scene.url, "t", { backfillRowsMax: 30 });
    await scene.query("vacuum full t");
    await backfilled(scene.url, "t", { some: { backfillRowsMax: 30 } });
    const ids = new Set((await scene.events()).map(({ line }) => line.entity_id));
    equal(ids.size, 201);
  });
});

Deno.test("backfill() says what is wrong where a column that it needs is gone", async () => {
  const sql = "create table t (id int primary key, a int, at date); insert into t values (1)";
  await Scene.run(server, { ...one, sql, how: { timestampColumn: "at" } }, async (scene) => {
    await scene.query("alter table t drop at");
    await rejects(backfilled(scene.url, "t"), {
      code: "BAD_INPUT",
      message: "the back-fill of public.t cannot go on: column at holds no times any longer",
    });
    await scene.query("alter table t drop id");
    await rejects(backfilled(scene.url, "t"), { message: /cannot go on: a key column is gone/ });
  });
});

Deno.test("backfill() ends where its table is captured no longer, or the change log removed", async () => {
  const sql = "create table t (id int primary key); insert into t select generate_series(1, 9)";
  const ends: [name: string, work: (url: string) => Promise<void>, message: RegExp][] = [
    [
      "removed",
      async (url) => {
        const connection = await connect({ url });
        await openRegistry(connection);
        await removeCapture(connection, "t", ["public"]);
        await connection.close();
      },
      /^public\.t is captured no longer: its back-fill ended after \d+ rows$/,
    ],
    [
      "down",
      async (url) => {
        const connection = await connect({ url });
        await dropChangeLog(connection);
        await connection.close();
      },
      /^schema fraiseql was removed, which ended the back-fill of public\.t$/,
    ],
  ];
  for (const [, work, message] of ends) {
    await Scene.run(server, { ...one, sql }, async (scene) => {
      // Its log is full, and so it waits.
      await scene.query("update fraiseql.capture_settings set log_bytes_max = 1000");
      const ending = Promise.withResolvers<void>();
      const filling = backfilled(scene.url, "t", {
        onProgress: ({ kind }) => {
          if (kind === "log is full") work(scene.url).then(ending.resolve, ending.reject);
        },
      });
      await rejects(filling, { code: "NOT_FOUND", message });
      await ending.promise;
    });
  }
});

Deno.test("backfill() waits while half of the change log is used, and says what for", async () => {
  const sql = "create table t (id int primary key); insert into t select generate_series(1, 9)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    const [used] = await scene.query("select fraiseql.change_log_bytes()");
    const bytes = Number(used?.[0]);
    await scene.query(`update fraiseql.capture_settings set log_bytes_max = ${2 * bytes - 1000}`);
    const waits: BackfillProgress[] = [];
    const done = await backfilled(scene.url, "t", {
      onProgress: (step) => {
        if (step.kind !== "log is full") return;
        waits.push(step);
        scene.query(`update fraiseql.capture_settings set log_bytes_max = ${20 * bytes}`);
      },
    });
    const [wait] = waits;
    deepEqual([wait?.kind, wait?.rowsDone], ["log is full", 0]);
    deepEqual(wait?.kind === "log is full" && wait.log, {
      bytes,
      bytesMax: 2 * bytes - 1000,
      isPublishing: false,
    });
    equal(done.rowsDone, 9);
  });
});

Deno.test("backfill() wakes a reader that sleeps", async () => {
  const sql = "create table t (id int primary key); insert into t values (1)";
  await Scene.run(server, { ...one, sql }, async (scene) => {
    const heard = Promise.withResolvers<string>();
    const reader = await connect({
      url: scene.url,
      onNotification: ({ channel }) => heard.resolve(channel),
    });
    await reader.query("listen fraiseql_events; select setval('fraiseql.reader_asleep', 2)");
    reader.watch(() => heard.reject(new Error("the connection broke")));
    await backfilled(scene.url, "t");
    equal(await heard.promise, "fraiseql_events");
    await reader.close();
  });
});
