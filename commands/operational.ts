/** Events into the store where they are searched, under `serve`. */

import { pathToFileURL } from "node:url";
import type { Config } from "../lib/config.ts";
import { writeService } from "../lib/embedded/services_file.ts";
import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { ELASTICSEARCH_STARTING, type ElasticsearchState } from "../sinks/elasticsearch_state.ts";
import { KeptWorker } from "./kept_worker.ts";
import { searchFolder } from "./search.ts";
import { elasticsearchStart, openElasticsearchSink } from "./sink.ts";

export interface OperationalOptions {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Behind NATS, which is there when this runs. */
export class Operational {
  readonly #sink: KeptWorker<ElasticsearchState>;

  constructor(private readonly options: OperationalOptions) {
    const { config, log, metrics } = options;
    this.#sink = new KeptWorker({
      name: "elasticsearch",
      starting: ELASTICSEARCH_STARTING,
      good: ["working"],
      open: (onState) => this.#open(onState),
      log,
      metrics,
      retryWaitMsMax: config.limits.retryWaitMsMax,
    });
    metrics.onCollect(() => this.#collect());
  }

  /** `ok`, or what is missing. */
  readiness(): Record<string, string> {
    return { elasticsearch: this.#sink.readiness() };
  }

  /** Works until the signal is aborted. */
  run(signal: AbortSignal): Promise<void> {
    return this.#sink.run(signal);
  }

  /** The signal of `run` is aborted before. */
  stop(msMax: number): Promise<void> {
    return this.#sink.stop(msMax);
  }

  async #open(onState: (state: ElasticsearchState) => void) {
    const { config } = this.options;
    // It has no server, only a folder, which commands beside this one find by it.
    if (config.elasticsearchUrl === null) {
      await writeService(config.dataDir, "search", pathToFileURL(searchFolder(config)).href);
    }
    return openElasticsearchSink(await elasticsearchStart(config), onState);
  }

  #collect(): void {
    const { metrics } = this.options;
    const stage = { stage: "elasticsearch" };
    const { sequence, lagSeconds, lagEvents, eventsPerSecond, tooOld } = this.#sink.state;
    metrics.stageUp.set(stage, this.#sink.readiness() === "ok" ? 1 : 0);
    metrics.stagePosition.set(stage, sequence);
    metrics.stageLagSeconds.set(stage, lagSeconds);
    metrics.stageLagEvents.set(stage, lagEvents);
    metrics.stageRate.set(stage, eventsPerSecond);
    metrics.searchTooOld.set(tooOld);
  }
}
