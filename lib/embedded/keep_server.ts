/** An embedded server that is started again on its port whenever it ends by itself. */

import { abortError } from "../errors.ts";
import type { Log } from "../log.ts";
import { pause } from "../waiting.ts";
import type { ServerEnd } from "./server_process.ts";

/** What every server must give. */
interface Kept {
  readonly url: string;
  readonly pid: number;
  readonly exited: Promise<ServerEnd>;
  stop(): Promise<void>;
}

/** What every start can be told. */
interface StartOptions {
  readonly log: Log;
  readonly port?: number;
  readonly signal?: AbortSignal;
}

export interface KeptServer<Server> {
  /** The one that was started at first: its URLs stay through every restart. */
  readonly first: Server;
  /** Of the server that runs now; null between two. */
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts the server and keeps it running until `stop`; the log names it. */
export async function keepServer<Options extends StartOptions, Server extends Kept>(
  name: string,
  start: (options: Options) => Promise<Server>,
  options: Options,
): Promise<KeptServer<Server>> {
  const { log } = options;
  const first = await start(options);
  const stopping = new AbortController();
  const signal = options.signal
    ? AbortSignal.any([options.signal, stopping.signal])
    : stopping.signal;
  let running: Server | null = first;
  const again = { ...options, port: Number(new URL(first.url).port), signal };

  /** Tries until it runs again: what keeps it from starting, a full disk say, may pass. */
  const restart = async (nextTry: () => number): Promise<Server> => {
    for (;;) {
      await pause(Math.min(firstWaitMs * 2 ** nextTry(), waitMsMax), signal);
      if (signal.aborted) throw abortError(signal);
      try {
        const server = await start(again);
        log.info(`embedded ${name} is back`);
        return server;
      } catch (error) {
        if (signal.aborted) throw error;
        log.error(`embedded ${name} does not start again`, { error });
      }
    }
  };
  const keep = async (): Promise<void> => {
    for (let tries = 0; running !== null;) {
      const startedAt = performance.now();
      const end: ServerEnd = await running.exited;
      running = null;
      if (end.wanted || stopping.signal.aborted) return;
      log.error(`embedded ${name} ended`, { code: end.code, lastLines: end.lastLines });
      if (performance.now() - startedAt > steadyMs) tries = 0;
      running = await restart(() => tries++);
      if (stopping.signal.aborted) await running.stop(); // it was asked while this one started
    }
  };
  const kept = keep().catch((error) => {
    if (!signal.aborted) log.error(`embedded ${name} stays down`, { error });
  });
  return {
    first,
    pid: () => running?.pid ?? null,
    async stop() {
      stopping.abort();
      await running?.stop();
      await kept;
    },
  };
}

/** Who ran for so long did not end because of its start. */
const steadyMs = 60_000;
const firstWaitMs = 100;
const waitMsMax = 10_000;
