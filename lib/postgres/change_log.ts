/**
 * The change log as its reader sees it: polls by snapshot windows, and slots that are emptied.
 *
 * A poll is what became visible between two snapshots. A reader that keeps the last snapshot whose
 * rows it has dealt with, and the last position within an unfinished window, misses nothing and
 * reads nothing twice: transactions that commit late are in a later window, and none is waited for.
 * Within a window rows come in order of their positions, which is the order of the writes of a row.
 */

import { AppError } from "../errors.ts";
import { EVENT_COLUMNS } from "./change_log/event_row.ts";
import type { Connection } from "./connection.ts";
import { FROM_SERVER } from "./messages.ts";

/** What is visible: `pg_snapshot` as PostgreSQL writes it, `xmin:xmax:xip,xip`. */
export type Snapshot = string;

/** Before everything: the window after it holds all that the log has. */
export const FIRST_SNAPSHOT: Snapshot = "1:1:";

/** The rows to read: visible in `to`, not in `from`, and behind `position` where reading stopped. */
export interface Window {
  readonly from: Snapshot;
  readonly to: Snapshot;
  /** 0 for the beginning. */
  readonly position: bigint;
}

/** Messages of whole rows, for EventRow; valid until the next are asked for. */
export interface LoggedRows {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** How full the log is. */
export interface ChangeLogState {
  readonly bytes: number;
  readonly bytesMax: number;
  /** The share of the log that cannot be emptied yet, since writers use it. */
  readonly currentSlot: number;
  readonly isFull: boolean;
  readonly lastPosition: bigint;
  readonly openGaps: readonly Gap[];
}

/** Writes that are not in the log. */
export interface Gap {
  /** Null: of every entity type. */
  readonly entityType: string | null;
  readonly reason: string;
  readonly beganAt: string;
}

/** What may be published. */
export interface Publishable {
  readonly snapshot: Snapshot;
  readonly isOnDisk: boolean;
  /** That a writer has drawn, of a transaction that may not have ended yet; 0 where there is none. */
  readonly lastPosition: bigint;
}

/**
 * The snapshot now, and whether a crash of PostgreSQL could still undo something that it shows: what
 * was committed asynchronously, and the numbers of transactions that were rolled back, which others
 * would get again. What is published must not be so; `flush` first.
 */
export async function snapshotToPublish(connection: Connection): Promise<Publishable> {
  const [row = []] = await connection.query(`
    select pg_catalog.pg_current_snapshot(),
      pg_catalog.pg_current_wal_flush_lsn() >= pg_catalog.pg_current_wal_insert_lsn(),
      case when p.is_called then p.last_value else 0 end
    from fraiseql.change_log_position p`);
  return { snapshot: row[0] ?? "", isOnDisk: row[1] === "t", lastPosition: BigInt(row[2] ?? 0) };
}

/** The snapshot now: the end of the next window. */
export async function currentSnapshot(connection: Connection): Promise<Snapshot> {
  const [row] = await connection.query("select pg_catalog.pg_current_snapshot()");
  return row?.[0] ?? "";
}

/**
 * Settings of a session that reads windows. The plan is made once: with 16 slots that takes longer
 * than reading a few rows, and there is but one good plan. Large windows are sorted.
 */
export async function prepareReader(connection: Connection): Promise<void> {
  await connection.query(`
    set plan_cache_mode = force_generic_plan;
    set jit = off;
    set max_parallel_workers_per_gather = 0;
    set work_mem = '${sortKiBMax}kB'`);
}

/** A sort of more goes to the disk; more than this saves little of that. */
const sortKiBMax = 64 * 1024;

/**
 * The window's rows in order of their positions, as they come: not asking for the next holds
 * PostgreSQL back. Leaving early closes the connection, since the rest is on its way. The same window
 * gives the same rows again, for as long as none of them was emptied.
 */
export async function* readWindow(
  connection: Connection,
  window: Window,
): AsyncGenerator<LoggedRows> {
  if (window.from === window.to) return;
  yield* readRows(connection, WINDOW, windowParameters(window));
}

/** Events by their own times. */
export interface LoggedTimes {
  /** What it shows. */
  readonly snapshot: Snapshot;
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
}

/** The events of that time that the log still has, in any order, as `readWindow` gives them. */
export function readTimes(
  connection: Connection,
  { snapshot, from, to }: LoggedTimes,
): AsyncGenerator<LoggedRows> {
  return readRows(connection, TIMES, [snapshot, from.toISOString(), to.toISOString()]);
}

const TIMES = `
  select ${EVENT_COLUMNS}
  from fraiseql.change_log l
  where pg_catalog.pg_visible_in_snapshot(l.xid, $1::pg_catalog.pg_snapshot)
    and l.recorded_at >= $2::pg_catalog.timestamptz
    and l.recorded_at < $3::pg_catalog.timestamptz`;

async function* readRows(
  connection: Connection,
  sql: string,
  parameters: string[],
): AsyncGenerator<LoggedRows> {
  const { wire } = connection;
  const messages = connection.messages.clear();
  const name = connection.statements.use(sql, messages);
  messages.bind(name, parameters, "binary").execute().sync();
  const written = connection.send(messages, 1);
  let failure: AppError | null = null;
  try {
    while (connection.unanswered > 0) {
      const start = wire.start;
      const end = wire.endOfRows();
      if (end > start) {
        wire.start = end;
        yield { bytes: wire.bytes, start, end };
        continue;
      }
      const letter = wire.tryNext();
      if (letter === 0) await connection.fill(failure);
      else if (letter === FROM_SERVER.error) failure ??= connection.failure();
      else connection.take(letter);
    }
  } finally {
    if (connection.unanswered > 0) connection.abandon();
  }
  await written;
  if (failure) throw failure;
}

/**
 * Visible in the later snapshot and not in the earlier: of the transactions that were in progress
 * then, and of those that had not begun. `xid` is qualified, so that the index on it is used.
 */
const WINDOW = `
  select ${EVENT_COLUMNS}
  from fraiseql.change_log l
  where (l.xid = any ($1::pg_catalog.xid8[])
      or l.xid >= $2::pg_catalog.xid8 and l.xid < $3::pg_catalog.xid8)
    and pg_catalog.pg_visible_in_snapshot(l.xid, $4::pg_catalog.pg_snapshot)
    and l.position > $5::pg_catalog.int8
  order by l.position`;

function windowParameters({ from, to, position }: Window): string[] {
  const old = parseSnapshot(from);
  return [`{${old.inProgress.join(",")}}`, old.xmax, parseSnapshot(to).xmax, to, String(position)];
}

function parseSnapshot(text: Snapshot): { xmax: string; inProgress: string[] } {
  const match = /^\d+:(\d+):([\d,]*)$/.exec(text);
  if (!match) throw new AppError("BAD_INPUT", `not a snapshot: ${JSON.stringify(text)}`);
  const [, xmax = "", inProgress = ""] = match;
  return { xmax, inProgress: inProgress.split(",").filter((xid) => xid) };
}

/**
 * Says that the reader sleeps, and so is to be woken by NOTIFY on `fraiseql_events`. A writer that
 * looked just before does not know yet: poll once more after this, and seldom while asleep, since
 * its transaction can end later.
 */
export async function fallAsleep(connection: Connection): Promise<void> {
  await connection.query("select pg_catalog.setval('fraiseql.reader_asleep', 2)");
}

/** Says that the reader polls by itself; notifications make commits wait for each other. */
export async function wakeUp(connection: Connection): Promise<void> {
  await connection.query("select pg_catalog.setval('fraiseql.reader_asleep', 1)");
}

/** Moves writers to the next slot when theirs is large or old, so that it can be emptied later. */
export async function advanceSlot(
  connection: Connection,
  slot: { readonly bytesMax: number; readonly secondsMax: number },
): Promise<boolean> {
  const [row] = await connection.query(
    `select fraiseql.advance_slot($1::pg_catalog.int8,
      pg_catalog.make_interval(secs => $2::pg_catalog.float8))`,
    [String(slot.bytesMax), String(slot.secondsMax)],
  );
  return row?.[0] === "t";
}

/** What may leave the log: every row that is visible in the snapshot and was written before. */
export interface Confirmed {
  readonly snapshot: Snapshot;
  readonly before: Date;
}

/**
 * Empties each slot whose rows may all leave, and keeps their digest. A slot that somebody uses is
 * left for the next time. Gives the number of rows that left.
 */
export async function emptySlots(connection: Connection, confirmed: Confirmed): Promise<number> {
  let rows = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    const [row] = await connection.query(
      `select fraiseql.empty_slot($1::pg_catalog.int2, $2::pg_catalog.pg_snapshot,
        $3::pg_catalog.timestamptz, $4::pg_catalog.int4)`,
      [String(slot), confirmed.snapshot, confirmed.before.toISOString(), String(lockMsMax)],
    );
    rows += Number(row?.[0] ?? 0);
  }
  return rows;
}

/** As tables.sql makes them. */
const slotCount = 16;

/** Writers whose old snapshot leads them to the slot wait this long at most. */
const lockMsMax = 50;

/** Reads how full the log is, and what it misses. */
export async function readState(connection: Connection): Promise<ChangeLogState> {
  const [row = []] = await connection.query(`
    select fraiseql.change_log_bytes(), s.log_bytes_max, s.current_slot, f.last_value = 2,
      case when p.is_called then p.last_value else 0 end
    from fraiseql.capture_settings s, fraiseql.change_log_full f, fraiseql.change_log_position p`);
  const gaps = await connection.query(`
    select entity_type, reason, fraiseql.event_time(pg_catalog.min(began_at))
    from fraiseql.change_gaps where ended_at is null group by 1, 2 order by 1, 2`);
  return {
    bytes: Number(row[0]),
    bytesMax: Number(row[1]),
    currentSlot: Number(row[2]),
    isFull: row[3] === "t",
    lastPosition: BigInt(row[4] ?? 0),
    openGaps: gaps.map(([entityType, reason, beganAt]) => ({
      entityType: entityType ?? null,
      reason: reason ?? "",
      beganAt: beganAt ?? "",
    })),
  };
}
