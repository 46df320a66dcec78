/**
 * Brings the table of an earlier version to this one, whose key or engine no statement can change: a
 * table of this version is filled beside it, the two change names at once, and what was written
 * meanwhile is copied after. It can be killed and repeated at any moment: what is there already is
 * known by sums, and an event that was copied twice is seen once.
 *
 * Several can do it at once. A change of names asks for no condition, and done by two it would bring
 * the earlier table back: so the filled table gets a name first that one of them alone knows, and who
 * finds a table gone looks anew.
 */

import { AppError } from "../errors.ts";
import { pause } from "../waiting.ts";
import { type AskOptions, type Clickhouse, quoted } from "./client.ts";
import {
  createData,
  EVENT_COLUMNS,
  EVENTS_DATA,
  NEW_DATA,
  type TableOptions,
  tablesVersion,
} from "./tables.ts";

export interface UpgradeOptions {
  readonly clickhouse: Clickhouse;
  readonly wanted: TableOptions;
  /** What is there at that moment. */
  readonly readPlace: () => Promise<UpgradePlace>;
  /** For what drops a table with all events; such is refused by default. */
  readonly dropSettings: Readonly<Record<string, number>>;
  /** In events. */
  readonly onProgress: (done: number, total: number) => void;
  readonly ask: AskOptions;
}

/** Where an upgrade is. */
export interface UpgradePlace {
  /** Of the table under its name. */
  readonly version: number;
  /** The names of tables beside it, which are filled, or were the earlier ones. */
  readonly beside: readonly string[];
}

export const isUpgraded = ({ version, beside }: UpgradePlace) =>
  version === tablesVersion && beside.length === 0;

/** Ends with the table of this version under its name and nothing else; gives what was copied. */
export async function upgradeData(options: UpgradeOptions): Promise<number> {
  let copied = 0;
  const onCopied = (events: number) => copied += events;
  for (let gone = 0;;) {
    const place = await options.readPlace();
    if (isUpgraded(place)) return copied;
    try {
      await (place.version === tablesVersion ? clear : replace)(options, place, onCopied);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "NOT_FOUND" || ++gone > goneMax) {
        throw error;
      }
      await pause(goneWaitMs, options.ask.signal); // another one is further
    }
  }
}

type Step = (
  options: UpgradeOptions,
  place: UpgradePlace,
  onCopied: (events: number) => void,
) => Promise<void>;

/** Fills a table beside the earlier one, and changes their names. */
const replace: Step = async (options, { beside }, onCopied) => {
  const { clickhouse, wanted, readPlace, ask } = options;
  const filled = beside[0] ?? NEW_DATA;
  if (beside.length === 0) await clickhouse.command(createData(wanted, filled), ask);
  onCopied(await copyMissing(options, EVENTS_DATA, filled));
  const own = `${NEW_DATA}_${crypto.randomUUID().slice(0, 8)}`;
  await clickhouse.command(`RENAME TABLE ${quoted(filled)} TO ${quoted(own)}`, ask);
  if ((await readPlace()).version === tablesVersion) return;
  // Never twice: whoever takes the table over gives it another name.
  await clickhouse.command(`EXCHANGE TABLES ${quoted(EVENTS_DATA)} AND ${quoted(own)}`, ask);
};

/** Writers of an earlier program may have come in between. */
const clear: Step = async (options, { beside }, onCopied) => {
  const { clickhouse, dropSettings: settings, ask } = options;
  for (const table of beside) {
    onCopied(await copyMissing(options, table, EVENTS_DATA));
    await clickhouse.command(`DROP TABLE ${quoted(table)} SYNC`, { ...ask, settings });
  }
};

/** Each time another one has done a step. */
const goneMax = 20;
const goneWaitMs = 200;

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
