/** `fraiseql capture add --backfill`: the rows that are there become events, and a person sees how far it is. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import {
  backfill,
  type BackfillCounts,
  type BackfillProgress,
  beginBackfills,
  type FullLog,
} from "../lib/postgres/change_log/backfill.ts";
import type { UnfinishedBackfill } from "../lib/postgres/change_log/capture.ts";
import type { FoundTable } from "../lib/postgres/change_log/find_tables.ts";
import type { Connection } from "../lib/postgres/connection.ts";
import { answer, say } from "./say.ts";

/** Back-fills the tables one after another; 1 where it was stopped before its end. */
export async function backfillTables(
  connection: Connection,
  tables: readonly FoundTable[],
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  const left = await beginBackfills(connection, tables);
  for (const table of tables.filter((table) => !left.includes(table))) {
    say(`back-fill of ${table.schema}.${table.name} is done, and the others' goes on`);
  }
  for (const table of left) {
    const place = `${table.schema}.${table.name}`;
    const { limits, eventRetentionDays: retentionDays } = config;
    const onProgress = teller(place, limits.changeLogKeepHours);
    const found = await tellRest(
      place,
      backfill({ connection, table, limits, retentionDays, signal, onProgress }),
    );
    const old = found.rowsOld > 0
      ? `, and left out ${count(found.rowsOld)} older than ${retentionDays} days`
      : "";
    const events = count(found.rowsDone - found.rowsOld);
    if (found.ended === "stopped") {
      say(`back-fill of ${place} stopped at ${farText(found)}`);
      say("hint: the same command again goes on from there");
      return 1;
    }
    answer(`back-filled ${place}: ${events} rows are events${old}\n`);
  }
  return 0;
}

/** A back-fill that is not at its end, for `capture list`. */
export function unfinishedText(table: string, backfill: UnfinishedBackfill): string {
  const far = farText(backfill);
  return backfill.isRunning
    ? `back-fill under way: ${far}`
    : `back-fill stopped at ${far}, ${backfill.updatedAt}: ` +
      `fraiseql capture add ${table} --backfill goes on`;
}

/** Whatever ended it, what was done stays done. */
async function tellRest<Result>(place: string, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AppError && error.code === "UNAVAILABLE") {
      say(`the back-fill of ${place} was cut off: the same command again goes on from there`);
    }
    throw error;
  }
}

/** Says how far it is about every second, and once what it waits for. */
function teller(place: string, keepHours: number): (progress: BackfillProgress) => void {
  const began = performance.now();
  let rowsBefore = 0;
  let saidAt = began;
  let lockedTries = 0;
  let saysFull = false;
  const tell = (text: string) => say(`back-fill of ${place}${text}`);
  return (progress) => {
    const { kind, rowsDone, rowsEstimated } = progress;
    switch (kind) {
      case "begins":
        return tell(`: about ${count(rowsEstimated)} rows`);
      case "goes on":
        rowsBefore = rowsDone;
        return tell(` goes on at ${farText(progress)}`);
      case "rows": {
        [lockedTries, saysFull] = [0, false];
        const now = performance.now();
        if (now - saidAt < sayMs) return;
        saidAt = now;
        const rate = Math.round(1000 * (rowsDone - rowsBefore) / (now - began));
        return tell(`: ${farText(progress)}, ${count(rate)} rows/s`);
      }
      case "log is full":
        if (!saysFull) tell(` waits at ${farText(progress)}: ${fullText(progress.log, keepHours)}`);
        saysFull = true;
        return;
      case "rows are locked":
        if (++lockedTries !== lockedTriesMin) return;
        return tell(` waits at ${farText(progress)}: others hold its next row, or the table`);
      default:
        kind satisfies never;
    }
  };
}

const sayMs = 1000;
/** Of some ms each: shorter waits are nobody's concern. */
const lockedTriesMin = 10;

function fullText({ bytes, bytesMax, isPublishing }: FullLog, keepHours: number): string {
  const MiB = 1024 * 1024;
  const head = `the change log holds ${Math.ceil(bytes / MiB)} of ${
    Math.floor(bytesMax / MiB)
  } MiB`;
  return isPublishing
    ? `${head}, and lets events go ${keepHours} hours after NATS has them (change_log_keep_hours)`
    : `${head}, and no publisher runs that empties it: start fraiseql observe`;
}

function farText(
  { rowsDone, rowsEstimated }: Pick<BackfillCounts, "rowsDone" | "rowsEstimated">,
): string {
  const total = Math.max(rowsEstimated, rowsDone);
  const percent = Math.floor(100 * rowsDone / Math.max(1, total));
  return `${count(rowsDone)} of about ${count(total)} rows (${percent}%)`;
}

const count = (number: number) => number.toLocaleString("en");
