/** Schema `fraiseql`, made, upgraded and removed. What it holds is said in the SQL files. */

import type { ChangeLogFull } from "../../config.ts";
import { AppError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { Connection } from "../connection.ts";
import { PostgresError } from "../errors.ts";
import backfillSql from "./backfill.sql" with { type: "text" };
import captureSql from "./capture.sql" with { type: "text" };
import functionsSql from "./functions.sql" with { type: "text" };
import ingestSql from "./ingest.sql" with { type: "text" };
import registrySql from "./registry.sql" with { type: "text" };
import tablesSql from "./tables.sql" with { type: "text" };
import triggersSql from "./triggers.sql" with { type: "text" };
import { changeLogVersion as version } from "./version.ts";

/** What the trigger functions go by; they read it from the database, not from this program. */
export interface CaptureSettings {
  readonly limits: Pick<Limits, "changeLogBytesMax" | "eventBytesMax" | "truncateRowsMax">;
  readonly changeLogFull: ChangeLogFull;
}

/**
 * Makes schema `fraiseql` or brings it up to date, in one transaction; safe to repeat. Gives what was
 * done, a line each.
 */
export async function migrateChangeLog(
  connection: Connection,
  settings: CaptureSettings,
): Promise<string[]> {
  return await inTransaction(connection, async () => {
    const there = await versionThere(connection);
    const lines: string[] = [];
    if (there === null) {
      await requireForNew(connection);
      await connection.query(tablesSql);
      lines.push("made schema fraiseql: the change log, in which writes are captured");
    }
    if (there !== null && there < 2) await connection.query(toVersion2);
    if (there !== null && there < 3) await connection.query(toVersion3);
    if (there !== null && there < 4) await connection.query(toVersion4);
    if (there !== null && there < 5) await connection.query(toVersion5);
    await connection.query("set local search_path = pg_catalog, pg_temp");
    if (there === null) {
      await connection.query(
        `insert into fraiseql.capture_settings
          (version, log_bytes_max, refuse_writes, event_bytes_max, truncate_rows_max)
         values ($1::int4, $2::int8, $3::bool, $4::int4, $5::int8)`,
        [String(version), ...settingValues(settings)],
      );
    }
    await connection.query(databaseBits);
    const files = [functionsSql, captureSql, backfillSql, triggersSql, ingestSql, registrySql];
    for (const sql of files) await connection.query(sql);
    const changed = await connection.query(
      `update fraiseql.capture_settings set
         log_bytes_max = $1::int8, refuse_writes = $2::bool, event_bytes_max = $3::int4,
         truncate_rows_max = $4::int8
       where (log_bytes_max, refuse_writes, event_bytes_max, truncate_rows_max)
         <> ($1::int8, $2::bool, $3::int4, $4::int8)
       returning 1`,
      settingValues(settings),
    );
    if (changed.length > 0) lines.push("set the change log's limits");
    await connection.query("select fraiseql.refresh_captured(), fraiseql.resume_capture()");
    if (there !== null && there < version) {
      // After the new functions are there, and before those that triggers no longer name are dropped.
      await connection.query("select fraiseql.attach(relation) from fraiseql.captured_relations");
      await connection.query("select fraiseql.write_triggers()");
      await connection.query("update fraiseql.capture_settings set version = $1::int4", [
        String(version),
      ]);
      lines.push(`brought schema fraiseql from version ${there} to ${version}`);
    }
    if (lines.length === 0) lines.push("schema fraiseql is up to date");
    if (there === null) lines.push("no table is captured yet: fraiseql capture add <table>");
    return lines;
  });
}

/** Each table has trigger functions of its own. */
const toVersion2 = `
  alter table fraiseql.captured_relations add column number integer generated always as identity;
  drop function fraiseql.measure(fraiseql.capturing)`;

/** The publisher keeps a record in the database too. */
const toVersion3 = `
  create table fraiseql.publisher_progress (
    one boolean primary key default true check (one),
    system_identifier text not null,
    database_oid bigint not null,
    stream_created text not null,
    sequence bigint not null,
    epoch integer not null,
    emptied pg_snapshot
  )`;

/** Ids of captured writes are made by who reads them, and writers look up their slot in a sequence. */
const toVersion4 = `
  alter table fraiseql.change_log alter column event_id drop not null;
  create sequence if not exists fraiseql.writers_slot minvalue 0 maxvalue 15 cache 1;
  select setval('fraiseql.writers_slot', s.current_slot) from fraiseql.capture_settings s;
  drop function if exists fraiseql.trigger_code(text, text, text);
  drop function if exists fraiseql.is_again(text, text)`;

/** What has left FRAISEQL_EVENTS is counted. */
const toVersion5 = `
  create table fraiseql.purged_events (
    stream_created text not null,
    sequence bigint not null,
    entity_type text not null,
    hour text not null,
    event_count bigint not null,
    event_hash numeric(20) not null
  );
  create index on fraiseql.purged_events (stream_created, sequence);`;

/** The database's bits as a function that PostgreSQL puts into a query as a number. */
const databaseBits = `
  do $$ begin
    execute (select format('create or replace function fraiseql.database_bits() returns integer '
      'language sql immutable parallel safe as %L', 'select ' || s.database_bits)
    from fraiseql.capture_settings s);
  end $$`;

/** Removes schema `fraiseql` and every trigger that leads there; safe to repeat. */
export async function dropChangeLog(connection: Connection): Promise<string[]> {
  return await inTransaction(connection, async () => {
    if (await versionThere(connection) === null) return ["there is no schema fraiseql"];
    const others = await connection.query(`
      select t.tgrelid::pg_catalog.regclass::pg_catalog.text, pg_catalog.pg_get_userbyid(c.relowner)
      from pg_catalog.pg_trigger t
      join pg_catalog.pg_class c on c.oid = t.tgrelid
      join pg_catalog.pg_proc p on p.oid = t.tgfoid
      where p.pronamespace = 'fraiseql'::pg_catalog.regnamespace and not t.tgisinternal
        and not pg_catalog.pg_has_role(c.relowner, 'usage')
      order by 1 limit 1`);
    const [other] = others;
    if (other) throw notOwner(`table ${other[0]}`, other[1] ?? "");
    const tables = await connection.query(`
      select fraiseql.detach(t.relation) from (
        select distinct t.tgrelid::pg_catalog.regclass as relation
        from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where p.pronamespace = 'fraiseql'::pg_catalog.regnamespace and not t.tgisinternal) t`);
    await connection.query("drop schema fraiseql cascade");
    return [
      `removed the triggers of ${tables.length} table${tables.length === 1 ? "" : "s"}`,
      "removed schema fraiseql with the change log",
    ];
  });
}

/**
 * Makes a connection ready for the registry of captured tables: PostgreSQL's own names come first,
 * and those of others are written with their schema. Throws `NOT_FOUND` with what to do where
 * `migrate` was never run.
 */
export async function openRegistry(connection: Connection): Promise<void> {
  const there = await versionThere(connection);
  if (there === version) {
    await connection.query("set search_path = pg_catalog, pg_temp");
    return;
  }
  throw new AppError(
    "NOT_FOUND",
    there === null
      ? "the database has no change log"
      : `the change log is of version ${there}, and this program needs ${version}`,
    { hint: "run fraiseql migrate" },
  );
}

/** Runs the work in a transaction that waits for others' locks for a while only. */
export async function inTransaction<Result>(
  connection: Connection,
  work: () => Promise<Result>,
): Promise<Result> {
  await connection.query("begin");
  try {
    await connection.query(`set local lock_timeout = ${lockMsMax}`);
    const result = await work();
    await connection.query("commit");
    return result;
  } catch (error) {
    if (!connection.closed) await connection.query("rollback");
    throw readable(error);
  }
}

/** A trigger is made while nobody writes; who waits for it waits behind long transactions. */
const lockMsMax = 10_000;

/** "role x is not the owner" as an error, with the remedy. */
export function notOwner(what: string, owner: string): AppError {
  return new AppError("FORBIDDEN", `${what} is owned by ${owner}`, {
    hint: `run this as ${owner}, or as a role that is a member of it`,
  });
}

/** PostgreSQL's refusals that a person can mend, in words; others are faults of ours. */
function readable(error: unknown): unknown {
  const cause = error instanceof AppError ? error.cause : null;
  if (!(cause instanceof PostgresError)) return error;
  if (cause.sqlState === "42501") {
    return new AppError("FORBIDDEN", cause.fields.message ?? cause.message, {
      hint: "docs/events.md lists the rights that capture needs",
      cause,
    });
  }
  if (cause.sqlState === "55P03") {
    return new AppError(
      "UNAVAILABLE",
      `others hold the lock on a table for more than ${lockMsMax} ms`,
      {
        hint: "nothing was changed; try again when long transactions on it have ended",
        cause,
      },
    );
  }
  return error;
}

/** The version that the database holds; null where there is no schema `fraiseql`. */
async function versionThere(connection: Connection): Promise<number | null> {
  const [row = []] = await connection.query(`
    select pg_catalog.to_regnamespace('fraiseql') is not null,
      pg_catalog.to_regclass('fraiseql.capture_settings') is not null,
      pg_catalog.pg_get_userbyid(n.nspowner), pg_catalog.pg_has_role(n.nspowner, 'usage')
    from (values (1)) v left join pg_catalog.pg_namespace n on n.nspname = 'fraiseql'`);
  const [exists, isOurs, owner, isOwner] = row;
  if (exists !== "t") return null;
  if (isOurs !== "t") {
    throw new AppError("BAD_INPUT", "schema fraiseql is there, and is not of this program", {
      hint: "rename it: alter schema fraiseql rename to ...",
    });
  }
  if (isOwner !== "t") throw notOwner("schema fraiseql", owner ?? "");
  const [found] = await connection.query("select version from fraiseql.capture_settings");
  const there = Number(found?.[0]);
  if (there > version) {
    throw new AppError(
      "BAD_INPUT",
      `schema fraiseql is of version ${there}, later than this program's ${version}`,
      { hint: "use the program that made it, or a later one" },
    );
  }
  return there;
}

async function requireForNew(connection: Connection): Promise<void> {
  const [row = []] = await connection.query(`
    select pg_catalog.current_database(), current_user,
      pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'),
      pg_catalog.current_setting('server_encoding')`);
  const [database, user, mayCreate, encoding] = row;
  if (mayCreate !== "t") {
    throw new AppError("FORBIDDEN", `role ${user} may not create a schema in ${database}`, {
      hint: `as its owner: grant create on database "${database}" to "${user}"`,
    });
  }
  if (encoding !== "UTF8") {
    throw new AppError("BAD_INPUT", `the database's encoding is ${encoding}`, {
      hint: "events are JSON: capture needs a database with encoding UTF8",
    });
  }
}

function settingValues({ limits, changeLogFull }: CaptureSettings): string[] {
  return [
    String(limits.changeLogBytesMax),
    String(changeLogFull === "refuse-writes"),
    String(limits.eventBytesMax),
    String(limits.truncateRowsMax),
  ];
}
