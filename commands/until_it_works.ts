/** What a part of `serve` stands on and cannot have just now: a folder, a network, a port. */

import { AppError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { pause } from "../lib/waiting.ts";
import { say } from "./say.ts";

export interface UntilItWorksOptions {
  /** What there is not meanwhile. */
  readonly what: string;
  readonly work: () => Promise<void>;
  readonly onFailure: (message: string) => void;
  readonly log: Log;
  readonly retryWaitMsMax: number;
  readonly signal: AbortSignal;
}

/** Tries with growing waits until the work is done or the signal aborted; says each failure once. */
export async function untilItWorks(options: UntilItWorksOptions): Promise<void> {
  const { what, work, onFailure, log, retryWaitMsMax, signal } = options;
  let said: string | null = null;
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted) return;
      const { message, hint } = error instanceof AppError
        ? error
        : { message: String(error), hint: undefined };
      if (said !== message) {
        say(`no ${what}: ${message}`);
        if (hint) say(`hint: ${hint}`);
        log.error(`no ${what}`, { error });
      }
      said = message;
      onFailure(message);
      await pause(Math.min(firstWaitMs * 2 ** tries, retryWaitMsMax), signal);
    }
  }
}

const firstWaitMs = 500;
