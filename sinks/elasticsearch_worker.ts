/** The sink of searched events as a Deno Worker: it may reach NATS and its store and nothing else. */

import type { NatsSettings } from "../lib/events/nats_url.ts";
import type { Limits } from "../lib/limits.ts";
import { createLog, type LogLevel } from "../lib/log.ts";
import { runWorker } from "../lib/run_worker.ts";
import { runElasticsearch } from "./elasticsearch.ts";
import type { ElasticsearchState } from "./elasticsearch_state.ts";
import type { SearchSettings } from "./search_place.ts";

/** Plain data, so that it needs neither environment nor files of the configuration. */
export interface ElasticsearchStart {
  readonly nats: NatsSettings;
  readonly search: SearchSettings;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
}

runWorker<ElasticsearchStart, ElasticsearchState>(({ logLevel, ...start }, onState, signal) =>
  runElasticsearch({ ...start, log: createLog(logLevel), onState, signal })
);
