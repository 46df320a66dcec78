/** Writers that write as many events as they are told, in large statements, and wait for the log. */

import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../../lib/errors.ts";
import { connect } from "../../lib/postgres/connection.ts";
import { PostgresError } from "../../lib/postgres/errors.ts";

/** A table for each writer. Rows come and go, so that it is the log that grows and not these. */
export const BULK_TABLES = ["orders", "payments", "visits"] as const;

/** Rows of a statement, each an event. */
export const statementRows = 5000;

/** Makes the tables; an event's line has some 400 bytes. */
export const MAKE_TABLES = BULK_TABLES.map((table) =>
  `create table ${table} (id bigint primary key, buyer uuid not null, org text, status text not null,
    total numeric(12, 2), note text, written_at timestamptz not null default now())`
).join(";\n");

/** What a writer did. */
export interface Written {
  readonly events: number;
  /** Statements that a full change log refused, and that were tried again. */
  readonly refused: number;
}

/** Rows are created, updated and deleted by turns, until so many events are written. */
export async function writeEvents(url: string, table: string, wanted: number): Promise<Written> {
  const connection = await connect({ url });
  let [events, refused] = [0, 0];
  try {
    for (let first = 1; events < wanted; first += statementRows) {
      for (const statement of STATEMENTS) {
        const rows = Math.min(statementRows, wanted - events);
        if (rows === 0) break;
        refused += await untilTaken(() => connection.query(statement(table, first, rows)));
        events += rows;
      }
    }
    return { events, refused };
  } finally {
    await connection.close();
  }
}

type Statement = (table: string, first: number, rows: number) => string;

const STATEMENTS: readonly Statement[] = [
  (table, first, rows) =>
    `insert into ${table} (id, buyer, org, status, total, note)
     select n, gen_random_uuid(), 'org ' || n % 50, 'pending', n % 1000, 'to be left at the door'
     from generate_series(${first}, ${first + rows - 1}) n`,
  (table, first, rows) =>
    `update ${table} set status = 'paid', written_at = now()
     where id between ${first} and ${first + rows - 1}`,
  (table, first, rows) => `delete from ${table} where id between ${first} and ${first + rows - 1}`,
];

/** Tries again while the log is full; gives how often it was. */
async function untilTaken(write: () => Promise<unknown>): Promise<number> {
  for (let refused = 0;; refused++) {
    try {
      await write();
      return refused;
    } catch (error) {
      const cause = error instanceof AppError ? error.cause : null;
      if (!(cause instanceof PostgresError && /change log .* is full/.test(cause.message))) {
        throw error;
      }
    }
    await delay(refusedWaitMs);
  }
}

const refusedWaitMs = 100;
