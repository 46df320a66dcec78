/** Connections that are kept and shared, first come, first served. */

import { snakeCase } from "../config.ts";
import { abortError, AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { Connection } from "./connection.ts";
import { isFull } from "./connect_errors.ts";
import { onAbort } from "./on_abort.ts";
import { isClean, recover } from "./recover.ts";

export interface PoolOptions {
  readonly connect: (signal: AbortSignal) => Promise<Connection>;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  /** Which limit bounds it; HTTP's unless told. */
  readonly size?: PoolSize | undefined;
}

/** HTTP's pool, or Flight's. */
export type PoolSize = "poolConnectionsMax" | "flightPoolConnectionsMax";

interface Waiter {
  readonly give: (connection: Connection) => void;
  readonly refuse: (error: unknown) => void;
}

export class Pool {
  readonly #options: PoolOptions;
  /** Since when each lies idle; the last used is the first to be used again. */
  readonly #idle: { connection: Connection; since: number }[] = [];
  readonly #waiters: Waiter[] = [];
  /** Everything open, opening or being recovered. */
  #open = 0;
  #opening = 0;
  #sweeper: ReturnType<typeof setTimeout> | undefined;
  /** The server's last refusal for want of room, until it gives a connection. */
  #full: { readonly error: unknown } | null = null;
  /** Set while no further connection is asked for. */
  #pause: ReturnType<typeof setTimeout> | undefined;
  /** So many of the next that come free are closed, for somebody else who needs one. */
  #owed = 0;
  readonly #closing = new AbortController();
  readonly #emptied = Promise.withResolvers<void>();

  constructor(options: PoolOptions) {
    this.#options = options;
    const { metrics } = options;
    metrics?.onCollect(() => this.#report(metrics));
  }

  /** A connection for the caller alone, until `release`. */
  async acquire(signal: AbortSignal): Promise<Connection> {
    if (signal.aborted) throw abortError(signal);
    if (this.#closing.signal.aborted) throw closedError();
    const idle = this.#waiters.length === 0 ? this.#idle.pop() : undefined;
    if (idle) return idle.connection;
    const free = this.#connectionsMax - this.#open + this.#opening;
    if (this.#waiters.length >= this.#options.limits.poolQueueMax + free) {
      throw this.#busyError(`${this.#waiters.length} requests wait for a connection already`);
    }
    return await this.#wait(signal);
  }

  /** Whether `acquire`, called at once, gives a connection that is open. */
  hasIdle(): boolean {
    return this.#idle.length > 0 && this.#waiters.length === 0;
  }

  /** Gives a connection back, in whatever state. */
  release(connection: Connection): void {
    if (connection.closed) this.#forget();
    else if (isClean(connection)) this.#keep(connection);
    else {
      recover(connection).then(() => {
        if (isClean(connection)) this.#keep(connection);
        else {
          connection.abandon();
          this.#forget();
        }
      });
    }
  }

  /** Takes a connection that was made outside, e.g. by the first check. */
  add(connection: Connection): void {
    this.#open++;
    this.release(connection);
  }

  /**
   * Somebody else gets no connection from PostgreSQL: closes what is idle here, or the next that
   * comes free, and asks for no more for a while. One is kept, so that this pool goes on.
   */
  giveBack(): void {
    if (this.#closing.signal.aborted) return;
    const settled = this.#open - this.#opening;
    const count = Math.min(this.#idle.length, settled - 1);
    for (const { connection } of this.#idle.splice(0, Math.max(0, count))) {
      connection.close();
      this.#forget();
    }
    if (count <= 0 && settled > 1) this.#owed = 1;
    if (count > 0 || this.#owed > 0) this.#pauseFor(giveBackMs);
  }

  /** Closes what is idle, waits for what is used. Nobody gets a connection any more. */
  close(): Promise<void> {
    if (!this.#closing.signal.aborted) {
      this.#closing.abort(closedError());
      clearTimeout(this.#sweeper);
      clearTimeout(this.#pause);
      for (const waiter of this.#waiters.splice(0)) waiter.refuse(closedError());
      for (const { connection } of this.#idle.splice(0)) {
        connection.close();
        this.#forget();
      }
      if (this.#open === 0) this.#emptied.resolve();
    }
    return this.#emptied.promise;
  }

  #wait(signal: AbortSignal): Promise<Connection> {
    const { poolWaitMsMax } = this.#options.limits;
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        forget();
      };
      const waiter: Waiter = {
        give: (connection) => {
          leave();
          resolve(connection);
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = (error: unknown) => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        waiter.refuse(error);
      };
      const timer = setTimeout(
        () => giveUp(this.#busyError(`no connection came free within ${poolWaitMsMax} ms`)),
        poolWaitMsMax,
      );
      this.#waiters.push(waiter);
      const forget = onAbort(signal, () => giveUp(abortError(signal)));
      this.#openMore();
    });
  }

  get #size(): PoolSize {
    return this.#options.size ?? "poolConnectionsMax";
  }

  get #connectionsMax(): number {
    return this.#options.limits[this.#size];
  }

  /** Opens as many as are waited for and allowed; one by one where the server was full. */
  #openMore(): void {
    if (this.#pause !== undefined) return;
    const wanted = this.#full ? Math.min(1, this.#waiters.length) : this.#waiters.length;
    while (this.#opening < wanted && this.#open < this.#connectionsMax) {
      this.#open++;
      this.#opening++;
      this.#options.connect(this.#closing.signal).then((connection) => {
        this.#opening--;
        this.#full = null;
        this.#keep(connection);
        this.#openMore();
      }, (error: unknown) => {
        this.#opening--;
        if (isFull(error)) {
          // Who waits gets one of those that are open, or one that somebody else gives back.
          this.#full = { error };
          this.#pauseFor(fullRetryMs);
          clearTimeout(this.#sweeper);
          this.#sweeper = undefined;
          this.#sweep();
        } else {
          // Whoever waits longest learns why; those that are open may still serve the others.
          this.#waiters.shift()?.refuse(error);
        }
        this.#forget();
      });
    }
  }

  #keep(connection: Connection): void {
    if (this.#closing.signal.aborted) {
      connection.close();
      this.#forget();
      return;
    }
    if (this.#owed > 0 && this.#open - this.#opening > 1) {
      this.#owed--;
      connection.close();
      this.#forget();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter) waiter.give(connection);
    else {
      connection.reused = true;
      const entry = { connection, since: performance.now() };
      this.#idle.push(entry);
      connection.watch(() => {
        const index = this.#idle.findIndex((idle) => idle.connection === connection);
        if (index < 0) return;
        this.#idle.splice(index, 1);
        this.#options.log.info("postgres.connection_ended_while_idle");
        this.#forget();
      });
      this.#sweep();
    }
  }

  #forget(): void {
    this.#open--;
    if (!this.#closing.signal.aborted) this.#openMore();
    else if (this.#open === 0) this.#emptied.resolve();
  }

  #pauseFor(ms: number): void {
    if (this.#closing.signal.aborted) return;
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#openMore();
    }, ms);
  }

  /** Closes what has been idle for too long. */
  #sweep(): void {
    if (this.#sweeper !== undefined) return;
    const oldest = this.#idle[0];
    if (!oldest) return;
    this.#sweeper = setTimeout(() => {
      this.#sweeper = undefined;
      const now = performance.now();
      while (this.#idle[0] && this.#idle[0].since <= now - this.#idleMsMax) {
        this.#idle.shift()?.connection.close();
        this.#forget();
      }
      this.#sweep();
    }, Math.max(0, oldest.since + this.#idleMsMax - performance.now()));
  }

  /** On a full server others wait for what lies idle here; the last one is kept all the same. */
  get #idleMsMax(): number {
    return this.#full && this.#open > 1
      ? fullIdleMs
      : this.#options.limits.poolIdleSecondsMax * 1000;
  }

  #busyError(what: string): unknown {
    if (this.#full) return this.#full.error;
    const limit = snakeCase(this.#size);
    return new AppError("UNAVAILABLE", `PostgreSQL is busy: ${what}`, {
      hint: `try again later, or raise the limit ${limit} if PostgreSQL has room`,
      retryAfterSeconds: 2,
    });
  }

  #report({ connections }: Metrics): void {
    const idle = this.#idle.length;
    connections.set({ state: "idle" }, idle);
    connections.set({ state: "busy" }, this.#open - idle);
    connections.set({ state: "waiting" }, this.#waiters.length);
  }
}

function closedError(): AppError {
  return new AppError("UNAVAILABLE", "the database is being closed", {
    hint: "the program stops: try again when it is back",
  });
}

/** Another program's connections end within this, or it will be a while. */
const fullRetryMs = 500;

/** Bridges the gap between two requests of a busy client. */
const fullIdleMs = 1000;

/** Longer than who was refused waits for its next try. */
const giveBackMs = 2000;
