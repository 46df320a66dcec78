/**
 * When the catalog is read again: where somebody asks for it by name, after a read that found another
 * schema than planned, and after a request that was refused, perhaps because it knows a later one.
 */

import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";

export interface WatchOptions {
  /** Reads the catalog; true where it is another than the one that was planned by. */
  readonly read: () => Promise<boolean>;
  readonly limits: Pick<Limits, "catalogReadsPerMinuteMax">;
  readonly log: Log | null;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep?: (ms: number) => Promise<void>;
}

/**
 * One read at a time, and a least time between their beginnings, so that neither many streams that
 * fail at once nor a client that goes on asking nonsense make PostgreSQL read its catalog for them.
 */
export class CatalogWatch {
  readonly #options: WatchOptions;
  readonly #now: () => number;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #pauseMs: number;
  /** When the last read began; the first is the one that opened the engine. */
  #began: number;
  #running: Promise<void> | null = null;
  /** The read that begins when the running one, or the pause, has ended. */
  #next: Promise<void> | null = null;
  /** How often in a row a read of rows found another schema, and the catalog was the same. */
  #fruitless = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sleep = options.sleep ?? ((ms) => new Promise((wake) => setTimeout(wake, ms)));
    this.#pauseMs = 60_000 / options.limits.catalogReadsPerMinuteMax;
    this.#began = this.#now();
  }

  /**
   * A read of rows found that the schema is another. Resolves when the catalog has been read by a
   * read that began after this, whatever came of it; at once where such reads changed nothing again
   * and again, and after `answerMsMax` in any case.
   */
  async changed(): Promise<void> {
    const isBelieved = this.#fruitless < fruitlessMax || this.#isDue(doubtPauses);
    if (!this.#next && !isBelieved) return;
    await atMost(answerMsMax, this.#next ??= this.#readNext());
  }

  /** A request was refused by the schema. Resolves when the catalog was read, at once if it is not. */
  async doubted(): Promise<void> {
    const pending = this.#next ?? this.#running;
    if (!pending && !this.#isDue(doubtPauses)) return;
    await atMost(answerMsMax, pending ?? this.#begin(false));
  }

  /**
   * Somebody asks by name, perhaps since another process met a change: `read` begins at once, and who
   * finds another schema meanwhile waits for it. Throws what `read` throws.
   */
  async refresh(read: () => Promise<void>): Promise<void> {
    // What it finds nobody here finds again, and who failed before was right.
    this.#fruitless = 0;
    this.#began = this.#now();
    const reading = read();
    const over = () => {}; // its caller is told
    this.#run(Promise.all([this.#running, reading]).then(over, over));
    await reading;
  }

  async #readNext(): Promise<void> {
    // The one that runs may have looked before the change was made.
    await this.#running;
    const waitMs = this.#began + this.#pauseMs - this.#now();
    if (waitMs > 0) await this.#sleep(waitMs);
    this.#next = null;
    await this.#begin(true);
  }

  #begin(isSure: boolean): Promise<void> {
    return this.#run(this.#read(isSure));
  }

  #run(reading: Promise<void>): Promise<void> {
    const running = reading.finally(() => {
      if (this.#running === running) this.#running = null;
    });
    return this.#running = running;
  }

  async #read(isSure: boolean): Promise<void> {
    const { read, log } = this.#options;
    const began = this.#began = this.#now();
    try {
      const isChanged = await read();
      if (isChanged) this.#fruitless = 0;
      else if (isSure) this.#fruitless++;
      const ms = Math.round(this.#now() - began);
      log?.[isChanged ? "info" : "debug"]("catalog read again", { isChanged, ms });
    } catch (error) {
      // The schema stays what it was; the next query that fails by it asks again.
      if (isSure) this.#fruitless++;
      log?.warn("catalog could not be read again", { error });
    }
  }

  #isDue(pauses: number): boolean {
    return this.#now() - this.#began >= pauses * this.#pauseMs;
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

/** A client waits no longer for its error, though PostgreSQL may take longer over its catalog. */
const answerMsMax = 10_000;

/** How much rarer the catalog is read where little speaks for a change. */
const doubtPauses = 5;

/**
 * After so many it is rather a view's own fault, e.g. a function in it that is not there. Not after
 * one: of streams that fail at once some do so while the catalog is being read.
 */
const fruitlessMax = 3;
