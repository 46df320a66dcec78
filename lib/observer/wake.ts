/** When to look into the change log again: at once while there is work, by NOTIFY while there is none. */

import { AppError } from "../errors.ts";
import { fallAsleep, wakeUp } from "../postgres/change_log.ts";
import type { Connection } from "../postgres/connection.ts";
import { pause } from "../waiting.ts";

export const CHANNEL = "fraiseql_events";

/** One reader's sleep on its connection. */
export class Sleeper {
  #connection: Connection | null = null;
  #asleep = false;
  #notified = false;
  #stir: () => void = () => {};
  #lastWork = performance.now();

  /** Give it to the connection as `onNotification`. */
  readonly onNotification = ({ channel }: { readonly channel: string }): void => {
    if (channel !== CHANNEL) return;
    this.#notified = true;
    this.#stir();
  };

  get asleep(): boolean {
    return this.#asleep;
  }

  async listen(connection: Connection): Promise<void> {
    this.#connection = connection;
    await connection.query(`listen ${CHANNEL}`);
    // For flush(), whatever the database's default is.
    await connection.query("set synchronous_commit = local");
  }

  /** Has PostgreSQL write down all that was seen so far: setting a sequence waits for the disk. */
  async flush(): Promise<void> {
    if (this.#connection === null) throw new Error("listen() first");
    await (this.#asleep ? fallAsleep(this.#connection) : wakeUp(this.#connection));
  }

  /** After each poll: whether it found something. Returns when it is time for the next. */
  async pause(found: boolean, signal: AbortSignal): Promise<void> {
    const connection = this.#connection;
    if (connection === null) throw new Error("listen() first");
    if (found) {
      this.#lastWork = performance.now();
      if (this.#asleep) {
        await wakeUp(connection);
        this.#asleep = false;
      }
      return;
    }
    if (!this.#asleep) {
      if (performance.now() - this.#lastWork < awakeMs) {
        await pause(pollMs, signal);
        return;
      }
      this.#notified = false;
      await fallAsleep(connection);
      this.#asleep = true;
      return; // a writer that looked just before did not know yet: once more
    }
    await this.#rest(connection, signal);
  }

  /** Writers need not notify a reader that is gone. */
  async leave(): Promise<void> {
    if (this.#asleep && this.#connection && !this.#connection.closed) {
      await wakeUp(this.#connection);
    }
  }

  async #rest(connection: Connection, signal: AbortSignal): Promise<void> {
    if (this.#notified || signal.aborted) {
      this.#notified = false;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    let isBroken = false;
    this.#stir = resolve;
    signal.addEventListener("abort", this.#stir, { once: true });
    const timer = setTimeout(resolve, asleepMs);
    connection.watch(() => {
      isBroken = true;
      resolve();
    });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", this.#stir);
    this.#stir = () => {};
    this.#notified = false;
    if (isBroken) throw new AppError("UNAVAILABLE", "the connection to PostgreSQL was lost");
  }
}

/** So long it polls by itself after the last event: notifications make commits wait for each other. */
const awakeMs = 100;
const pollMs = 2;
/** A writer that looked before the reader fell asleep can commit after its last poll. */
const asleepMs = 250;
