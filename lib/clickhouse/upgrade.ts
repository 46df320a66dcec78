/**
 * Brings the table of an earlier version to this one, whose key or engine no statement can change: a
 * table of this version is filled beside it, the two change names at once, and what was written
 * meanwhile is copied after. It can be killed and repeated at any moment: what is there already is
 * known by sums, and an event that was copied twice is seen once.
 */

import { AppError } from "../errors.ts";
import { type AskOptions, type Clickhouse, quoted } from "./client.ts";
import { createData, EVENT_COLUMNS, EVENTS_DATA, NEW_DATA, type TableOptions } from "./tables.ts";

export interface UpgradeOptions {
  readonly clickhouse: Clickhouse;
  readonly wanted: TableOptions;
  /** In events. */
  readonly onProgress: (done: number, total: number) => void;
  readonly ask: AskOptions;
}

/** Where an upgrade is. */
export type UpgradePlace = "nothing done" | "copying" | "changed names";

/** Ends with the table of this version under its name and nothing else; gives what was copied. */
export async function upgradeData(options: UpgradeOptions, place: UpgradePlace): Promise<number> {
  const { clickhouse, wanted, ask } = options;
  let copied = 0;
  if (place === "nothing done") await clickhouse.command(createData(wanted, NEW_DATA), ask);
  if (place !== "changed names") {
    copied += await copyMissing(options, EVENTS_DATA, NEW_DATA);
    await clickhouse.command(
      `EXCHANGE TABLES ${quoted(EVENTS_DATA)} AND ${quoted(NEW_DATA)}`,
      ask,
    );
  }
  // Writers of an earlier program may have come in between.
  copied += await copyMissing(options, NEW_DATA, EVENTS_DATA);
  await clickhouse.command(`DROP TABLE ${quoted(NEW_DATA)} SYNC`, ask);
  return copied;
}

/** Copies the days of which the two tables do not have the same events; throws where that fails. */
async function copyMissing(
  { clickhouse, wanted, onProgress, ask }: UpgradeOptions,
  from: string,
  to: string,
): Promise<number> {
  // Older events may leave either table while this runs.
  const oldestMs = Date.now() - wanted.retentionDays * dayMs + 3_600_000;
  const oldest = BigInt(Math.floor(oldestMs)) * 1000n;
  const months = await clickhouse.rows<{ readonly month: number; readonly events: string }>(
    `SELECT toYYYYMM(timestamp) AS month, count() AS events FROM ${from} GROUP BY month
     ORDER BY month`,
    ask,
  );
  const total = months.reduce((sum, { events }) => sum + Number(events), 0);
  let [done, copied] = [0, 0];
  for (const { month, events } of months) {
    const before = await sumDays(clickhouse, from, { month, oldest }, ask);
    const there = await sumDays(clickhouse, to, { month, oldest }, ask);
    let seen = done;
    for (const [day, sum] of before) {
      seen += sum.events;
      if (isSame(sum, there.get(day))) continue;
      await copyDay(clickhouse, from, to, day, ask);
      copied += sum.events;
      onProgress(seen, total);
    }
    done += Number(events);
  }
  if (copied > 0) {
    await checkCopied(clickhouse, from, to, oldest, months, ask);
    onProgress(total, total);
  }
  return copied;
}

interface DaySum {
  readonly events: number;
  readonly hash: string;
}

const isSame = (some: DaySum, other: DaySum | undefined) =>
  some.events === other?.events && some.hash === other.hash;

interface OfMonth {
  readonly month: number;
  readonly oldest: bigint;
}

/** Of each day of a month, counted since 1970: its events, each once. */
async function sumDays(
  clickhouse: Clickhouse,
  table: string,
  { month, oldest }: OfMonth,
  ask: AskOptions,
): Promise<Map<number, DaySum>> {
  const rows = await clickhouse.rows<
    { readonly day: string; readonly events: string; readonly hash: string }
  >(
    `SELECT intDiv(micros - positiveModulo(micros, ${signedDay}), ${signedDay}) AS day,
       count() AS events, toString(sumWithOverflow(cityHash64(event_id))) AS hash
     FROM (SELECT toUnixTimestamp64Micro(timestamp) AS micros, event_id FROM ${table} FINAL
       WHERE toYYYYMM(timestamp) = {month:UInt32}) WHERE micros >= {oldest:Int64}
     GROUP BY day ORDER BY day`,
    { ...ask, params: { month, oldest: String(oldest) } },
  );
  return new Map(rows.map(({ day, events, hash }) => [Number(day), {
    events: Number(events),
    hash,
  }]));
}

/** With all of its repeats, so that the lowest position stays. */
async function copyDay(
  clickhouse: Clickhouse,
  from: string,
  to: string,
  day: number,
  ask: AskOptions,
): Promise<void> {
  await clickhouse.command(
    `INSERT INTO ${to} (${COLUMN_NAMES}) SELECT ${COLUMN_NAMES} FROM ${from} WHERE ${ofDay}`,
    // A copy that was killed may have left its token and not its rows.
    { ...ask, params: dayParams(day), settings: { insert_deduplicate: 0 } },
  );
}

/** What is copied must be there, whatever the engine did: the other table is dropped after. */
async function checkCopied(
  clickhouse: Clickhouse,
  from: string,
  to: string,
  oldest: bigint,
  months: readonly { readonly month: number }[],
  ask: AskOptions,
): Promise<void> {
  for (const { month } of months) {
    const before = await sumDays(clickhouse, from, { month, oldest }, ask);
    const there = await sumDays(clickhouse, to, { month, oldest }, ask);
    for (const [day, sum] of before) {
      if (isSame(sum, there.get(day))) continue;
      const [row] = await clickhouse.rows<{ readonly lacking: string }>(
        `SELECT count() AS lacking FROM ${from} WHERE ${ofDay} AND
           toUnixTimestamp64Micro(timestamp) >= {oldest:Int64} AND
           event_id NOT IN (SELECT event_id FROM ${to} WHERE ${ofDay})`,
        { ...ask, params: { ...dayParams(day), oldest: String(oldest) } },
      );
      if (row?.lacking === "0") continue;
      throw new AppError(
        "UNAVAILABLE",
        `${row?.lacking} events of ${new Date(day * dayMs).toISOString().slice(0, 10)} were ` +
          `written to ${from} while it was copied`,
        { hint: "stop the sinks of earlier programs, and run fraiseql migrate again" },
      );
    }
  }
}

const ofDay = `timestamp >= fromUnixTimestamp64Micro({start:Int64}, 'UTC')
  AND timestamp < fromUnixTimestamp64Micro({end:Int64}, 'UTC')`;

const dayParams = (day: number) => ({
  start: String(BigInt(day) * BigInt(dayMicros)),
  end: String(BigInt(day + 1) * BigInt(dayMicros)),
});

const COLUMN_NAMES = EVENT_COLUMNS.map(({ name }) => name).join(", ");
const dayMs = 86_400_000;
const dayMicros = "86400000000";
/** The number itself has no sign, and times before 1970 are lost in a calculation without one. */
const signedDay = `toInt64(${dayMicros})`;
