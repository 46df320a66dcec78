/** The ClickHouse sink as it runs, within a test. */

import type { Clickhouse } from "../../lib/clickhouse/client.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { runClickhouse } from "../../sinks/clickhouse.ts";
import type { SinkState } from "../../sinks/sink_state.ts";
import type { Bridged } from "./bridged.ts";
import { retentionDays } from "./clickhouse_stored.ts";

export interface Storing {
  readonly states: SinkState[];
  readonly lines: string[];
  /** Waits for the condition; throws what ended the run before. */
  until(condition: () => Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a sink within this process, on that account and that database. */
export function storing(
  { url, limits: some }: Pick<Bridged, "url" | "limits">,
  { settings }: Clickhouse,
): Storing {
  const stopping = new AbortController();
  const states: SinkState[] = [];
  const lines: string[] = [];
  const ended = runClickhouse({
    nats: readNatsUrl(url),
    clickhouse: settings,
    retentionDays,
    limits: limits({ ...some, retryWaitMsMax: 200 }),
    log: createLog("info", (line) => void lines.push(line)),
    onState: (state) => void states.push(state),
    signal: stopping.signal,
  });
  let failure: { readonly error: unknown } | null = null;
  ended.catch((error) => failure = { error });
  return {
    states,
    lines,
    async until(condition) {
      while (!await condition()) {
        if (failure) throw failure.error;
        await new Promise((done) => setTimeout(done, 30));
      }
    },
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
