/**
 * The event path under `serve`: the embedded NATS, what must be there before events can flow, the
 * publisher, and what stores events (`analytics.ts`, `operational.ts`). All of it comes up behind the transports, which wait for none of it.
 */

import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { keepNats, type KeptNats } from "../lib/embedded/nats_keep.ts";
import { connectNats } from "../lib/events/connect.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { migrateNats, storeBytesMax } from "../lib/events/streams.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { type PublisherState, STARTING } from "../lib/observer/state.ts";
import { migrateChangeLog } from "../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import { pause } from "../lib/waiting.ts";
import { Analytics } from "./analytics.ts";
import { captureSample } from "./capture.ts";
import { KeptWorker } from "./kept_worker.ts";
import { startPublisher, workerStart } from "./observe.ts";
import { Operational } from "./operational.ts";
import { say } from "./say.ts";
import { untilItWorks } from "./until_it_works.ts";

export interface EventOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The event path of one `serve`. */
export class Events {
  #state = "starting";
  readonly #publisher: KeptWorker<PublisherState>;
  /** Null: no sink of batches is configured, so nobody would take them. */
  readonly #analytics: Analytics | null;
  /** Null: events are not searched. */
  readonly #operational: Operational | null;
  #nats: KeptNats | null = null;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(private readonly options: EventOptions) {
    const { config, databaseUrl, log, metrics } = options;
    this.#publisher = new KeptWorker({
      name: "publisher",
      starting: STARTING,
      good: ["publishing", "asleep", "standing by"],
      open: async (onState) =>
        startPublisher(await workerStart(config, databaseUrl, null), onState),
      log,
      metrics,
      retryWaitMsMax: config.limits.retryWaitMsMax,
    });
    this.#analytics = config.sinks.includes("clickhouse") ? new Analytics(options) : null;
    this.#operational = config.sinks.includes("elasticsearch") ? new Operational(options) : null;
    options.metrics.onCollect(() => this.#collect());
    this.#running = this.#run();
  }

  /** `ok`, or what is missing, by part; what was never asked for is `off` and why. */
  readiness(): Record<string, string> {
    if (this.#state !== "ok") return { events: this.#state };
    return {
      publisher: this.#publisher.readiness(),
      ...this.#analytics?.readiness(),
      ...this.#operational?.readiness(),
    };
  }

  async stop(drainSeconds: number): Promise<void> {
    this.#stopping.abort();
    const msMax = drainSeconds * 1000;
    const workers = [this.#publisher, this.#analytics, this.#operational];
    await Promise.all(workers.map((worker) => worker?.stop(msMax)));
    await this.#running;
    await this.#analytics?.stopEngine();
    await this.#nats?.stop();
  }

  /** Tries again until it works: a folder, a network, a port may come back. */
  async #run(): Promise<void> {
    const { config: { limits }, log } = this.options;
    const { signal } = this.#stopping;
    await untilItWorks({
      what: "events",
      log,
      retryWaitMsMax: limits.retryWaitMsMax,
      signal,
      onFailure: (message) => this.#state = message,
      work: async () => {
        await this.#begin();
        const workers = [this.#publisher, this.#analytics, this.#operational];
        await Promise.all(workers.map((worker) => worker?.run(signal)));
      },
    });
  }

  /** All that the publisher stands on. */
  async #begin(): Promise<void> {
    const { config, log } = this.options;
    const { limits } = config;
    const { signal } = this.#stopping;
    if (config.databaseUrl !== null) await this.#untilAsked();
    if (config.natsUrl === null) {
      this.#nats ??= await keepNats({
        dataDir: config.dataDir,
        log,
        storeBytesMax: storeBytesMax(limits),
        messageBytesMax: limits.natsMessageBytesMax,
        onProgress: say,
        signal,
      });
      const settings = readNatsUrl(this.#nats.url);
      const nats = await connectNats({ settings, name: "fraiseql serve", log, signal });
      await migrateNats(nats, limits).finally(() => nats.close());
    }
    if (config.databaseUrl === null) {
      await this.#patiently((connection) => setUp(connection, this.options));
    }
    this.#state = "ok";
    const place = this.#nats === null ? "" : ` at 127.0.0.1:${new URL(this.#nats.url).port}`;
    say(`Events     in NATS${place}; fraiseql tail prints them`);
  }

  /** A database of the user's own is left alone until `migrate` and `capture add` were run. */
  async #untilAsked(): Promise<void> {
    const { signal } = this.#stopping;
    for (let said = ""; !signal.aborted;) {
      const lacking = await this.#patiently(whatLacks);
      if (lacking === null) return;
      this.#state = `off: ${lacking}`;
      if (said !== lacking) say(`no events yet: ${lacking}`);
      said = lacking;
      await pause(askedEveryMs, signal);
    }
  }

  /** Works on a connection, again and again while PostgreSQL is down. */
  async #patiently<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    const { databaseUrl: url, config: { limits }, log } = this.options;
    const { signal } = this.#stopping;
    for (;;) {
      try {
        const connection = await connect({ url, limits, signal });
        try {
          return await work(connection);
        } finally {
          await connection.close();
        }
      } catch (error) {
        const passes = error instanceof AppError && error.code === "UNAVAILABLE";
        if (signal.aborted || !passes) throw error;
        log.warn("events wait for postgres", { reason: error.message });
        await delay(retryMs, undefined, { signal });
      }
    }
  }

  #collect(): void {
    const { metrics } = this.options;
    const stage = { stage: "publisher" };
    const { sequence, lagSeconds, lagEvents, eventsPerSecond, ingest } = this.#publisher.state;
    const isUp = this.readiness().publisher === "ok";
    metrics.stageUp.set(stage, isUp ? 1 : 0);
    metrics.stagePosition.set(stage, sequence);
    metrics.stageLagSeconds.set(stage, lagSeconds);
    metrics.stageLagEvents.set(stage, lagEvents);
    metrics.stageRate.set(stage, eventsPerSecond);
    metrics.stageUp.set({ stage: "ingest" }, isUp && ingest.waitsFor === null ? 1 : 0);
    metrics.stagePosition.set({ stage: "ingest" }, ingest.sequence);
    metrics.ingestBacklog.set(ingest.backlog);
    for (const outcome of ["taken", "repeated", "refused"] as const) {
      metrics.ingestEvents.set({ outcome }, ingest[outcome]);
    }
  }
}

const askedEveryMs = 5000;
const retryMs = 500;

/** What must be done by hand before events flow; null where nothing. */
async function whatLacks(connection: Connection): Promise<string | null> {
  const [row] = await connection.query(
    "select pg_catalog.to_regclass('fraiseql.captured_tables') is not null",
  );
  if (row?.[0] !== "t") return "run fraiseql migrate, then fraiseql capture add <table>";
  const [some] = await connection.query("select exists (select from fraiseql.captured_tables)");
  return some?.[0] === "t" ? null : "run fraiseql capture add <table>";
}

/** The embedded database is ours: what its first start brings is captured from then on. */
async function setUp(connection: Connection, { config, databaseUrl }: EventOptions): Promise<void> {
  const [row] = await connection.query("select pg_catalog.to_regnamespace('fraiseql') is not null");
  await migrateChangeLog(connection, config);
  // Only once: what somebody removed since stays so.
  if (row?.[0] !== "t") await captureSample(connection, config, databaseUrl);
}
