/** A store of searched events as a destination, whichever of the two it is. */

import { AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { IndexedEvent, SearchIndex } from "../lib/search/store.ts";
import { sweepHourly } from "./search_sweep.ts";
import type { Refusal, Sink } from "./sink.ts";

export interface SearchSinkOptions {
  readonly index: SearchIndex;
  /** For the log. */
  readonly name: string;
  readonly retentionDays: number;
  /** What is further ahead in time is refused. */
  readonly aheadDaysMax: number;
  readonly log: Log;
  /** It is there, and what must be there is. */
  readonly onConnected?: () => void;
  /** So many of a payload were older than the retention. */
  readonly onTooOld?: (count: number) => void;
}

/**
 * Stores events that are not there yet. Those that are older than the retention are left out and
 * counted, as ClickHouse does: their month would be made, and swept within the hour. Those too far
 * ahead are refused: each month is an index or a file of its own, of which a store holds some hundreds.
 *
 * What refuses a payload as a whole is never the data: the store tells of that row by row. So it is
 * waited for, and what does not pass ends the sink when it connects again.
 */
export class SearchSink implements Sink<readonly IndexedEvent[]> {
  readonly name: string;
  readonly #closing = new AbortController();
  #sweeping: Promise<void> | null = null;

  constructor(private readonly options: SearchSinkOptions) {
    this.name = options.name;
  }

  async connect(signal: AbortSignal): Promise<void> {
    const { index, log, onConnected } = this.options;
    await index.ensure(signal);
    // What is no AppError is a fault of ours: unheard, it ends the worker with its stack.
    this.#sweeping ??= sweepHourly(index, log, this.#closing.signal);
    onConnected?.();
  }

  async write(payload: readonly IndexedEvent[], signal: AbortSignal): Promise<Refusal[]> {
    const { retentionDays, aheadDaysMax, onTooOld } = this.options;
    const [oldest, latest] = [microsIn(-retentionDays), microsIn(aheadDaysMax)];
    const rows: number[] = [];
    const refusals: Refusal[] = [];
    for (const [row, { micros, timestamp }] of payload.entries()) {
      if (micros > latest) {
        const reason = `its time is more than ${aheadDaysMax} days ahead: ${timestamp}`;
        refusals.push({ row, reason });
      } else if (micros >= oldest) rows.push(row);
    }
    // Most often nothing is left out, and nothing is copied.
    const isWhole = rows.length === payload.length;
    const events = isWhole ? payload : rows.flatMap((row) => payload[row] ?? []);
    const refused = events.length > 0 ? await this.#store(events, signal) : [];
    const tooOld = payload.length - rows.length - refusals.length;
    if (tooOld > 0) onTooOld?.(tooOld);
    return [...refusals, ...refused.map(({ row, reason }) => ({ row: rows[row] ?? row, reason }))];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#sweeping;
    await this.options.index.close();
  }

  async #store(events: readonly IndexedEvent[], signal: AbortSignal): Promise<readonly Refusal[]> {
    try {
      return await this.options.index.write(events, signal);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "CANCELLED") throw error;
      const { message, hint } = error;
      throw new AppError("UNAVAILABLE", message, { cause: error, ...hint && { hint } });
    }
  }
}

/** The moment so many days from now on. */
function microsIn(days: number): number {
  return (Date.now() + days * dayMs) * 1000;
}

const dayMs = 86_400_000;
