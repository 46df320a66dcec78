/** The side of the embedded store that the sink uses. */

import { join } from "node:path";
import { holdLock, unusableFolder } from "../../embedded/folder_lock.ts";
import { abortError } from "../../errors.ts";
import type { IndexedEvent, SearchIndex, StoredSum } from "../store.ts";
import { uuidBytes } from "./event_ids.ts";
import { sqliteFault } from "./faults.ts";
import { MonthWriter, type PlacedEvent, type RefusedRow } from "./month_writer.ts";
import { type Month, monthFile, monthOf } from "./months.ts";
import { removeLeftovers, removeMonths } from "./month_files.ts";
import { sumMonths } from "./sums.ts";

export interface SqliteIndexOptions {
  /** `<data dir>/search`: files of this store and its lock. */
  readonly folder: string;
  /** Names of the configured columns. */
  readonly columns: readonly string[];
  readonly retentionDays: number;
  /** How long to wait for the program before us to end. */
  readonly inUseMsMax?: number;
}

/** Nothing is opened yet: the first call that writes does, and takes the folder for itself. */
export function sqliteIndex(options: SqliteIndexOptions): SearchIndex {
  return new SqliteIndex(options);
}

class SqliteIndex implements SearchIndex {
  #lock: Deno.FsFile | null = null;
  /** The one used last comes last. */
  readonly #writers = new Map<string, MonthWriter>();
  /** The end of what was asked for before. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: SqliteIndexOptions) {}

  ensure(signal: AbortSignal): Promise<void> {
    return this.#inTurn(signal, () => this.#open());
  }

  write(events: readonly IndexedEvent[], signal: AbortSignal): Promise<readonly RefusedRow[]> {
    return this.#inTurn(signal, async () => {
      await this.#open();
      const { months, refused } = byMonth(events);
      for (const { month, events } of months) {
        const path = join(this.options.folder, monthFile(month));
        try {
          refused.push(...await this.#writer(month, path).write(events, signal));
        } catch (error) {
          this.#closeWriters(); // what is wrong with a file may be over when it is opened again
          throw sqliteFault(error, path);
        }
      }
      return refused.sort((a, b) => a.row - b.row);
    });
  }

  /** Takes no lock: another process may ask while this one writes. */
  sums(fromMicros: number, signal: AbortSignal): Promise<readonly StoredSum[]> {
    return sumMonths(this.options.folder, fromMicros, signal);
  }

  sweep(now: Date, signal: AbortSignal): Promise<readonly string[]> {
    return this.#inTurn(signal, async () => {
      await this.#open();
      this.#closeWriters();
      return await removeMonths(this.options.folder, now, this.options.retentionDays);
    });
  }

  async close(): Promise<void> {
    await this.#last;
    this.#closeWriters();
    this.#lock?.close();
    this.#lock = null;
  }

  /** One after the other: there is one writer of a file. */
  async #inTurn<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => {
      if (signal.aborted) throw abortError(signal);
      return work();
    });
    this.#last = turn.catch(() => {}); // it is told to who asked for it
    return await turn;
  }

  async #open(): Promise<void> {
    if (this.#lock !== null) return;
    const { folder, inUseMsMax } = this.options;
    try {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
      this.#lock = await holdLock(folder, inUseMsMax);
      await removeLeftovers(folder);
    } catch (error) {
      throw unusableFolder(folder, error);
    }
  }

  #writer(month: Month, path: string): MonthWriter {
    const kept = this.#writers.get(path);
    const writer = kept ?? new MonthWriter(path, month, this.options.columns);
    this.#writers.delete(path);
    this.#writers.set(path, writer);
    for (const [oldest, unused] of this.#writers) {
      if (this.#writers.size <= openMonthsMax) break;
      unused.close();
      this.#writers.delete(oldest);
    }
    return writer;
  }

  #closeWriters(): void {
    for (const writer of this.#writers.values()) writer.close();
    this.#writers.clear();
  }
}

/** Each holds some 16 MiB at most; events come in one or two months at a time. */
const openMonthsMax = 3;

function byMonth(events: readonly IndexedEvent[]) {
  const months = new Map<string, { month: Month; events: PlacedEvent[] }>();
  const refused: RefusedRow[] = [];
  for (const [row, event] of events.entries()) {
    const month = monthOf(event.micros);
    const id = uuidBytes(event.eventId);
    if (month === null) refused.push({ row, reason: "its year has not four digits" });
    else if (id === null) refused.push({ row, reason: "event_id is no UUID in lower case" });
    else {
      const there = months.get(month.name) ?? { month, events: [] };
      there.events.push({ row, id, event });
      months.set(month.name, there);
    }
  }
  return { months: [...months.values()], refused };
}
