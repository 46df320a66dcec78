/** What the files hold by entity type and hour, for `verify`. */

import { join } from "node:path";
import { setImmediate as others } from "node:timers/promises";
import { abortError } from "../../errors.ts";
import { eventHash, EventSums } from "../../events/event_sums.ts";
import type { StoredSum } from "../store.ts";
import { sqliteFault } from "./faults.ts";
import { openToRead } from "./month_tables.ts";
import { firstRow, type Month, monthFile } from "./months.ts";
import { monthsThere } from "./month_files.ts";

/** Of all events from that time on. */
export async function sumMonths(
  folder: string,
  fromMicros: number,
  signal: AbortSignal,
): Promise<StoredSum[]> {
  const sums = new EventSums();
  for (const month of await monthsThere(folder)) {
    if (month.endMs * 1000 <= fromMicros) continue;
    const path = join(folder, monthFile(month));
    try {
      await addMonth(sums, { path, month, fromMicros, signal });
    } catch (error) {
      throw sqliteFault(error, path);
    }
  }
  return sums.keys().map((key) => {
    const space = key.indexOf(" ");
    return { hour: key.slice(0, space), entityType: key.slice(space + 1), ...sums.get(key) };
  });
}

interface MonthToAdd {
  readonly path: string;
  readonly month: Month;
  readonly fromMicros: number;
  readonly signal: AbortSignal;
}

async function addMonth(sums: EventSums, options: MonthToAdd): Promise<void> {
  const { path, month, fromMicros, signal } = options;
  const database = openToRead(path);
  if (database === null) return;
  try {
    // In parts, so that others get their turn. One snapshot of all of them.
    database.exec("begin");
    const part = database.prepare(
      `select n, micros, entity_type, lower(hex(id)) as id from events
      where n > ? and micros >= ? order by n limit ${eventsPerTurn}`,
    );
    let after = Math.max(firstRow(month, fromMicros), 0) - 1;
    for (;;) {
      const rows = part.all(after, fromMicros);
      for (const { n, micros, entity_type: type, id } of rows) {
        const hour = new Date(Math.floor(Number(micros) / 1000)).toISOString();
        sums.add(String(type), hour.slice(0, "2026-01-01T00".length), 1, eventHash(String(id)));
        after = Number(n);
      }
      if (rows.length < eventsPerTurn) return;
      await others();
      if (signal.aborted) throw abortError(signal);
    }
  } finally {
    database.close();
  }
}

const eventsPerTurn = 2000;
