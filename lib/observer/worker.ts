/**
 * The publisher as a Deno Worker, which may reach its two servers and nothing else. What it is told
 * and what it tells is plain data.
 */

import type { Limits } from "../limits.ts";
import { createLog, type LogLevel } from "../log.ts";
import type { NatsSettings } from "../events/nats_url.ts";
import { runWorker } from "../run_worker.ts";
import type { ConnectTarget } from "../postgres/url.ts";
import { publish } from "./publish.ts";
import type { PublisherState } from "./state.ts";

export interface WorkerStart {
  readonly database: ConnectTarget;
  readonly nats: NatsSettings;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
  readonly host?: string;
  readonly startOver: "first" | "now" | null;
}

runWorker<WorkerStart, PublisherState>(({ logLevel, ...start }, onState, signal) =>
  publish({ ...start, log: createLog(logLevel), onState, signal })
);
