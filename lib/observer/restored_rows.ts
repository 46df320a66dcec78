/** Rows of the change log that a dump brought from a cluster whose transactions were further. */

import type { Connection } from "../postgres/connection.ts";

/**
 * Gives them this transaction's number, and gives how many there were. They would be seen only when
 * this cluster's transactions come to their numbers, behind events that are newer, or never. In a log
 * that was written here there is none: who can be seen has a number below the snapshot's end.
 */
export async function adoptRestoredRows(connection: Connection): Promise<number> {
  const [row] = await connection.query(`
    with adopted as (
      update fraiseql.change_log l set xid = pg_catalog.pg_current_xact_id()
      where l.xid >= pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())
      returning 1)
    select pg_catalog.count(*) from adopted`);
  return Number(row?.[0]);
}
