/** Events into ClickHouse under `serve`: the bridge, the embedded ClickHouse, and the sink. */

import { connectClickhouse } from "../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../lib/clickhouse/migrate.ts";
import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import type { Config } from "../lib/config.ts";
import { keepClickhouse, type KeptClickhouse } from "../lib/embedded/clickhouse_keep.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { BRIDGE_STARTING, type BridgeState } from "../sinks/bridge_state.ts";
import { SINK_STARTING, type SinkState } from "../sinks/sink_state.ts";
import { bridgeStart, openBridge } from "./bridge.ts";
import { KeptWorker } from "./kept_worker.ts";
import { progress, say } from "./say.ts";
import { clickhouseStart, openClickhouseSink } from "./sink.ts";
import { untilItWorks } from "./until_it_works.ts";

export interface AnalyticsOptions {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** All behind NATS, which is there when this runs. */
export class Analytics {
  /** Of the embedded ClickHouse: `ok`, or what is missing. */
  #state = "starting";
  #engine: KeptClickhouse | null = null;
  readonly #bridge: KeptWorker<BridgeState>;
  readonly #sink: KeptWorker<SinkState>;

  constructor(private readonly options: AnalyticsOptions) {
    const { config, log, metrics } = options;
    const { retryWaitMsMax } = config.limits;
    const common = { log, metrics, retryWaitMsMax, good: ["working", "standing by"] as const };
    this.#bridge = new KeptWorker({
      ...common,
      name: "bridge",
      starting: BRIDGE_STARTING,
      open: async (onState) => openBridge(await bridgeStart(config), onState),
    });
    this.#sink = new KeptWorker({
      ...common,
      name: "clickhouse",
      starting: SINK_STARTING,
      open: async (onState) => openClickhouseSink(await clickhouseStart(config), onState),
    });
    if (config.clickhouseUrl !== null) this.#state = "ok"; // it is the sink's to say
    metrics.onCollect(() => this.#collect());
  }

  /** `ok`, or what is missing, by part. */
  readiness(): Record<string, string> {
    const clickhouse = this.#state === "ok" ? this.#sink.readiness() : this.#state;
    return { bridge: this.#bridge.readiness(), clickhouse };
  }

  /** Works until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const store = async () => {
      if (this.options.config.clickhouseUrl === null) await this.#startEngine(signal);
      await this.#sink.run(signal);
    };
    await Promise.all([this.#bridge.run(signal), store()]);
  }

  /** The workers; the signal of `run` is aborted before. */
  async stop(msMax: number): Promise<void> {
    await Promise.all([this.#bridge.stop(msMax), this.#sink.stop(msMax)]);
  }

  /** The embedded ClickHouse, once `run` has ended. */
  async stopEngine(): Promise<void> {
    await this.#engine?.stop();
  }

  /** Tries again until it works: a network, a folder, a port may come back. */
  async #startEngine(signal: AbortSignal): Promise<void> {
    const { config: { dataDir, limits, eventRetentionDays: retentionDays }, log } = this.options;
    await untilItWorks({
      what: "ClickHouse",
      log,
      retryWaitMsMax: limits.retryWaitMsMax,
      signal,
      onFailure: (message) => this.#state = message,
      work: async () => {
        this.#engine ??= await keepClickhouse({ dataDir, log, limits, onProgress: say, signal });
        const { url } = this.#engine;
        const clickhouse = connectClickhouse(readClickhouseUrl(url), limits);
        const onProgress = progress("a new table for ClickHouse", "events");
        await migrateClickhouse(clickhouse, { retentionDays, onProgress }, signal);
        this.#state = "ok";
        say(`ClickHouse 127.0.0.1:${new URL(url).port}  (fraiseql url clickhouse prints its URL)`);
      },
    });
  }

  #collect(): void {
    const { metrics } = this.options;
    const ready = this.readiness();
    for (const stage of ["bridge", "clickhouse"] as const) {
      const { state } = stage === "bridge" ? this.#bridge : this.#sink;
      metrics.stageUp.set({ stage }, ready[stage] === "ok" ? 1 : 0);
      metrics.stagePosition.set({ stage }, state.sequence);
      metrics.stageLagSeconds.set({ stage }, state.lagSeconds);
      metrics.stageLagEvents.set({ stage }, state.lagEvents);
      metrics.stageRate.set({ stage }, state.eventsPerSecond);
    }
  }
}
