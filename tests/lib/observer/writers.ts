/** Writers that meet on few rows and do all that writers do, through PostgreSQL's restarts. */

import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../../../lib/errors.ts";
import { connect, type Connection } from "../../../lib/postgres/connection.ts";

/** What they write to. */
export const WRITTEN_TABLES = `
  create table t (id int primary key, v int, by int);
  create table u (id int primary key, t int references t on delete cascade)`;

/** One transaction that is open all the time, but for PostgreSQL's restarts. */
export async function holdOpen(url: string, signal: AbortSignal): Promise<number> {
  for (let id = 1_000_000; !signal.aborted; id++) {
    await withConnection(url, async (connection) => {
      await connection.query(`begin; insert into t values (${id}, 0, -1)`);
      while (!signal.aborted) {
        await connection.query("select 1");
        await delay(50);
      }
      await connection.query("commit");
    });
  }
  return 0;
}

/** Transactions of all kinds, until it is told to stop; gives how many were committed. */
export async function write(
  url: string,
  writer: number,
  random: () => number,
  signal: AbortSignal,
): Promise<number> {
  let committed = 0;
  const pick = (max: number) => Math.floor(random() * max);
  while (!signal.aborted) {
    await withConnection(url, async (connection) => {
      // A crash of PostgreSQL takes commits of the last moments back; none of them may be in NATS.
      if (writer % 2 === 1) await connection.query("set synchronous_commit = off");
      while (!signal.aborted) {
        await connection.query("begin");
        try {
          for (let left = 1 + pick(4); left > 0; left--) {
            await connection.query("savepoint s");
            await connection.query(statement(writer, pick));
            if (pick(6) === 0) await connection.query("rollback to s");
          }
          if (pick(5) === 0) await delay(pick(200)); // a late commit
          await connection.query(pick(8) === 0 ? "rollback" : "commit");
          committed++;
        } catch (error) {
          if (connection.closed || !(error instanceof AppError)) throw error;
          await connection.query("rollback"); // a deadlock, a row that is there
        }
      }
    });
  }
  return committed;
}

/** On few rows, so that writers meet. */
function statement(writer: number, pick: (max: number) => number): string {
  const id = pick(40);
  switch (pick(7)) {
    case 0:
      return `insert into t values (${id}, ${pick(1000)}, ${writer})
        on conflict (id) do update set v = excluded.v, by = excluded.by`;
    case 1:
      return `update t set v = v + 1, by = ${writer} where id = ${id}`;
    case 2:
      return `update t set v = v + 1, by = ${writer} where id between ${id} and ${id + 5}`;
    case 3:
      return `delete from t where id = ${id}`;
    case 4:
      return `insert into u select ${pick(40)}, id from t where id = ${id} on conflict do nothing`;
    case 5:
      return `update t set id = ${id} where id = ${
        pick(40)
      } and not exists (select from t where id = ${id})
        and not exists (select from u where t.id = u.t)`;
    default:
      return `insert into t select n, 0, ${writer} from generate_series(${id}, ${id + 10}) n
        on conflict do nothing`;
  }
}

/** A connection that may be lost at any time; any other failure is the test's. */
async function withConnection(
  url: string,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  let connection: Connection | null = null;
  try {
    connection = await connect({ url });
    await work(connection);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "UNAVAILABLE") throw error;
    await delay(50);
  } finally {
    await connection?.close();
  }
}
