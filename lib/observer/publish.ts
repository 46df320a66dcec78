/**
 * The publisher: change log -> FRAISEQL_EVENTS, exactly once in effect. Each page is one atomic batch
 * whose last message is the checkpoint, so the stream itself tells where to go on, whenever anybody
 * was killed. Waits while PostgreSQL or NATS are down, and stands by while another copy publishes.
 */

import { AppError } from "../errors.ts";
import { connectNats, type Nats } from "../events/connect.ts";
import type { NatsSettings } from "../events/nats_url.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { connect, type Connection } from "../postgres/connection.ts";
import { changeLogVersion } from "../postgres/change_log/version.ts";
import { keepAlive, watchSilence } from "../postgres/silence.ts";
import { type ConnectTarget, placeName } from "../postgres/url.ts";
import { Rate } from "../rate.ts";
import { pause } from "../waiting.ts";
import type { Known } from "./align.ts";
import { NoRoom, runSession } from "./session.ts";
import { type PublisherState, STARTING } from "./state.ts";
import { Sleeper } from "./wake.ts";

export interface PublishOptions {
  readonly database: ConnectTarget;
  readonly nats: NatsSettings;
  readonly limits: Limits;
  readonly log: Log;
  /** Name of this machine. */
  readonly host?: string;
  /** Do not go on from the last checkpoint; see docs/events.md. */
  readonly startOver: "first" | "now" | null;
  readonly onState: (state: PublisherState) => void;
  readonly signal: AbortSignal;
}

/** Publishes until the signal is aborted; throws what waiting cannot mend. */
export async function publish(options: PublishOptions): Promise<void> {
  const publisher = new Publisher(options);
  try {
    await publisher.run();
  } catch (error) {
    if (!options.signal.aborted) throw error;
  } finally {
    await publisher.nats?.close();
  }
}

/** What lives as long as the process, through every lost connection. */
export class Publisher {
  readonly id = crypto.randomUUID();
  nats: Nats | null = null;
  known: Known | null = null;
  startOver: "first" | "now" | null;
  state: PublisherState = STARTING;
  #levelAt = performance.now();
  #rate = new Rate();

  constructor(readonly options: PublishOptions) {
    this.startOver = options.startOver;
  }

  async run(): Promise<void> {
    const { signal, limits, log } = this.options;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#session(() => failures = 0);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof AppError) || !PASSING.includes(error.code)) throw error;
        const reason = error.hint ? `${error.message} (${error.hint})` : error.message;
        if (failures === 0 || failures % sayEveryTries === 0) {
          log.warn("publisher waits", { reason });
        }
        const kind = error instanceof NoRoom ? "full" : "waiting";
        this.tell({ kind, reason: error.message, lastError: reason });
        const waitMs = Math.min(100 * 2 ** failures++, limits.retryWaitMsMax);
        await pause(waitMs, signal);
      }
    }
  }

  async #session(onProgress: () => void): Promise<void> {
    const { database, limits, log, signal } = this.options;
    this.nats ??= await this.#connectNats();
    if (!this.nats.isConnected()) {
      throw new AppError("UNAVAILABLE", `NATS at ${this.nats.place} does not answer`);
    }
    const sleeper = new Sleeper();
    const connection = await connect({
      url: database,
      limits,
      log,
      applicationName: "fraiseql observe",
      onNotification: sleeper.onNotification,
      signal,
    });
    const unwatch = watchSilence(connection, log);
    try {
      await keepAlive(connection);
      await this.#requireSession(connection);
      await runSession({ publisher: this, nats: this.nats, connection, sleeper, onProgress });
    } finally {
      // Not within an answer, where it could not be said; the next publisher says it then.
      if (connection.unanswered === 0 && !connection.closed) {
        await sleeper.leave().catch((error) => log.debug("the sleep flag stays", { error }));
      }
      unwatch();
      await connection.close();
    }
  }

  #connectNats(): Promise<Nats> {
    const { nats: settings, log, signal } = this.options;
    const onWait = (line: string) => this.tell({ kind: "waiting", reason: line, lastError: line });
    return connectNats({ settings, name: "fraiseql publisher", log, signal, onWait });
  }

  async #requireSession(connection: Connection): Promise<void> {
    const place = placeName(this.options.database);
    if (connection.facts.pooled) {
      throw new AppError("UNSUPPORTED", `${place} is a pooler, which passes no notifications on`, {
        hint: "name PostgreSQL itself in DATABASE_URL",
      });
    }
    const [row = []] = await connection.query(`
      select pg_catalog.to_regclass('fraiseql.capture_settings') is not null,
        pg_catalog.pg_is_in_recovery()`);
    if (row[1] === "t") {
      throw new AppError("UNAVAILABLE", `${place} is a standby`, {
        hint: "DATABASE_URL must name the primary",
      });
    }
    if (row[0] !== "t") {
      throw new AppError("NOT_FOUND", "the database has no change log", {
        hint: "run fraiseql migrate, then fraiseql capture add <table>",
      });
    }
    const [found] = await connection.query("select version from fraiseql.capture_settings");
    if (Number(found?.[0]) === changeLogVersion) return;
    throw new AppError(
      "NOT_FOUND",
      `the change log is of version ${found?.[0]}, and this program needs ${changeLogVersion}`,
      { hint: "run fraiseql migrate, or the program that the database was migrated with" },
    );
  }

  /** The stream has all of the change log. */
  level(): void {
    this.#levelAt = performance.now();
    if (this.state.lagEvents > 0) this.tell({ lagEvents: 0 });
  }

  tell(some: Partial<PublisherState>): void {
    const now = performance.now();
    const events = some.events ?? this.state.events;
    const eventsPerSecond = this.#rate.perSecond(events, this.state.eventsPerSecond);
    const lagSeconds = Math.round((now - this.#levelAt) / 100) / 10;
    this.state = { ...this.state, lagSeconds, eventsPerSecond, ...some };
    this.options.onState(this.state);
  }
}

/** What passes by itself, or by a command that somebody runs beside. */
const PASSING: readonly string[] = ["UNAVAILABLE", "TIMEOUT", "NOT_FOUND"];

const sayEveryTries = 10;
