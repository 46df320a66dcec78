/** The bridge as a Deno Worker, which may reach NATS and nothing else. */

import type { NatsSettings } from "../lib/events/nats_url.ts";
import type { Limits } from "../lib/limits.ts";
import { createLog, type LogLevel } from "../lib/log.ts";
import { runWorker } from "../lib/run_worker.ts";
import { runBridge } from "./bridge.ts";
import type { BridgeState } from "./bridge_state.ts";

/** Plain data, so that it needs neither environment nor files. */
export interface BridgeStart {
  readonly nats: NatsSettings;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
  readonly host?: string;
}

runWorker<BridgeStart, BridgeState>(({ logLevel, ...start }, onState, signal) =>
  runBridge({ ...start, log: createLog(logLevel), onState, signal })
);
