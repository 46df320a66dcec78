/** The side of the embedded store that searches ask. */

import { deadline } from "../../deadlines.ts";
import { abortError, AppError } from "../../errors.ts";
import type { SearchOptions, SearchPage, SearchQuery, SearchStore } from "../store.ts";
import { Reader } from "./reader.ts";

/** Searches the files in the folder; its workers start with the first search. */
export function openSqliteSearch(folder: string): SearchStore {
  return new SqliteSearch(folder);
}

interface Waiting {
  start(reader: Reader): void;
  refuse(error: AppError): void;
}

class SqliteSearch implements SearchStore {
  readonly #readers: Reader[] = [];
  readonly #free: Reader[] = [];
  readonly #waiting = new Set<Waiting>();
  #isClosed = false;

  constructor(private readonly folder: string) {}

  async search(query: SearchQuery, options: SearchOptions): Promise<SearchPage> {
    const msMax = options.secondsMax * 1000;
    const late = new AbortController();
    const cancel = deadline(msMax, () => late.abort(new DOMException("late", "TimeoutError")));
    const signal = AbortSignal.any([options.signal, late.signal]);
    const endMs = performance.now() + msMax;
    try {
      const reader = await this.#reader(signal);
      try {
        return await reader.search(query, (endMs - performance.now()) / 1000, signal);
      } finally {
        this.#giveBack(reader);
      }
    } finally {
      cancel();
    }
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of this.#waiting) waiting.refuse(closed());
    for (const reader of this.#readers) reader.close();
    return Promise.resolve();
  }

  /** One that has nothing to do. */
  #reader(signal: AbortSignal): Promise<Reader> {
    if (signal.aborted) return Promise.reject(abortError(signal));
    if (this.#isClosed) return Promise.reject(closed());
    const free = this.#free.pop();
    if (free) return Promise.resolve(free);
    if (this.#readers.length < readersMax) {
      const reader = new Reader(this.folder);
      this.#readers.push(reader);
      return Promise.resolve(reader);
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        start: (reader) => settle(() => resolve(reader)),
        refuse: (error) => settle(() => reject(error)),
      };
      const giveUp = () => waiting.refuse(abortError(signal));
      const settle = (act: () => void) => {
        this.#waiting.delete(waiting);
        signal.removeEventListener("abort", giveUp);
        act();
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #giveBack(reader: Reader): void {
    for (const next of this.#waiting) return next.start(reader);
    this.#free.push(reader);
  }
}

function closed(): AppError {
  return new AppError("UNAVAILABLE", "the search store is closed");
}

/** One slow search is not to keep all others waiting; each has a thread and its memory. */
const readersMax = 2;
