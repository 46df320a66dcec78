/** Starts the ClickHouse sink in its worker. */

import { type ConfinedWorker, startWorker } from "../lib/start_worker.ts";
import type { SinkState } from "./sink_state.ts";
import type { ClickhouseStart } from "./clickhouse_worker.ts";

/** Starts it; `onState` is told of every change. */
export function startClickhouseSink(
  start: ClickhouseStart,
  onState: (state: SinkState) => void,
): ConfinedWorker {
  const url = new URL("./clickhouse_worker.ts", import.meta.url);
  const { hostname, port, protocol } = new URL(start.clickhouse.origin);
  const clickhouse = `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  const net = [...start.nats.servers, clickhouse];
  return startWorker({ name: "clickhouse", url, permissions: { net }, start, onState });
}
