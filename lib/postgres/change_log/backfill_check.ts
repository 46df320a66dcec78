/** What a back-fill needs, asked before anything is done, and that it is alone on its table. */

import { AppError } from "../../errors.ts";
import { pause } from "../../waiting.ts";
import type { Connection } from "../connection.ts";
import type { CaptureRequest } from "./capture.ts";
import { tryBackfillLock } from "./locks.ts";

/** Throws what keeps the rows of the tables from being read and locked. */
export async function checkBackfills(
  connection: Connection,
  requests: readonly CaptureRequest[],
): Promise<void> {
  if (connection.facts.pooled) {
    throw new AppError("BAD_INPUT", "a back-fill works on one session, and a pooler gives others", {
      hint: "set DATABASE_URL to PostgreSQL itself for this command",
    });
  }
  if (!await hasBackfills(connection)) {
    throw new AppError("NOT_FOUND", "the change log has no room for a back-fill's progress yet", {
      hint: "run fraiseql migrate",
    });
  }
  for (const request of requests) {
    for (const part of await connection.query(PARTS, [request.table.oid])) checkPart(part);
    if (request.timestampColumn !== null) await checkTime(connection, request);
  }
}

/** False where the schema was made by a program that knew no back-fill. */
export async function hasBackfills(connection: Connection): Promise<boolean> {
  const [row] = await connection.query(
    "select pg_catalog.to_regclass('fraiseql.backfills') is not null",
  );
  return row?.[0] === "t";
}

/** The table with all that belongs to it, and what this role may do with each. */
const PARTS = `
  with recursive family as (
    select $1::pg_catalog.oid as relation
    union
    select i.inhrelid from pg_catalog.pg_inherits i join family f on i.inhparent = f.relation
  )
  select c.oid::pg_catalog.regclass::pg_catalog.text, c.relkind, current_user,
    pg_catalog.has_table_privilege(c.oid, 'select'),
    pg_catalog.has_any_column_privilege(c.oid, 'update'),
    pg_catalog.row_security_active(c.oid)
  from family f join pg_catalog.pg_class c on c.oid = f.relation order by 1`;

function checkPart([name, kind, role, maySelect, mayUpdate, isSecured]: (string | null)[]): void {
  if (kind === "f") {
    throw new AppError("BAD_INPUT", `${name} is a foreign table, whose rows cannot be locked`, {
      hint: "without --backfill its table is captured; its rows are another database's to capture",
    });
  }
  for (const [right, has] of [["SELECT", maySelect], ["UPDATE", mayUpdate]]) {
    if (has === "t") continue;
    throw new AppError("FORBIDDEN", `role ${role} has no right to ${right} on ${name}`, {
      hint: `a back-fill reads rows and locks them: grant select, update on ${name} to "${role}"`,
    });
  }
  if (isSecured === "t") {
    throw new AppError("FORBIDDEN", `row security hides rows of ${name} from role ${role}`, {
      hint: "run this as a role with BYPASSRLS, or as the owner without FORCE ROW LEVEL SECURITY",
    });
  }
}

async function checkTime(
  connection: Connection,
  { table, timestampColumn }: CaptureRequest,
): Promise<void> {
  const [row] = await connection.query(
    `select pg_catalog.format_type(a.atttypid, null), fraiseql.time_type(a.atttypid) is not null
     from pg_catalog.pg_attribute a
     where a.attrelid = $1::pg_catalog.oid and a.attname = $2 and not a.attisdropped`,
    [table.oid, timestampColumn],
  );
  // A column that is not there is told with the others.
  if (row === undefined || row[1] === "t") return;
  const place = `column ${timestampColumn} of ${table.schema}.${table.name}`;
  throw new AppError("BAD_INPUT", `${place} is of type ${row[0]}, and tells no time`, {
    hint: "name one of type timestamptz, timestamp or date, or leave out --timestamp-column",
  });
}

/** Holds the table for this session's back-fill; throws where another one works on it. */
export async function lockBackfill(
  connection: Connection,
  { oid, schema, name }: CaptureRequest["table"],
): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    if (tries > 0) await pause(tryMs);
    const [row] = await connection.query(
      `select ${tryBackfillLock("$1::pg_catalog.oid")}`,
      [oid],
    );
    if (row?.[0] === "t") return;
  }
  throw new AppError("UNAVAILABLE", `another back-fill of ${schema}.${name} is under way`, {
    hint:
      "fraiseql capture list shows how far it is; where that one is stopped, this goes on from there",
  });
}

/** PostgreSQL notices within that time that a program which was killed is gone. */
const triesMax = 10;
const tryMs = 100;
