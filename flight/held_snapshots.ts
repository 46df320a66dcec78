/** The snapshots that partitions are read in, from GetFlightInfo until their tickets expire. */

import { AppError } from "../lib/errors.ts";
import type { HeldSnapshot } from "../lib/query/query_engine.ts";

interface Entry {
  readonly snapshot: HeldSnapshot;
  /** Streams that have found it and not begun to read. */
  waiting: number;
  /** The ticket whose parts are read in it. */
  readonly query: string;
  readonly expiresAt: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** A snapshot as tickets name it: nobody who was not told can guess the id. */
export interface NamedSnapshot {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** A place in a snapshot, which is not given up before `begun` is called. */
export interface Lease {
  /** `HeldSnapshot.name`. */
  readonly name: string;
  /** The read holds what it needs by itself, or has ended; may be called again. */
  begun(): void;
}

/** Holds so many snapshots for so many seconds each, under ids of its own. */
export class HeldSnapshots {
  private readonly held = new Map<string, Entry>();
  private opening = 0;
  /** Given up, and still waited for by streams that have not begun. */
  private ending = 0;
  private closed = false;

  constructor(
    private readonly snapshotsMax: number,
    private readonly seconds: number,
  ) {}

  /**
   * Keeps what `open` opens, until it is given up. `open` calls `take` before it opens a snapshot,
   * which throws `RATE_LIMITED` where there are too many.
   */
  async hold<Opened>(
    query: string,
    open: (take: () => void) => Promise<Opened>,
    snapshotOf: (opened: Opened) => HeldSnapshot | null,
  ): Promise<{ readonly opened: Opened; readonly named: NamedSnapshot | null }> {
    let taken = 0;
    const take = () => {
      this.refuseTooMany();
      this.opening++;
      taken++;
    };
    try {
      const opened = await open(take);
      const snapshot = snapshotOf(opened);
      return { opened, named: snapshot && this.keep(query, snapshot) };
    } finally {
      this.opening -= taken;
    }
  }

  /** The snapshot of a ticket's part; `NOT_FOUND` where it has expired. */
  find(id: string, query: string): Lease {
    const entry = this.held.get(id);
    if (!entry) {
      throw new AppError("NOT_FOUND", "the snapshot of this partition has expired", {
        hint: `ask GetFlightInfo again; its tickets are good for ${this.seconds} s`,
      });
    }
    if (entry.query === query) return this.lease(id, entry);
    throw new AppError("BAD_TICKET", "the partition is of another query", {
      hint: "take the tickets of GetFlightInfo as they are",
    });
  }

  /** Gives a snapshot up; false where there is none of this id. */
  release(id: string): boolean {
    const entry = this.held.get(id);
    if (!entry) return false;
    this.held.delete(id);
    clearTimeout(entry.timer);
    if (entry.waiting === 0) void entry.snapshot.release();
    else this.ending++;
    return true;
  }

  /** Gives all up, and whatever would still be held. */
  close(): void {
    this.closed = true;
    for (const id of this.held.keys()) this.release(id);
  }

  private lease(id: string, entry: Entry): Lease {
    entry.waiting++;
    let isWaiting = true;
    const begun = () => {
      if (!isWaiting) return;
      isWaiting = false;
      entry.waiting--;
      if (entry.waiting > 0 || this.held.get(id) === entry) return;
      this.ending--;
      void entry.snapshot.release();
    };
    return { name: entry.snapshot.name, begun };
  }

  private keep(query: string, snapshot: HeldSnapshot): NamedSnapshot {
    const id = crypto.randomUUID();
    const expiresAt = Date.now() + this.seconds * 1000;
    const timer = setTimeout(() => this.release(id), this.seconds * 1000);
    this.held.set(id, { snapshot, waiting: 0, query, expiresAt, timer });
    if (this.closed) this.release(id);
    return { id, expiresAt };
  }

  private refuseTooMany(): void {
    const count = this.held.size + this.opening + this.ending;
    if (count < this.snapshotsMax) return;
    const next = Math.min(...[...this.held.values()].map(({ expiresAt }) => expiresAt));
    const waitMs = Math.max(0, next - Date.now());
    throw new AppError("RATE_LIMITED", `${count} snapshots are held for partitions`, {
      hint: "leave partitions out, end those that are read by CancelFlightInfo, or try again later",
      ...(Number.isFinite(waitMs) && { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) }),
    });
  }
}
