import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import {
  checkBackfills,
  hasBackfills,
  lockBackfill,
} from "../../../../lib/postgres/change_log/backfill_check.ts";
import { listCaptures } from "../../../../lib/postgres/change_log/capture.ts";
import { findTable } from "../../../../lib/postgres/change_log/find_tables.ts";
import { migrateChangeLog } from "../../../../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { testPostgres } from "../../../services/postgres.ts";
import { plainCapture, settings } from "./captured.ts";
import { Scene } from "./scene.ts";

const server = await testPostgres();
const one = { sql: "create table t (id int primary key, at text, on_day date)", tables: ["t"] };

const check = async (connection: Connection, timestampColumn: string | null = null) =>
  checkBackfills(connection, [{
    ...plainCapture,
    table: await findTable(connection, "t", ["public"]),
    entityType: "t",
    timestampColumn,
  }]);

/** Runs the work as a role of the test's own, and then drops it. */
async function asRole(scene: Scene, grants: string, work: () => Promise<void>): Promise<string> {
  const role = `role_${crypto.randomUUID().slice(0, 8)}`;
  await scene.query(`create role ${role}; alter table t owner to ${role};
    grant usage on schema fraiseql to ${role}; ${grants.replaceAll("$role", role)};
    set role ${role}`);
  try {
    await work();
  } finally {
    await scene.query(`reset role; reassign owned by ${role} to current_user;
      drop owned by ${role}; drop role ${role}`);
  }
  return role;
}

Deno.test("checkBackfills() names the right that is missing", async () => {
  for (const right of ["SELECT", "UPDATE"]) {
    await Scene.run(server, one, async (scene) => {
      await asRole(scene, `revoke ${right} on t from $role`, async () => {
        await rejects(check(scene.connection), {
          code: "FORBIDDEN",
          message: new RegExp(`^role role_\\w+ has no right to ${right} on t$`),
        });
      });
    });
  }
});

Deno.test("checkBackfills() refuses a table of which row security hides rows", async () => {
  const sql = `${one.sql}; alter table t enable row level security;
    alter table t force row level security`;
  await Scene.run(server, { ...one, sql }, async (scene) => {
    await asRole(scene, "select 1", async () => {
      await rejects(check(scene.connection), {
        code: "FORBIDDEN",
        message: /^row security hides rows of t from role role_/,
      });
    });
    await check(scene.connection); // the superuser sees all
  });
});

Deno.test("checkBackfills() refuses a partition that is a foreign table", async () => {
  const sql = `create table t (id int primary key) partition by range (id);
    create table t_0 partition of t for values from (0) to (10);
    create foreign data wrapper w; create server s foreign data wrapper w;
    alter table t drop constraint t_pkey;
    create foreign table t_1 partition of t for values from (10) to (20) server s`;
  await Scene.run(server, { ...one, sql, how: { key: ["id"] } }, async (scene) => {
    await rejects(check(scene.connection), {
      code: "BAD_INPUT",
      message: "t_1 is a foreign table, whose rows cannot be locked",
    });
  });
});

Deno.test("checkBackfills() refuses a column that tells no time", async () => {
  await Scene.run(server, one, async (scene) => {
    await rejects(check(scene.connection, "at"), {
      code: "BAD_INPUT",
      message: "column at of public.t is of type text, and tells no time",
    });
    await check(scene.connection, "on_day");
  });
});

Deno.test("checkBackfills() wants a schema that knows of back-fills", async () => {
  await Scene.run(server, one, async (scene) => {
    await scene.query("drop table fraiseql.backfills cascade");
    equal(await hasBackfills(scene.connection), false);
    await rejects(check(scene.connection), {
      code: "NOT_FOUND",
      hint: "run fraiseql migrate",
    });
    equal((await scene.list())[0]?.backfill, null);
    await migrateChangeLog(scene.connection, settings());
    await check(scene.connection);
  });
});

Deno.test("checkBackfills() refuses a pooler, which gives a command several sessions", async () => {
  await Scene.run(server, one, async (scene) => {
    const connection = await connect({ url: scene.url });
    connection.facts = { ...connection.facts, pooled: true };
    await rejects(check(connection), { code: "BAD_INPUT", message: /a pooler gives others$/ });
    await connection.close();
  });
});

Deno.test("lockBackfill() lets one back-fill a table at a time, and capture list tells of it", async () => {
  await Scene.run(server, one, async (scene) => {
    const table = await findTable(scene.connection, "t", ["public"]);
    await scene.query("insert into t values (1); select fraiseql.begin_backfill('t')");
    const isRunning = async () => (await listCaptures(scene.connection))[0]?.backfill?.isRunning;
    const first = await connect({ url: scene.url });
    await lockBackfill(first, table);
    equal(await isRunning(), true);
    await rejects(lockBackfill(scene.connection, table), {
      code: "UNAVAILABLE",
      message: "another back-fill of public.t is under way",
    });
    await first.close();
    await lockBackfill(scene.connection, table);
    deepEqual(await isRunning(), true);
  });
});
