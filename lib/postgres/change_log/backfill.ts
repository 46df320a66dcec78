/** Rows that were in a table before it was captured, brought into the change log chunk by chunk. */

import { AppError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import { pause } from "../../waiting.ts";
import { readState } from "../change_log.ts";
import type { Connection } from "../connection.ts";
import { PostgresError } from "../errors.ts";
import type { FoundTable } from "./find_tables.ts";
import { isPublishing } from "./locks.ts";

export interface BackfillOptions {
  /** Of its own, with the table held by `lockBackfill`. */
  readonly connection: Connection;
  readonly table: FoundTable;
  readonly limits: Pick<
    Limits,
    "backfillRowsMax" | "backfillBytesMax" | "backfillLogPercentMax"
  >;
  /** Rows whose own time is older are left out. */
  readonly retentionDays: number;
  /** Told once at the beginning, after each chunk, and while it waits. */
  readonly onProgress: (progress: BackfillProgress) => void;
  /** Ends it after the chunk that is under way. */
  readonly signal: AbortSignal;
}

export interface BackfillCounts {
  readonly rowsDone: number;
  /** Of these, left out since they are older than events are kept. */
  readonly rowsOld: number;
  readonly rowsEstimated: number;
}

export type BackfillProgress =
  & BackfillCounts
  & (
    /** `goes on` is the beginning of one that was stopped before. */
    | { readonly kind: "begins" | "goes on" | "rows" | "rows are locked" }
    | { readonly kind: "log is full"; readonly log: FullLog }
  );

/** So much of it is used that a back-fill waits. */
export interface FullLog {
  readonly bytes: number;
  readonly bytesMax: number;
  /** Somebody is there who brings what it holds into NATS. */
  readonly isPublishing: boolean;
}

export interface Backfilled extends BackfillCounts {
  /** Stopped: the same again goes on from there. */
  readonly ended: "done" | "stopped";
}

/**
 * Which of the tables are to be walked: where some of them are left from an earlier run, those; else all
 * of them, from the first row. All are written down before the first is walked, so that a run that
 * ends in the middle is known to be for the others too.
 */
export async function beginBackfills(
  connection: Connection,
  tables: readonly FoundTable[],
): Promise<FoundTable[]> {
  const oids = (some: readonly FoundTable[]) => `{${some.map(({ oid }) => oid).join(",")}}`;
  const rows = await connection.query(
    `select b.root::pg_catalog.oid, pg_catalog.bool_and(b.state = 'done')
     from fraiseql.backfills b where b.root = any ($1::pg_catalog.oid[]) group by b.root`,
    [oids(tables)],
  );
  const areDone = new Map(rows.map(([oid, isDone]) => [oid, isDone === "t"]));
  const goesOn = [...areDone.values()].includes(false);
  const left = tables.filter(({ oid }) => !goesOn || !areDone.get(oid));
  await connection.query(
    "select fraiseql.begin_backfill(t.oid) from pg_catalog.unnest($1::pg_catalog.oid[]) t(oid)",
    [oids(left)],
  );
  return left;
}

/**
 * Appends every row of a captured table to the change log, or those that an earlier run left. Each
 * chunk is one transaction that holds its progress too: whatever is killed, none is appended twice.
 */
export async function backfill(options: BackfillOptions): Promise<Backfilled> {
  const { connection, table, limits, signal } = options;
  const place = `${table.schema}.${table.name}`;
  // In another isolation a row that is written meanwhile would be a failure, and not waited for.
  await connection.query(
    "set session characteristics as transaction isolation level read committed, read write",
  );
  const { goesOn, parts, ...begun } = await begin(connection, table);
  let counts: BackfillCounts = begun;
  options.onProgress({ kind: goesOn ? "goes on" : "begins", ...counts });
  if (parts === 0) return { ended: "done", ...counts };
  let rowsMax = limits.backfillRowsMax;
  while (!signal.aborted) {
    const chunk = await nextChunk(options, rowsMax, place);
    switch (chunk.outcome) {
      case "go on":
        counts = {
          ...counts,
          rowsDone: counts.rowsDone + chunk.rows,
          rowsOld: counts.rowsOld + chunk.old,
        };
        rowsMax = Math.min(limits.backfillRowsMax, rowsMax * 2);
        options.onProgress({ kind: "rows", ...counts });
        break;
      case "done":
        return { ended: "done", ...counts };
      case "full":
        options.onProgress({ kind: "log is full", log: await readFullLog(connection), ...counts });
        await pause(fullMs, signal);
        break;
      case "locked":
        // Up to the row that somebody holds it can go on, in smaller steps.
        rowsMax = Math.max(1, Math.floor(rowsMax / 2));
        options.onProgress({ kind: "rows are locked", ...counts });
        await pause(lockedMs, signal);
        break;
      case "removed":
        throw removed(place, counts);
      case "broken":
        throw new AppError("BAD_INPUT", `the back-fill of ${place} cannot go on: ${chunk.reason}`, {
          hint: `name columns that are there: fraiseql capture add ${table.name} --backfill ...`,
        });
      default:
        chunk satisfies never;
    }
  }
  return { ended: "stopped", ...counts };
}

/** The publisher is not that soon done, and measuring the log costs PostgreSQL a millisecond. */
const fullMs = 1000;
/** Who waits for a row in the chunk that gave up can go first. */
const lockedMs = 100;

interface Begun extends BackfillCounts {
  readonly goesOn: boolean;
  /** Tables that hold rows; a partitioned one may have none. */
  readonly parts: number;
}

async function begin(connection: Connection, { oid }: FoundTable): Promise<Begun> {
  const [row = []] = await connection.query(
    `select b.goes_on, b.rows_done, b.rows_old, b.rows_estimated, b.parts
     from fraiseql.begin_backfill($1::pg_catalog.oid) b`,
    [oid],
  );
  return {
    goesOn: row[0] === "t" && Number(row[1]) > 0,
    rowsDone: Number(row[1]),
    rowsOld: Number(row[2]),
    rowsEstimated: Number(row[3]),
    parts: Number(row[4]),
  };
}

type Chunk =
  | { readonly outcome: "go on"; readonly rows: number; readonly old: number }
  | { readonly outcome: "done" | "full" | "locked" | "removed" }
  | { readonly outcome: "broken"; readonly reason: string };

async function nextChunk(
  { connection, table, limits, retentionDays }: BackfillOptions,
  rowsMax: number,
  place: string,
): Promise<Chunk> {
  try {
    const [row = []] = await connection.query(
      `select c.outcome, c.reason, c.row_count, c.old_count
       from fraiseql.backfill_chunk($1::pg_catalog.oid, $2::pg_catalog.int4, $3::pg_catalog.int8,
         pg_catalog.make_interval(days => $4::pg_catalog.int4), $5::pg_catalog.int4) c`,
      [
        table.oid,
        String(rowsMax),
        String(limits.backfillBytesMax),
        String(retentionDays),
        String(limits.backfillLogPercentMax),
      ],
    );
    const [outcome, reason, rows, old] = row;
    if (outcome === "go on") return { outcome, rows: Number(rows), old: Number(old) };
    if (outcome === "broken") return { outcome, reason: reason ?? "" };
    if (outcome === "done" || outcome === "full" || outcome === "removed") return { outcome };
    throw new Error(`no outcome of a chunk: ${outcome}`);
  } catch (error) {
    const state = error instanceof AppError && error.cause instanceof PostgresError
      ? error.cause.sqlState
      : "";
    if (LOCKED.includes(state)) return { outcome: "locked" };
    if (!connection.closed && !await isThere(connection)) {
      throw new AppError(
        "NOT_FOUND",
        `schema fraiseql was removed, which ended the back-fill of ${place}`,
        {
          hint: "run fraiseql migrate, then capture the table again",
        },
      );
    }
    throw error;
  }
}

async function readFullLog(connection: Connection): Promise<FullLog> {
  const { bytes, bytesMax } = await readState(connection);
  const [row] = await connection.query(`select ${isPublishing}`);
  return { bytes, bytesMax, isPublishing: row?.[0] === "t" };
}

/** Deadlock, lock not available in time. */
const LOCKED: readonly string[] = ["40P01", "55P03", "40001"];

async function isThere(connection: Connection): Promise<boolean> {
  const [row] = await connection.query("select pg_catalog.to_regnamespace('fraiseql') is not null");
  return row?.[0] === "t";
}

function removed(place: string, { rowsDone }: BackfillCounts): AppError {
  return new AppError(
    "NOT_FOUND",
    `${place} is captured no longer: its back-fill ended after ${rowsDone} rows`,
    {
      hint: "fraiseql capture add with --backfill captures it again, and begins from the first row",
    },
  );
}
