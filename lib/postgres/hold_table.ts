/** A table held still, in a snapshot that other connections read too. */

import { abortError } from "../errors.ts";
import type { HeldTable, SqlStatement } from "../query/database.ts";
import type { Connection } from "./connection.ts";
import { onAbort } from "./on_abort.ts";

/** Since 14 PostgreSQL reads the pages of a range alone; before, each part would read all. */
const rangeScanVersion = 140000;

/** Takes the connection over: it is closed when nothing is held, and by `release`. */
export async function holdTable(
  connection: Connection,
  table: { readonly schema: string; readonly name: string },
  statement: SqlStatement,
  signal: AbortSignal,
): Promise<HeldTable> {
  const forget = onAbort(signal, () => connection.abandon());
  let held: HeldTable;
  try {
    held = await hold(connection, table, statement);
  } catch (error) {
    connection.abandon();
    throw signal.aborted ? abortError(signal) : error;
  } finally {
    forget();
  }
  if (held.kind === "whole") await connection.close();
  // Where the connection breaks the snapshot is gone, which its next reader is told.
  else connection.watch(() => {});
  return held;
}

async function hold(
  connection: Connection,
  { schema, name }: { readonly schema: string; readonly name: string },
  statement: SqlStatement,
): Promise<HeldTable> {
  if (connection.facts.version < rangeScanVersion) {
    return whole("PostgreSQL before 14 reads a whole table for any part of it");
  }
  // Each statement has a snapshot of its own: the one that is held must be later than the locks,
  // since a table that was emptied in between would be read as empty in it.
  await connection.query("begin isolation level read committed read only");
  await connection.query(NO_TIMEOUTS);
  // Takes the locks, and finds what is wrong with the query before anybody reads.
  await connection.query(statement.text, statement.parameters);
  const [row = []] = await connection.query(SNAPSHOT, [schema, name]);
  const [snapshot, kind, method, inherited, mayRead, pages] = row;
  if (kind !== "r" && kind !== "m") {
    return whole(`${name} is neither a table nor a materialized view`);
  }
  if (method !== "heap") return whole(`${name} is not stored in pages`);
  if (inherited === "t") return whole(`other tables inherit from ${name}`);
  if (mayRead !== "t") return whole(`the role may not read the column ctid of ${name}`);
  if (!snapshot) throw new Error("pg_export_snapshot() gave nothing");
  return {
    kind: "held",
    pages: Number(pages),
    snapshot: { name: snapshot, release: () => connection.close() },
  };
}

const whole = (why: string): HeldTable => ({ kind: "whole", why });

/** It waits in its transaction on purpose. */
const NO_TIMEOUTS = `
  select pg_catalog.set_config(name, '0', true) from pg_catalog.pg_settings
  where name in ('idle_in_transaction_session_timeout', 'transaction_timeout')`;

const SNAPSHOT = `
  select pg_catalog.pg_export_snapshot(), c.relkind, m.amname,
    exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid),
    case when c.relkind in ('r', 'm') then
      pg_catalog.has_column_privilege(c.oid, 'ctid', 'SELECT') end,
    pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_am m on m.oid = c.relam
  where n.nspname = $1 and c.relname = $2`;
