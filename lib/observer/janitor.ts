/** What the publisher does beside: lets go what was in the stream for long enough, and looks after names. */

import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { advanceSlot, emptySlots, FIRST_SNAPSHOT, type Snapshot } from "../postgres/change_log.ts";
import type { Connection } from "../postgres/connection.ts";
import type { Aligned } from "./align.ts";
import type { Sample } from "./progress.ts";

/**
 * Keeps samples of what was in the stream and when. A row may leave the change log once a sample of
 * `changeLogKeepHours` ago shows it and every sink has what it shows; that is written into FRAISEQL_PROGRESS before it leaves.
 */
export class Janitor {
  samples: Sample[];
  emptied: Snapshot | null;
  /** There is something that the record in FRAISEQL_PROGRESS does not say yet. */
  hasNews = false;
  #checkedAt = -Infinity;
  #refreshedAt = -Infinity;
  #mayLeave: Sample | null = null;

  constructor(
    private readonly connection: Connection,
    private readonly limits: Limits,
    private readonly log: Log,
    { emptied, progress, checkpoint, epoch }: Aligned,
  ) {
    this.emptied = emptied;
    // Those of another stream say nothing about this one, nor those of sequences that come again.
    const isSame = checkpoint !== null && progress?.streamCreated === checkpoint.streamCreated &&
      progress.epoch === epoch;
    this.samples = isSame ? [...progress.samples] : [];
  }

  /** Whether it is time to look what there is to do. */
  isDue(): boolean {
    const now = performance.now();
    if (now - this.#checkedAt < checkMs) return false;
    this.#checkedAt = now;
    return true;
  }

  /** Told of a snapshot that the stream has all of, of its last sequence, and what sinks have. */
  look(published: Snapshot, sequence: number, confirmed: number): void {
    const keepMs = this.limits.changeLogKeepHours * hourMs;
    const last = this.samples.at(-1);
    if (!last || Date.now() - last.atMs >= keepMs / samplesPerKeep) {
      // Sinks that are behind for long keep samples from leaving.
      if (this.samples.length >= samplesMax) this.samples.pop();
      this.samples.push({ atMs: Date.now(), snapshot: published, sequence });
      this.hasNews = true;
    }
    const old = this.samples.findLastIndex((sample) =>
      sample.atMs <= Date.now() - keepMs && (sample.sequence ?? 0) <= confirmed
    );
    this.#mayLeave = this.samples[old] ?? null;
    this.samples.splice(0, Math.max(0, old)); // the one that may leave stays, for the next start
    if (this.#mayLeave && this.#mayLeave.snapshot !== (this.emptied ?? FIRST_SNAPSHOT)) {
      this.emptied = this.#mayLeave.snapshot;
      this.hasNews = true;
    }
  }

  /** After the record was written. Others' locks put it off until the next time. */
  async clean(): Promise<void> {
    try {
      if (performance.now() - this.#refreshedAt >= refreshMs) {
        this.#refreshedAt = performance.now();
        await this.connection.query("select fraiseql.refresh_captured()");
      }
      const keepSeconds = this.limits.changeLogKeepHours * 3600;
      await advanceSlot(this.connection, {
        bytesMax: Math.ceil(this.limits.changeLogBytesMax / slotsWanted),
        secondsMax: Math.ceil(keepSeconds / slotsPerKeep),
      });
      if (this.#mayLeave === null) return;
      const rows = await emptySlots(this.connection, {
        snapshot: this.#mayLeave.snapshot,
        before: new Date(this.#mayLeave.atMs + 1),
      });
      if (rows > 0) this.log.info("emptied a part of the change log", { rows });
    } catch (error) {
      // A lock that others hold, or a right that is missing, must not stop the events.
      if (!(error instanceof AppError) || this.connection.closed) throw error;
      this.log.warn("the change log was not emptied", { error });
    }
  }
}

const hourMs = 3_600_000;
const checkMs = 10_000;
/** Columns are renamed seldom, and writes are right meanwhile, only slower. */
const refreshMs = 300_000;
const samplesPerKeep = 24;
/** In a record of some tens of KiB. */
const samplesMax = 200;
/** Of the 16 slots: a slot is let go whole, so some must be young while others are emptied. */
const slotsWanted = 12;
const slotsPerKeep = 8;
