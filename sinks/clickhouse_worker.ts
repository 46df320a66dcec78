/** The ClickHouse sink as a Deno Worker, which may reach NATS and ClickHouse and nothing else. */

import type { ClickhouseSettings } from "../lib/clickhouse/url.ts";
import type { NatsSettings } from "../lib/events/nats_url.ts";
import type { Limits } from "../lib/limits.ts";
import { createLog, type LogLevel } from "../lib/log.ts";
import { runWorker } from "../lib/run_worker.ts";
import { runClickhouse } from "./clickhouse.ts";
import type { SinkState } from "./sink_state.ts";

/** Plain data, so that it needs neither environment nor files. */
export interface ClickhouseStart {
  readonly nats: NatsSettings;
  readonly clickhouse: ClickhouseSettings;
  readonly retentionDays: number;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
  readonly host?: string;
}

runWorker<ClickhouseStart, SinkState>(({ logLevel, ...start }, onState, signal) =>
  runClickhouse({ ...start, log: createLog(logLevel), onState, signal })
);
