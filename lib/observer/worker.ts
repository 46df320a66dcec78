/**
 * The publisher as a Deno Worker, which may reach its two servers and nothing else. What it is told
 * and what it tells is plain data.
 */

import { AppError, type ErrorCode } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { createLog, type LogLevel } from "../log.ts";
import type { NatsSettings } from "../events/nats_url.ts";
import type { ConnectTarget } from "../postgres/url.ts";
import { publish } from "./publish.ts";
import type { PublisherState } from "./state.ts";

export interface WorkerStart {
  readonly database: ConnectTarget;
  readonly nats: NatsSettings;
  readonly limits: Limits;
  readonly logLevel: LogLevel;
  readonly startOver: "first" | "now" | null;
}

export type ToWorker =
  | { readonly kind: "start"; readonly start: WorkerStart }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "state"; readonly state: PublisherState }
  | { readonly kind: "stopped" }
  | {
    readonly kind: "failed";
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint: string | null;
  };

/** What a worker sees of itself. */
interface Port {
  onmessage: ((message: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}

const stop = new AbortController();

async function run(port: Port, { logLevel, ...start }: WorkerStart): Promise<void> {
  try {
    await publish({
      ...start,
      log: createLog(logLevel),
      onState: (state) => port.postMessage({ kind: "state", state }),
      signal: stop.signal,
    });
    port.postMessage({ kind: "stopped" });
  } catch (error) {
    // Any other error is a fault of ours, and ends the worker with its stack.
    if (!(error instanceof AppError)) throw error;
    const { code, message, hint = null } = error;
    port.postMessage({ kind: "failed", code, message, hint });
  }
}

const port = self as unknown as Port;
port.onmessage = ({ data }) => {
  if (data.kind === "stop") stop.abort();
  else void run(port, data.start);
};
