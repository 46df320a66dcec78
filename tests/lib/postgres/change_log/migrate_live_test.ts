/** Schema `fraiseql` made, upgraded and removed, by roles of few rights. */

import {
  deepStrictEqual as deepEqual,
  match,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import {
  addCaptures,
  type CaptureRequest,
  listCaptures,
  removeAllCaptures,
  removeCapture,
} from "../../../../lib/postgres/change_log/capture.ts";
import { findTable, findTables } from "../../../../lib/postgres/change_log/find_tables.ts";
import {
  dropChangeLog,
  migrateChangeLog,
  openRegistry,
} from "../../../../lib/postgres/change_log/migrate.ts";
import { changeLogVersion } from "../../../../lib/postgres/change_log/version.ts";
import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { plainCapture, settings } from "./captured.ts";

const server = await testPostgres();

async function inDatabase(
  sql: string,
  work: (connection: Connection, url: string) => Promise<void>,
): Promise<void> {
  const url = await server.createDatabase();
  const connection = await connect({ url });
  try {
    await connection.query(sql);
    await work(connection, url);
  } finally {
    await connection.close();
    await server.dropDatabase(url);
  }
}

async function request(
  connection: Connection,
  name: string,
  how: Partial<CaptureRequest> = {},
): Promise<CaptureRequest> {
  const table = await findTable(connection, name, ["public"]);
  return { table, entityType: table.name, ...plainCapture, ...how };
}

/** Everything that a database holds, as a person would compare it. */
const CONTENT = `
  select 'relation', oid::regclass::text from pg_class where oid >= 16384 and relnamespace <> 'pg_toast'::regnamespace
  union all select 'function', oid::regprocedure::text from pg_proc where oid >= 16384
  union all select 'trigger', tgname || ' on ' || tgrelid::regclass from pg_trigger
  union all select 'schema', nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp'
  union all select 'type', oid::regtype::text from pg_type where oid >= 16384 order by 1, 2`;

const TABLES = `
  create table t (id int primary key, v text);
  create table p (id int primary key) partition by range (id);
  create table p1 partition of p for values from (0) to (100)`;

Deno.test("migrateChangeLog() says what it did, can be repeated, and leaves no trace when undone", async () => {
  await inDatabase(TABLES, async (connection) => {
    const before = await connection.query(CONTENT);
    deepEqual(await migrateChangeLog(connection, settings()), [
      "made schema fraiseql: the change log, in which writes are captured",
      "no table is captured yet: fraiseql capture add <table>",
    ]);
    await openRegistry(connection);
    await addCaptures(connection, [await request(connection, "t"), await request(connection, "p")]);
    await connection.query("insert into public.t values (1, 'a')");
    deepEqual(await migrateChangeLog(connection, settings()), ["schema fraiseql is up to date"]);
    deepEqual(await migrateChangeLog(connection, settings({ truncateRowsMax: 5 })), [
      "set the change log's limits",
    ]);
    await openRegistry(connection);
    equal((await listCaptures(connection)).length, 2);
    deepEqual(await connection.query("select count(*) from fraiseql.change_log"), [["1"]]);

    deepEqual(await dropChangeLog(connection), [
      "removed the triggers of 3 tables",
      "removed schema fraiseql with the change log",
    ]);
    await connection.query("reset search_path; insert into t values (2, 'b')");
    deepEqual(await connection.query(CONTENT), before);
    deepEqual(await dropChangeLog(connection), ["there is no schema fraiseql"]);
  });
});

Deno.test("migrateChangeLog() brings a schema of version 1 up to date, and captures go on", async () => {
  await inDatabase(TABLES, async (connection) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    await addCaptures(connection, [await request(connection, "t"), await request(connection, "p")]);
    // What it was then: no numbers, and one function for all tables.
    await connection.query(`
      alter table fraiseql.captured_relations drop column number;
      drop table fraiseql.publisher_progress;
      drop table fraiseql.purged_events;
      create function fraiseql.measure(fraiseql.capturing) returns void language sql as '';
      create function fraiseql.capture_insert() returns trigger language plpgsql as 'begin return null; end';
      drop trigger fraiseql_insert on public.t;
      create trigger fraiseql_insert after insert on public.t
        referencing new table as new_rows for each statement execute function fraiseql.capture_insert();
      update fraiseql.capture_settings set version = 1`);
    await rejects(openRegistry(connection), { code: "NOT_FOUND", hint: "run fraiseql migrate" });
    deepEqual(await migrateChangeLog(connection, settings()), [
      `brought schema fraiseql from version 1 to ${changeLogVersion}`,
    ]);
    await openRegistry(connection);
    deepEqual((await listCaptures(connection)).map(({ faults }) => faults), [[], []]);
    await connection.query(
      "insert into public.t values (1, 'a'); insert into public.p1 values (1)",
    );
    deepEqual(
      await connection.query("select entity_type from fraiseql.change_log order by position"),
      [["t"], ["p"]],
    );
    deepEqual(
      await connection.query("select count(*) from pg_proc where proname = 'capture_insert'"),
      [["0"]],
    );
  });
});

Deno.test("migrateChangeLog() brings a schema of version 3 up to date, with what is in its log", async () => {
  await inDatabase(TABLES, async (connection) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    await addCaptures(connection, [await request(connection, "t")]);
    await connection.query("insert into public.t values (1, 'a')");
    const ids = "select fraiseql.id_of(l) from fraiseql.change_log l order by position";
    const [written] = await connection.query(ids);
    // What it was then: writers made the ids, and looked up their slot in the settings.
    await connection.query(`
      update fraiseql.change_log l set event_id = fraiseql.id_of(l);
      alter table fraiseql.change_log alter column event_id set not null;
      drop sequence fraiseql.writers_slot;
      drop table fraiseql.purged_events;
      create function fraiseql.trigger_code(text, text, text) returns text language sql as 'select null::text';
      create function fraiseql.is_again(text, text) returns boolean language sql as 'select true';
      update fraiseql.capture_settings set version = 3, current_slot = 3`);
    deepEqual(await migrateChangeLog(connection, settings()), [
      `brought schema fraiseql from version 3 to ${changeLogVersion}`,
    ]);
    await openRegistry(connection);
    await connection.query("insert into public.t values (2, 'b')");
    deepEqual(
      await connection.query(
        "select slot, entity_id, event_id is null from fraiseql.change_log order by position",
      ),
      [["0", "1", "f"], ["3", "2", "t"]],
    );
    const [kept, made] = await connection.query(ids);
    deepEqual(kept, written);
    match(made?.[0] ?? "", /-000000000002$/);
    deepEqual(
      await connection.query(
        "select count(*) from pg_proc where proname in ('trigger_code', 'is_again')",
      ),
      [["2"]],
    );
  });
});

Deno.test("migrateChangeLog() leaves a schema of that name alone that is another's or later", async () => {
  await inDatabase("create schema fraiseql", async (connection) => {
    const error = { code: "BAD_INPUT", message: /schema fraiseql is there, and is not of this/ };
    await rejects(migrateChangeLog(connection, settings()), error);
    await rejects(dropChangeLog(connection), error);
    await connection.query("drop schema fraiseql");
    await rejects(openRegistry(connection), { code: "NOT_FOUND", hint: "run fraiseql migrate" });
    await migrateChangeLog(connection, settings());
    await connection.query("update fraiseql.capture_settings set version = 999");
    await rejects(migrateChangeLog(connection, settings()), {
      code: "BAD_INPUT",
      message: `schema fraiseql is of version 999, later than this program's ${changeLogVersion}`,
    });
  });
});

Deno.test("capture works for an owner who is no superuser, and names the right that is missing", async () => {
  const role = `owner_${crypto.randomUUID().slice(0, 8)}`;
  await inDatabase(TABLES, async (connection, url) => {
    const other = new URL(url);
    [other.username, other.password] = [role, "pw"];
    await connection.query(`create role ${role} login password 'pw'`);
    const database = decodeURIComponent(other.pathname.slice(1));
    const owner = await connect({ url: other.href });
    try {
      await rejects(migrateChangeLog(owner, settings()), {
        code: "FORBIDDEN",
        message: `role ${role} may not create a schema in ${database}`,
        hint: `as its owner: grant create on database "${database}" to "${role}"`,
      });
      await connection.query(`grant create on database "${database}" to ${role}`);
      await migrateChangeLog(owner, settings());
      await openRegistry(owner);
      await rejects(findTable(owner, "t", ["public"]), {
        code: "FORBIDDEN",
        message: "table public.t is owned by postgres",
      });
      await connection.query(`alter table p owner to ${role}`);
      await rejects(findTable(owner, "p", ["public"]), { code: "FORBIDDEN" }); // a part of it
      await connection.query(`alter table t owner to ${role}; alter table p1 owner to ${role}`);
      await addCaptures(owner, [await request(owner, "t"), await request(owner, "p")]);
      await connection.query(
        "insert into t values (1, 'a'); insert into p1 values (1); truncate t",
      );
      deepEqual(
        await owner.query(
          "select event_type, entity_type from fraiseql.change_log order by position",
        ),
        [["Created", "t"], ["Created", "p"], ["Deleted", "t"]],
      );
      await connection.query("alter table t enable row level security, force row level security");
      const [, t] = await listCaptures(owner);
      match(t!.faults.join(), /^TRUNCATE of public\.t gives one event for all rows, since owner_/);
      await connection.query("insert into t values (2, 'a'); truncate t");
      deepEqual(
        await owner.query(
          "select entity_id from fraiseql.change_log order by position desc limit 1",
        ),
        [["*"]],
      );
      await connection.query("alter table t owner to postgres");
      await rejects(dropChangeLog(owner), {
        code: "FORBIDDEN",
        message: "table public.t is owned by postgres",
      });
      await connection.query(`alter table t owner to ${role}`);
      await dropChangeLog(owner);
    } finally {
      await owner.close();
      await connection.query(`drop owned by ${role}; drop role ${role}`);
    }
  });
});

const refusals: [what: string, name: string, message: RegExp, hint: RegExp][] = [
  [
    "a name that is misspelt",
    "orderz",
    /there is no table orderz in public/,
    /^did you mean orders\?$/,
  ],
  ["a view", "orders_view", /public\.orders_view is a view/, /the tables behind it/],
  ["a partition", "p1", /public\.p1 is a part of public\.p$/, /capture public\.p/],
  [
    "a table in another schema without its name",
    "hidden",
    /no table hidden/,
    /did you mean|other schema/,
  ],
];

for (const [what, name, message, hint] of refusals) {
  Deno.test(`findTable() refuses ${what}`, async () => {
    const sql = `${TABLES}; create table orders (id int primary key);
      create view orders_view as select * from orders;
      create schema other; create table other.hidden (id int primary key)`;
    await inDatabase(sql, async (connection) => {
      await migrateChangeLog(connection, settings());
      await openRegistry(connection);
      await rejects(findTable(connection, name, ["public"]), { code: "BAD_INPUT", message, hint });
      equal((await findTable(connection, "other.hidden", ["public"])).name, "hidden");
      const { tables } = await findTables(connection, "public");
      deepEqual(tables.map(({ name }) => name), ["orders", "p", "t"]);
      await rejects(findTables(connection, "publik"), { hint: "did you mean public?" });
    });
  });
}

const requests: [what: string, how: Partial<CaptureRequest>, message: RegExp][] = [
  ["a table without a key", {}, /table public\.nokey has no key/],
  ["a key of no column", { key: ["ix"] }, /has no column ix$/],
  ["a column that is not there", { key: ["id"], userColumn: "vv" }, /has no column vv$/],
  ["the key among the excepted", { key: ["id"], except: ["id"] }, /is of the key/],
  ["both lists at once", { key: ["id"], only: ["v"], except: ["v"] }, /--only and --except/],
  ["a name that is taken", { key: ["id"], entityType: "t" }, /entity type t is that of public\.t$/],
];

for (const [what, how, message] of requests) {
  Deno.test(`addCaptures() refuses ${what} before any work`, async () => {
    await inDatabase(`${TABLES}; create table nokey (id int, v text)`, async (connection) => {
      await migrateChangeLog(connection, settings());
      await openRegistry(connection);
      await addCaptures(connection, [await request(connection, "t")]);
      const refused = [await request(connection, "p"), await request(connection, "nokey", how)];
      await rejects(addCaptures(connection, refused), { code: "BAD_INPUT", message });
      deepEqual((await listCaptures(connection)).map(({ table }) => table), ["public.t"]);
    });
  });
}

Deno.test("addCaptures() keeps no writer waiting at a table while it waits for another", async () => {
  await inDatabase(TABLES, async (connection, url) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    const other = await connect({ url });
    const writer = await connect({ url });
    try {
      await other.query("begin; insert into p values (1)");
      const requests = [await request(connection, "t"), await request(connection, "p")];
      const added = addCaptures(connection, requests);
      const waits = "select 1 from pg_locks where relation = 'p'::regclass and not granted";
      while ((await writer.query(waits)).length === 0) await new Promise((r) => setTimeout(r, 10));
      await writer.query("set lock_timeout = '5s'; insert into t values (1, 'a')");
      await other.query("commit");
      equal((await added).length, 2);
      deepEqual(await writer.query("select entity_type from fraiseql.change_log"), [["t"]]);
    } finally {
      await other.close();
      await writer.close();
    }
  });
});

Deno.test("addCaptures() says which table could not be captured, and which were before it", async () => {
  const sql = `${TABLES};
    create function theirs() returns trigger language plpgsql as 'begin return new; end';
    create trigger fraiseql_insert after insert on p for each statement execute function theirs()`;
  await inDatabase(sql, async (connection) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    await rejects(
      addCaptures(connection, [await request(connection, "t"), await request(connection, "p")]),
      {
        name: "AppError",
        message: /^public\.p: /,
        hint: "captured before it: public.t; run this again for the others",
      },
    );
    deepEqual((await listCaptures(connection)).map(({ table }) => table), ["public.t"]);
  });
});

Deno.test("removeCapture() stops one table, removeAllCaptures() all, and what is logged stays", async () => {
  await inDatabase(TABLES, async (connection) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    await addCaptures(connection, [await request(connection, "t"), await request(connection, "p")]);
    await connection.query("insert into public.t values (1); insert into public.p values (1)");
    equal(await removeCapture(connection, "t", ["public"]), "public.t");
    await rejects(removeCapture(connection, "t", ["public"]), { code: "NOT_FOUND" });
    await connection.query("insert into public.t values (2); insert into public.p values (2)");
    equal(await removeAllCaptures(connection), 1);
    await connection.query("insert into public.p values (3)");
    deepEqual(
      await connection.query(
        "select entity_type, entity_id from fraiseql.change_log order by position",
      ),
      [["t", "1"], ["p", "1"], ["p", "2"]],
    );
  });
});

Deno.test("a captured table whose registry was restored with other numbers goes by names", async () => {
  await inDatabase(TABLES, async (connection) => {
    await migrateChangeLog(connection, settings());
    await openRegistry(connection);
    await addCaptures(connection, [await request(connection, "t", { except: ["v"] })]);
    // As in a dump: another oid, and numbers that are of other columns.
    await connection.query(
      "update fraiseql.captured_tables set relation_oid = 1, key_numbers = '{2}', column_numbers = '{1}'",
    );
    await connection.query("insert into public.t values (1, 'a')");
    const logged = "select entity_id, data from fraiseql.change_log";
    deepEqual(await connection.query(logged), [["1", `{"id":1}`]]);
    await migrateChangeLog(connection, settings());
    deepEqual(
      await connection.query(
        "select relation_oid = relation::oid, key_numbers, column_numbers from fraiseql.captured_tables",
      ),
      [["t", "{1}", "{2}"]],
    );
  });
});
