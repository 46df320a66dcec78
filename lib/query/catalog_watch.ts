/**
 * When the catalog is read again: where somebody asks for it by name, where a look at its stamp shows
 * a change, after a read that found another schema than planned, and after a request that was refused,
 * perhaps because it knows a later one.
 *
 * Looks are what sees every change. Types alone do not: PostgreSQL tells the precision of a column of
 * the row, and of nothing in a record, a list or an aggregate. A look with each query would be exact,
 * and take longer than a small query itself; so queries share looks, and one that leaves a doubt has
 * its own before its client is told.
 */

import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { within } from "../waiting.ts";

export interface WatchOptions {
  /** Reads the catalog; true where it is another than the one that was planned by. */
  readonly read: () => Promise<boolean>;
  /** Whether the stamp is the one of the catalog that is planned by; no looks when absent. */
  readonly isSame?: () => Promise<boolean>;
  readonly limits: Pick<Limits, "catalogReadsPerMinuteMax" | "catalogAgeMsMax">;
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
  /** When the last look that has ended began; the first is the read that opened the engine. */
  #looked: number;
  /** Half the age that a look may have. */
  #lookPauseMs: number;
  #looking: Promise<void> | null = null;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#sleep = options.sleep ?? ((ms) => new Promise((wake) => setTimeout(wake, ms)));
    this.#pauseMs = 60_000 / options.limits.catalogReadsPerMinuteMax;
    this.#looked = this.#began = this.#now();
    this.#lookPauseMs = options.limits.catalogAgeMsMax / 2;
  }

  /**
   * To be waited for before a query is planned; null where the last look is young enough. One that is
   * half as old as it may be is renewed beside the queries, so that under load none of them waits.
   */
  current(): Promise<unknown> | null {
    if (!this.#options.isSame) return null;
    const ageMs = this.#now() - this.#looked;
    if (ageMs < this.#lookPauseMs) return null;
    const looking = this.#looking ?? this.#look();
    return ageMs < 2 * this.#lookPauseMs ? null : within(lookMsMax, looking);
  }

  /** Resolves after a look that began after this, and after the read where that showed a change. */
  async confirm(): Promise<void> {
    if (!this.#options.isSame) return await this.changed();
    const work = async () => {
      await this.#looking;
      // The first of those who waited begins it.
      await (this.#looking ?? this.#look());
    };
    await within(answerMsMax, work());
  }

  /**
   * A read of rows found that the schema is another. Resolves when the catalog has been read by a
   * read that began after this, whatever came of it; at once where such reads changed nothing again
   * and again, and after `answerMsMax` in any case.
   */
  async changed(): Promise<void> {
    const isBelieved = this.#fruitless < fruitlessMax || this.#isDue(doubtPauses);
    if (!this.#next && !isBelieved) return;
    await within(answerMsMax, this.#next ??= this.#readNext(true));
  }

  /** A request was refused by the schema. Resolves when the catalog was read, at once if it is not. */
  async doubted(): Promise<void> {
    const pending = this.#next ?? this.#running;
    if (!pending && !this.#isDue(doubtPauses)) return;
    await within(answerMsMax, pending ?? this.#begin(false));
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

  #look(): Promise<void> {
    const look = async (): Promise<void> => {
      const { isSame, limits, log } = this.#options;
      const began = this.#now();
      let same = true;
      try {
        same = await isSame?.() ?? true;
      } catch (error) {
        // Queries go on by the schema that is there; what fails them is told to their clients.
        log?.debug("catalog could not be looked at", { error });
      }
      const ms = this.#now() - began;
      const rarerMs = Math.min(ms * lookPauses, rarerMsMax);
      this.#lookPauseMs = Math.max(limits.catalogAgeMsMax, rarerMs) / 2;
      if (!same) await (this.#next ??= this.#readNext(false));
      this.#looked = began;
    };
    return this.#looking = look().finally(() => this.#looking = null);
  }

  async #readNext(isSure: boolean): Promise<void> {
    // The one that runs may have looked before the change was made.
    await this.#running;
    const waitMs = this.#began + this.#pauseMs - this.#now();
    if (waitMs > 0) await this.#sleep(waitMs);
    this.#next = null;
    await this.#begin(isSure);
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

/** A client waits no longer for its error, though PostgreSQL may take longer over its catalog. */
const answerMsMax = 10_000;

/** A query waits no longer for a look: PostgreSQL may be busy, or be gone. */
const lookMsMax = 2000;

/** A look that takes long, over thousands of relations, is made so much rarer than it takes. */
const lookPauses = 50;

/** But not more rarely than this: it may have waited for a connection and not for PostgreSQL. */
const rarerMsMax = 10_000;

/** How much rarer the catalog is read where little speaks for a change. */
const doubtPauses = 5;

/**
 * After so many it is rather a view's own fault, e.g. a function in it that is not there. Not after
 * one: of streams that fail at once some do so while the catalog is being read.
 */
const fruitlessMax = 3;
