/** The embedded NATS, started again on its port whenever it ends by itself. */

import { abortError } from "../errors.ts";
import { pause } from "../waiting.ts";
import { type EmbeddedNats, type NatsStartOptions, startNats } from "./nats.ts";

export interface KeptNats {
  /** These stay through every restart. */
  readonly url: string;
  readonly urls: EmbeddedNats["urls"];
  readonly version: string;
  /** Of the server that runs now; null between two. */
  pid(): number | null;
  stop(): Promise<void>;
}

/** Starts the server and keeps it running until `stop`. */
export async function keepNats(options: NatsStartOptions): Promise<KeptNats> {
  const { log } = options;
  const first = await startNats(options);
  const stopping = new AbortController();
  let running: EmbeddedNats | null = first;
  const again: NatsStartOptions = {
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
      log.error("embedded nats-server ended", { code: end.code, lastLines: end.lastLines });
      if (performance.now() - startedAt > steadyMs) tries = 0;
      running = await restart(again, () => tries++);
      if (stopping.signal.aborted) await running.stop(); // it was asked while this one started
    }
  };
  const kept = keep().catch((error) => {
    if (!again.signal?.aborted) log.error("embedded nats-server stays down", { error });
  });
  return {
    url: first.url,
    urls: first.urls,
    version: first.version,
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
async function restart(options: NatsStartOptions, nextTry: () => number): Promise<EmbeddedNats> {
  const { log, signal } = options;
  for (;;) {
    const waitMs = Math.min(firstWaitMs * 2 ** nextTry(), waitMsMax);
    await pause(waitMs, signal);
    if (signal?.aborted) throw abortError(signal);
    try {
      const server = await startNats(options);
      log.info("embedded nats-server is back");
      return server;
    } catch (error) {
      if (signal?.aborted) throw error;
      log.error("embedded nats-server does not start again", { error });
    }
  }
}
