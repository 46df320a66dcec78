/** Which tables are captured: added, listed with all that can be noticed, removed. */

import { didYouMean } from "../../config.ts";
import { AppError } from "../../errors.ts";
import type { Connection } from "../connection.ts";
import { hasBackfills } from "./backfill_check.ts";
import type { FoundTable } from "./find_tables.ts";
import { isBackfilling } from "./locks.ts";
import { inTransaction } from "./migrate.ts";

/** How a table is to be captured; columns by their names in PostgreSQL. */
export interface CaptureRequest {
  readonly table: FoundTable;
  readonly entityType: string;
  /** Null: the table's own. */
  readonly key: readonly string[] | null;
  /** Null: all columns but those named like a secret. */
  readonly only: readonly string[] | null;
  readonly except: readonly string[];
  readonly userColumn: string | null;
  readonly orgColumn: string | null;
  readonly timestampColumn: string | null;
}

export interface CapturedTable {
  readonly table: string;
  readonly entityType: string;
  readonly key: readonly string[];
  readonly leftOut: readonly string[];
  readonly since: string;
  /** One that is not at its end; null where there is none. */
  readonly backfill: UnfinishedBackfill | null;
  /** What keeps writes from being captured, or may; a sentence each. */
  readonly faults: readonly string[];
}

export interface UnfinishedBackfill {
  readonly rowsDone: number;
  readonly rowsEstimated: number;
  readonly updatedAt: string;
  /** A program works on it. */
  readonly isRunning: boolean;
}

/**
 * Captures the tables from now on. Throws before any work what cannot be; each table is a transaction,
 * because its lock keeps writers out until the end of it, so where a lock is not to be had the tables
 * before it are captured.
 */
export async function addCaptures(
  connection: Connection,
  requests: readonly CaptureRequest[],
): Promise<CapturedTable[]> {
  const checked = requests.map(check);
  await refuseTakenNames(connection, requests);
  for (const [index, request] of checked.entries()) {
    try {
      await inTransaction(connection, () => capture(connection, request));
    } catch (error) {
      throw error instanceof AppError && checked.length > 1 ? ofOne(error, checked, index) : error;
    }
  }
  const oids = new Set(requests.map(({ table }) => table.oid));
  return (await readCaptures(connection)).filter(({ oid }) => oids.has(oid));
}

async function capture(connection: Connection, request: CheckedRequest): Promise<void> {
  await connection.query(
    `select fraiseql.capture($1::pg_catalog.oid, $2::pg_catalog.text, $3::pg_catalog.text[],
      $4::pg_catalog.text, $5::pg_catalog.text[], $6::pg_catalog.text, $7::pg_catalog.text,
      $8::pg_catalog.text)`,
    [
      request.table.oid,
      request.entityType,
      arrayText(request.key),
      request.listed,
      arrayText(request.columns),
      request.userColumn,
      request.orgColumn,
      request.timestampColumn,
    ],
  );
}

/** The error with the table it is of, and with what was done before it. */
function ofOne(error: AppError, requests: readonly CheckedRequest[], index: number): AppError {
  const place = ({ table }: CheckedRequest) => `${table.schema}.${table.name}`;
  const done = requests.slice(0, index).map(place);
  return new AppError(error.code, `${place(requests[index]!)}: ${error.message}`, {
    ...(done.length > 0
      ? { hint: `captured before it: ${done.join(", ")}; run this again for the others` }
      : error.hint !== undefined && { hint: error.hint }),
    cause: error,
  });
}

/** Every captured table, and what can be noticed of it. */
export async function listCaptures(connection: Connection): Promise<CapturedTable[]> {
  return await readCaptures(connection);
}

/** Captures a table no longer; what is in the log stays. Throws `NOT_FOUND` where it is not captured. */
export async function removeCapture(
  connection: Connection,
  name: string,
  schemas: readonly string[],
): Promise<string> {
  const captured = await readCaptures(connection);
  const found = captured.find(({ table }) => table === name) ??
    schemas.flatMap((schema) => captured.filter(({ table }) => table === `${schema}.${name}`))[0];
  if (!found) {
    throw new AppError("NOT_FOUND", `table ${name} is not captured`, {
      hint: didYouMean(name, captured.map(({ table }) => table)) ||
        "fraiseql capture list shows those that are",
    });
  }
  const forgets = await hasBackfills(connection);
  await inTransaction(connection, async () => {
    await connection.query("select fraiseql.uncapture($1::pg_catalog.oid)", [found.oid]);
    // One that is under way ends.
    if (!forgets) return;
    await connection.query("delete from fraiseql.backfills where root = $1::pg_catalog.oid", [
      found.oid,
    ]);
  });
  return found.table;
}

/** Captures no table any longer; gives the number of those that were. */
export async function removeAllCaptures(connection: Connection): Promise<number> {
  const forgets = await hasBackfills(connection);
  return await inTransaction(connection, async () => {
    const rows = await connection.query(
      "select fraiseql.uncapture(relation) from fraiseql.captured_tables order by relation",
    );
    if (forgets) await connection.query("delete from fraiseql.backfills");
    return rows.length;
  });
}

interface CheckedRequest extends Omit<CaptureRequest, "key" | "only" | "except"> {
  readonly key: readonly string[];
  readonly listed: "only" | "except";
  readonly columns: readonly string[];
}

function check(request: CaptureRequest): CheckedRequest {
  const { table, only, except } = request;
  const place = `${table.schema}.${table.name}`;
  const key = request.key ?? table.key;
  if (key === null) {
    throw new AppError("BAD_INPUT", `table ${place} has no key, so its rows have no names`, {
      hint: "give it a primary key, or name columns that tell its rows apart: --key id",
    });
  }
  if (only !== null && except.length > 0) {
    throw new AppError("BAD_INPUT", "--only and --except together leave open what is meant", {
      hint: "name the columns to capture, or those to leave out",
    });
  }
  const named = [request.userColumn, request.orgColumn, request.timestampColumn]
    .filter((name) => name !== null);
  for (const name of [...key, ...only ?? [], ...except, ...named]) {
    if (table.columns.includes(name)) continue;
    throw new AppError("BAD_INPUT", `table ${place} has no column ${name}`, {
      hint: didYouMean(name, table.columns) || `its columns: ${table.columns.join(", ")}`,
    });
  }
  const both = except.find((name) => key.includes(name));
  if (both !== undefined) {
    throw new AppError(
      "BAD_INPUT",
      `column ${both} of ${place} is of the key and cannot be left out`,
      {
        hint: "every event names its row by the key: leave out others, or choose another by --key",
      },
    );
  }
  return { ...request, key, listed: only ? "only" : "except", columns: only ?? except };
}

async function refuseTakenNames(
  connection: Connection,
  requests: readonly CaptureRequest[],
): Promise<void> {
  await connection.query("select fraiseql.refresh_captured()");
  const rows = await connection.query(
    "select entity_type, relation::pg_catalog.oid, relation::pg_catalog.text from fraiseql.captured_tables",
  );
  const taken = new Map(rows.map(([entity, oid, table]) => [entity, { oid, table }]));
  for (const { entityType, table } of requests) {
    const other = taken.get(entityType);
    if (other && other.oid !== table.oid) {
      throw new AppError("BAD_INPUT", `entity type ${entityType} is that of ${other.table}`, {
        hint: `name another for ${table.schema}.${table.name}: --entity <Name>`,
      });
    }
    taken.set(entityType, { oid: table.oid, table: `${table.schema}.${table.name}` });
  }
}

async function readCaptures(
  connection: Connection,
): Promise<(CapturedTable & { readonly oid: string })[]> {
  await connection.query("select fraiseql.refresh_captured()");
  const rows = await connection.query(LIST);
  const faults = await connection.query(FAULTS);
  const backfills = await hasBackfills(connection) ? await connection.query(BACKFILLS) : [];
  return rows.map(([oid, table, entityType, key, leftOut, since]) => ({
    oid: oid ?? "",
    table: table ?? "",
    entityType: entityType ?? "",
    key: lines(key),
    leftOut: lines(leftOut),
    since: since ?? "",
    backfill: toBackfill(backfills.find(([of]) => of === oid)),
    faults: faults.filter(([of]) => of === oid).map(([, fault]) => fault ?? ""),
  }));
}

function toBackfill(row: (string | null)[] | undefined): UnfinishedBackfill | null {
  if (row === undefined) return null;
  const [, rowsDone, rowsEstimated, updatedAt, isRunning] = row;
  return {
    rowsDone: Number(rowsDone),
    rowsEstimated: Number(rowsEstimated),
    updatedAt: updatedAt ?? "",
    isRunning: isRunning === "t",
  };
}

const BACKFILLS = `
  select b.root::pg_catalog.oid, pg_catalog.sum(b.rows_done),
    pg_catalog.sum(greatest(b.rows_estimated, b.rows_done)),
    fraiseql.event_time(pg_catalog.max(b.updated_at)), ${isBackfilling("b.root::pg_catalog.oid")}
  from fraiseql.backfills b group by b.root having pg_catalog.bool_or(b.state <> 'done')`;

const lines = (text: string | null | undefined) => text ? text.split("\n") : [];

const LIST = `
  select c.relation::pg_catalog.oid, n.nspname || '.' || r.relname, c.entity_type,
    pg_catalog.array_to_string(c.key_names, E'\\n'), (
      select pg_catalog.string_agg(a.attname, E'\\n' order by a.attnum)
      from pg_catalog.pg_attribute a
      where a.attrelid = c.relation and a.attnum > 0 and not a.attisdropped
        and a.attnum <> all (c.key_numbers) and case c.listed
          when 'only' then a.attnum <> all (c.column_numbers)
          else a.attnum = any (c.column_numbers) or fraiseql.secret_name(a.attname) end
    ), fraiseql.event_time(c.captured_since)
  from fraiseql.captured_tables c
  join pg_catalog.pg_class r on r.oid = c.relation
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  order by 2`;

/** What keeps writes from being captured. `D` is disabled, `R` fires for replicas only. */
const FAULTS = `
  select c.relation::pg_catalog.oid, pg_catalog.format(
    'trigger %s of %s is disabled: alter table %2$s enable trigger %1$s', t.tgname, t.tgrelid::pg_catalog.regclass)
  from fraiseql.captured_tables c
  join fraiseql.captured_relations m on m.root = c.relation
  join pg_catalog.pg_trigger t on t.tgrelid = m.relation
  join pg_catalog.pg_proc p on p.oid = t.tgfoid
  where p.pronamespace = 'fraiseql'::pg_catalog.regnamespace and t.tgenabled in ('D', 'R')
  union all
  select c.relation::pg_catalog.oid, pg_catalog.format(
    '%s has no triggers, so direct writes to it are not captured: capture %s again',
    f.relation, c.relation)
  from fraiseql.captured_tables c, fraiseql.members(c.relation) f
  where 4 > (
    select pg_catalog.count(*) from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    where t.tgrelid = f.relation and p.pronamespace = 'fraiseql'::pg_catalog.regnamespace
      and t.tgname ~ '^fraiseql_(insert|update|delete|truncate)$'
  ) or not exists (
    select from fraiseql.captured_relations m where m.relation = f.relation and m.root = c.relation
  )
  union all
  select c.relation::pg_catalog.oid, pg_catalog.format(
    '%s is no part of it any longer, and has triggers still: capture %s again', m.relation, c.relation)
  from fraiseql.captured_tables c
  join fraiseql.captured_relations m on m.root = c.relation
  where not exists (select from fraiseql.members(c.relation) f where f.relation = m.relation)
  union all
  select c.relation::pg_catalog.oid, pg_catalog.format(
    'no unique index holds its key %s any longer, so rows of the same key look like one, and updates '
    'are compared with care, which is slower',
    pg_catalog.array_to_string(c.key_names, ', '))
  from fraiseql.captured_tables c
  where c.key_is_unique and not fraiseql.is_unique(c.relation, c.key_numbers)
    and not exists (
      select from pg_catalog.unnest(c.key_numbers) k(number)
      where not exists (
        select from pg_catalog.pg_attribute a
        where a.attrelid = c.relation and a.attnum = k.number and not a.attisdropped))
  union all
  select c.relation::pg_catalog.oid, pg_catalog.format('its %s column %s is gone', w.what, w.name)
  from fraiseql.captured_tables c
  cross join lateral (
    select 'key' as what, k.name, k.number from unnest(c.key_names, c.key_numbers) k(name, number)
    union all select 'user', c.user_name, c.user_number
    union all select 'org', c.org_name, c.org_number
    union all select 'timestamp', c.timestamp_name, c.timestamp_number
    union all select c.listed, k.name, k.number
      from unnest(c.column_names, c.column_numbers) k(name, number)
  ) w
  where w.name is not null and not exists (
    select from pg_catalog.pg_attribute a
    where a.attrelid = c.relation and a.attnum = w.number and not a.attisdropped)
  union all
  select c.relation::pg_catalog.oid, pg_catalog.format(
    'TRUNCATE of %s gives one event for all rows, since %s may not read every row of it',
    m.relation, p.owner)
  from fraiseql.captured_tables c
  join fraiseql.captured_relations m on m.root = c.relation
  cross join lateral (
    select pg_catalog.pg_get_userbyid(n.nspowner) as owner
    from pg_catalog.pg_namespace n where n.nspname = 'fraiseql'
  ) p
  join pg_catalog.pg_class r on r.oid = m.relation
  where not pg_catalog.has_table_privilege(p.owner, m.relation, 'select')
    or r.relrowsecurity and (r.relforcerowsecurity
        or not pg_catalog.pg_has_role(p.owner, r.relowner, 'usage'))
      and not exists (select from pg_catalog.pg_roles o
        where o.rolname = p.owner and (o.rolsuper or o.rolbypassrls))`;

/** An array literal of PostgreSQL. */
function arrayText(items: readonly string[]): string {
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
}
