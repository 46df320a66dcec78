/** The embedded ClickHouse, started again on its port whenever it ends by itself. */

import { abortError } from "../errors.ts";
import { pause } from "../waiting.ts";
import {
  type ClickhouseStartOptions,
  type EmbeddedClickhouse,
  startClickhouse,
} from "./clickhouse.ts";

export interface KeptClickhouse {
  /** It stays through every restart. */
  readonly url: string;
  /** Of the server that runs now; null between two. */
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts the server and keeps it running until `stop`. */
export async function keepClickhouse(options: ClickhouseStartOptions): Promise<KeptClickhouse> {
  const { log } = options;
  const first = await startClickhouse(options);
  const stopping = new AbortController();
  let running: EmbeddedClickhouse | null = first;
  const again: ClickhouseStartOptions = {
    ...options,
    port: Number(new URL(first.url).port),
    signal: options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal,
  };

  const keep = async (): Promise<void> => {
    for (let tries = 0; running !== null;) {
      const startedAt = performance.now();
      const end = await running.exited;
      running = null;
      if (end.wanted || stopping.signal.aborted) return;
      log.error("embedded ClickHouse ended", { code: end.code, lastLines: end.lastLines });
      if (performance.now() - startedAt > steadyMs) tries = 0;
      running = await restart(again, () => tries++);
      if (stopping.signal.aborted) await running.stop(); // it was asked while this one started
    }
  };
  const kept = keep().catch((error) => {
    if (!again.signal?.aborted) log.error("embedded ClickHouse stays down", { error });
  });
  return {
    url: first.url,
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

/** Tries until it runs again: what keeps it from starting, a full disk say, may pass. */
async function restart(
  options: ClickhouseStartOptions,
  nextTry: () => number,
): Promise<EmbeddedClickhouse> {
  const { log, signal } = options;
  for (;;) {
    const waitMs = Math.min(firstWaitMs * 2 ** nextTry(), waitMsMax);
    await pause(waitMs, signal);
    if (signal?.aborted) throw abortError(signal);
    try {
      const server = await startClickhouse(options);
      log.info("embedded ClickHouse is back");
      return server;
    } catch (error) {
      if (signal?.aborted) throw error;
      log.error("embedded ClickHouse does not start again", { error });
    }
  }
}
