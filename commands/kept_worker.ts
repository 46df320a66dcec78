/** A worker under `serve`: started again, with growing waits, whenever it ends by itself. */

import type { Log } from "../lib/log.ts";
import type { Metrics } from "../lib/metrics.ts";
import { pause } from "../lib/waiting.ts";
import { say } from "./say.ts";

/** A worker under way. */
export interface RunningWorker {
  /** Resolves when it was stopped; rejects with why it ended otherwise. */
  readonly ended: Promise<void>;
  stop(msMax: number): Promise<void>;
}

/** What every worker tells of itself. */
export interface WorkerState {
  readonly kind: string;
  /** What it waits for; empty where it does not. */
  readonly reason: string;
}

export interface KeptWorkerOptions<State extends WorkerState> {
  readonly name: string;
  /** Its state before it told of any. */
  readonly starting: State;
  /** The kinds of state in which all is well. */
  readonly good: readonly State["kind"][];
  readonly open: (onState: (state: State) => void) => Promise<RunningWorker>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly retryWaitMsMax: number;
}

export class KeptWorker<State extends WorkerState> {
  state: State;
  /** Why it ended last; null while it works. */
  #failure: string | null = null;
  #worker: RunningWorker | null = null;

  constructor(private readonly options: KeptWorkerOptions<State>) {
    this.state = options.starting;
  }

  /** `ok`, or what is missing. */
  readiness(): string {
    const { kind, reason } = this.state;
    const isGood = this.options.good.includes(kind);
    return this.#failure ?? (isGood ? "ok" : `${kind} ${reason}`.trim());
  }

  /** Keeps it running until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { name, good, open, log, metrics, retryWaitMsMax } = this.options;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        const worker = this.#worker = await open((state) => {
          this.state = state;
          if (good.includes(state.kind)) [this.#failure, failures] = [null, 0];
        });
        // Who stopped this while it was opened could not stop the worker.
        if (signal.aborted) await worker.stop(0);
        await worker.ended;
      } catch (error) {
        if (signal.aborted) return;
        const { message, hint = "" } = error instanceof Error
          ? error as Error & { hint?: string }
          : { message: String(error) };
        if (this.#failure !== message) say(`${name}: ${message}${hint && `\nhint: ${hint}`}`);
        this.#failure = message;
        log.error(`${name} ended`, { error });
        metrics.workerRestarts.inc({ worker: name });
      }
      await pause(Math.min(firstWaitMs * 2 ** failures, retryWaitMsMax), signal);
    }
  }

  /** Asks it to finish what it is at; the signal of `run` is aborted before. */
  async stop(msMax: number): Promise<void> {
    await this.#worker?.stop(msMax);
  }
}

const firstWaitMs = 500;
