/** The side of the embedded store that searches ask. */

import { deadline } from "../../deadlines.ts";
import { abortError, AppError } from "../../errors.ts";
import type { SearchOptions, SearchPage, SearchQuery, SearchStore } from "../store.ts";
import { Reader } from "./reader.ts";
import { Searcher, type SqliteSearchOptions } from "./searcher.ts";

/** Opens nothing yet: workers start with the first search. */
export function openSqliteSearch(options: SqliteSearchOptions): SearchStore {
  return isBundled ? new SearchHere(options) : new SqliteSearch(options);
}

/** A compiled program has no file for a worker to start from. */
const isBundled = !import.meta.url.endsWith("/lib/search/sqlite/sqlite_search.ts");

/** Others have to wait while it searches. */
class SearchHere implements SearchStore {
  readonly #searcher: Searcher;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SqliteSearchOptions) {
    this.#searcher = new Searcher(options);
  }

  async search(query: SearchQuery, { signal, secondsMax }: SearchOptions): Promise<SearchPage> {
    const turn = this.#last.then(() => {
      if (signal.aborted) throw abortError(signal);
      return this.#searcher.search(query, secondsMax, () => false);
    });
    this.#last = turn.catch(() => {}); // it is told to who asked for it
    return await turn;
  }

  async close(): Promise<void> {
    await this.#last;
    this.#searcher.close();
  }
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

  constructor(private readonly options: SqliteSearchOptions) {}

  async search(query: SearchQuery, options: SearchOptions): Promise<SearchPage> {
    const msMax = options.secondsMax * 1000;
    const late = new AbortController();
    const cancel = deadline(msMax, () => late.abort(new DOMException("late", "TimeoutError")));
    const signal = AbortSignal.any([options.signal, late.signal]);
    const endMs = performance.now() + msMax;
    try {
      const reader = await this.#reader(signal);
      if (this.#isClosed) throw closed(); // or it would start its worker again
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
    if (this.#readers.length < this.options.limits.searchReadersMax) {
      const reader = new Reader(this.options);
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
