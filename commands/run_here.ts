/** A worker's work in this program, where all code is one file and there is none to start it from. */

import { createLog, type LogLevel } from "../lib/log.ts";
import type { Log } from "../lib/log.ts";
import type { ConfinedWorker } from "../lib/start_worker.ts";
import { within } from "../lib/waiting.ts";

/** A compiled `fraiseql`, or a bundle. */
export const isBundled = !import.meta.url.endsWith("/commands/run_here.ts");

/** Starts it; it has no sandbox here. */
export function runHere<Start extends { readonly logLevel: LogLevel }, State>(
  { logLevel, ...start }: Start,
  onState: (state: State) => void,
  work: (
    start: Omit<Start, "logLevel"> & {
      readonly log: Log;
      readonly onState: (state: State) => void;
      readonly signal: AbortSignal;
    },
  ) => Promise<void>,
): ConfinedWorker {
  const stopping = new AbortController();
  const ended = work({ ...start, log: createLog(logLevel), onState, signal: stopping.signal });
  ended.catch(() => {}); // who started it looks when it likes
  return {
    ended,
    async stop(msMax) {
      stopping.abort();
      await within(msMax, ended.catch(() => {})); // who waits for `ended` is told
    },
  };
}
