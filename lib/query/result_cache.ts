/**
 * Results that are kept for a while, where the configuration says so (docs/caching.md). It stands
 * between a plan and the database and keeps rows as PostgreSQL sent them, so that both transports
 * share it and an answer from it is the answer that was.
 */

import { createHash } from "node:crypto";
import type { RowChunk } from "../arrow/row_chunk.ts";
import { abortError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Metrics } from "../metrics.ts";
import type { SqlStatement } from "./database.ts";

/** Everything that the rows depend on: who differs in one of these never shares an answer. */
export interface ResultKey {
  /** Whose rights and row security PostgreSQL applies: the role and the database. */
  readonly role: string;
  /** Who asks. Nobody is told from anybody yet; whoever changes that has to fill it here. */
  readonly viewer: "anyone";
  /** Which reading of the catalog the statements were planned by. */
  readonly generation: number;
  readonly statements: readonly SqlStatement[];
}

export interface ResultCacheOptions {
  /** How long rows are given after their snapshot was taken. */
  readonly seconds: number;
  readonly limits: Pick<Limits, "resultCacheBytesMax" | "resultCacheEntryBytesMax">;
  readonly metrics?: Pick<
    Metrics,
    "resultCacheHits" | "resultCacheMisses" | "resultCacheBytes" | "resultCacheEntries"
  >;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
}

export interface CachedReadOptions {
  readonly signal: AbortSignal;
  readonly fromCache?: (ageSeconds: number) => void;
}

/** A whole result. */
interface Entry {
  readonly digest: string;
  readonly chunks: readonly RowChunk[];
  readonly bytes: number;
  readonly readAt: number;
  /** Answers that are being given from it; its memory is not free before they have ended. */
  readers: number;
  isDropped: boolean;
}

/**
 * Whole results by their key, the least recently used dropped first. The bytes of results that are
 * being read, and of dropped ones that are still being sent, count too.
 *
 * Equal queries that come at once each read for themselves: none waits for another's slow client,
 * and none loses its rows because another left.
 */
export class ResultCache {
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #options: ResultCacheOptions;
  readonly #now: () => number;
  #bytes = 0;
  #sweptAt: number;
  /** Counts how often all was dropped, so that a read that began before is not kept. */
  #drops = 0;

  constructor(options: ResultCacheOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sweptAt = this.#now();
  }

  /**
   * The rows from the cache, and `fromCache` is told their age before the first; or those of `read`,
   * which are kept if they come to their end.
   */
  async *rows(
    key: ResultKey,
    read: () => AsyncIterable<RowChunk>,
    options: CachedReadOptions,
  ): AsyncGenerator<RowChunk, void, undefined> {
    const { metrics } = this.#options;
    const digest = digestOf(key);
    const entry = this.#find(digest);
    try {
      if (entry) {
        metrics?.resultCacheHits.inc();
        yield* this.#give(entry, options);
      } else {
        metrics?.resultCacheMisses.inc();
        yield* this.#fill(digest, read);
      }
    } finally {
      this.#report();
    }
  }

  /** Forgets all, e.g. because the schema was read again. */
  clear(): void {
    this.#drops++;
    for (const entry of this.#entries.values()) this.#drop(entry);
    this.#report();
  }

  #find(digest: string): Entry | undefined {
    this.#sweep();
    const entry = this.#entries.get(digest);
    if (!entry) return undefined;
    if (this.#isOld(entry.readAt)) {
      this.#drop(entry);
      return undefined;
    }
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    return entry;
  }

  async *#give(entry: Entry, { signal, fromCache }: CachedReadOptions): AsyncGenerator<RowChunk> {
    entry.readers++;
    try {
      fromCache?.(Math.floor((this.#now() - entry.readAt) / 1000));
      for (const chunk of entry.chunks) {
        if (signal.aborted) throw abortError(signal);
        yield chunk;
      }
    } finally {
      entry.readers--;
      if (entry.isDropped && entry.readers === 0) this.#bytes -= entry.bytes;
    }
  }

  async *#fill(digest: string, read: () => AsyncIterable<RowChunk>): AsyncGenerator<RowChunk> {
    // Before PostgreSQL takes its snapshot, so that the age told is never too small.
    const readAt = this.#now();
    const drops = this.#drops;
    const { resultCacheEntryBytesMax } = this.#options.limits;
    let chunks: RowChunk[] | null = [];
    let bytes = 0;
    const hasRoom = (more: number) =>
      bytes + more <= resultCacheEntryBytesMax && this.#makeRoom(more);
    try {
      if (hasRoom(entryBytes)) bytes += entryBytes;
      else chunks = null;
      for await (const chunk of read()) {
        const length = chunk.end - chunk.start;
        if (chunks && hasRoom(length + chunkBytes)) {
          bytes += length + chunkBytes;
          const copy = chunk.bytes.slice(chunk.start, chunk.end);
          chunks.push({ statement: chunk.statement, bytes: copy, start: 0, end: length });
        } else if (chunks) {
          chunks = null;
          this.#bytes -= bytes;
          bytes = 0;
        }
        yield chunk;
      }
      if (chunks && drops === this.#drops && !this.#isOld(readAt)) {
        this.#keep({ digest, chunks, bytes, readAt, readers: 0, isDropped: false });
        bytes = 0;
      }
    } finally {
      this.#bytes -= bytes;
    }
  }

  #keep(entry: Entry): void {
    const other = this.#entries.get(entry.digest);
    if (other && other.readAt > entry.readAt) {
      this.#bytes -= entry.bytes;
      return;
    }
    if (other) this.#drop(other);
    this.#entries.set(entry.digest, entry);
  }

  /** Takes so many bytes, dropping what was used least recently; false where that is not enough. */
  #makeRoom(bytes: number): boolean {
    const { resultCacheBytesMax } = this.#options.limits;
    for (const entry of this.#entries.values()) {
      if (this.#bytes + bytes <= resultCacheBytesMax) break;
      // One that is being sent would give nothing back.
      if (entry.readers === 0) this.#drop(entry);
    }
    if (this.#bytes + bytes > resultCacheBytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.digest);
    entry.isDropped = true;
    if (entry.readers === 0) this.#bytes -= entry.bytes;
  }

  /** Now and then, so that what nobody asks for again does not lie in memory. */
  #sweep(): void {
    if (!this.#isOld(this.#sweptAt)) return;
    this.#sweptAt = this.#now();
    for (const entry of this.#entries.values()) {
      if (this.#isOld(entry.readAt)) this.#drop(entry);
    }
  }

  #isOld(since: number): boolean {
    return this.#now() - since >= this.#options.seconds * 1000;
  }

  #report(): void {
    this.#options.metrics?.resultCacheBytes.set(this.#bytes);
    this.#options.metrics?.resultCacheEntries.set(this.#entries.size);
  }
}

/** What an entry, and each of its chunks, takes beside its rows: objects, the digest, the map. */
const entryBytes = 600;
const chunkBytes = 300;

function digestOf({ role, viewer, generation, statements }: ResultKey): string {
  const sent = statements.map(({ text, parameters }) => [text, parameters]);
  const said = JSON.stringify([role, viewer, generation, sent]);
  return createHash("sha256").update(said).digest("base64");
}
