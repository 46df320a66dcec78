/** `fraiseql sink clickhouse`: batches into ClickHouse, as a process of its own. */

import type { Config } from "../lib/config.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import type { SinkState } from "../sinks/sink_state.ts";
import type { ClickhouseStart } from "../sinks/clickhouse_worker.ts";
import { startClickhouseSink } from "../sinks/start_clickhouse.ts";
import type { ConfinedWorker } from "../lib/start_worker.ts";
import { clickhouseSettings } from "./clickhouse.ts";
import { hostName } from "./host.ts";
import { natsSettings, noEmbedded } from "./nats.ts";
import { isBundled, runHere } from "./run_here.ts";
import { answer, say } from "./say.ts";

/** Stores events until the signal is aborted; gives 0 then. */
export async function sinkClickhouse(config: Config, signal: AbortSignal): Promise<number> {
  let said = "";
  const worker = openClickhouseSink(await clickhouseStart(config), ({ kind, reason }) => {
    const isAtWork = kind === "working";
    const line = isAtWork ? "at work" : reason === "" ? kind : `${kind}: ${reason}`;
    if (line === said) return;
    said = line;
    say(`sink clickhouse: ${said}`);
    if (isAtWork) answer(JSON.stringify({ event: "storing", sink: "clickhouse" }) + "\n");
  });
  const stop = () => void worker.stop(config.limits.drainSecondsMax * 1000);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  await worker.ended;
  return 0;
}

/** What the worker is told. The embedded servers of the data folder stand in for what is not named. */
export async function clickhouseStart(config: Config): Promise<ClickhouseStart> {
  const { limits, logLevel, dataDir, eventRetentionDays: retentionDays } = config;
  const nats = await natsSettings(config, "nats.clickhouse");
  const clickhouseUrl = config.clickhouseUrl ?? (await readServices(dataDir)).clickhouse;
  if (clickhouseUrl === undefined) throw noEmbedded(dataDir, "ClickHouse");
  const clickhouse = clickhouseSettings(config, clickhouseUrl);
  return { nats, clickhouse, retentionDays, limits, logLevel, host: hostName() };
}

/** The sink in its sandbox; where all code is one file there is none to start a worker from. */
export function openClickhouseSink(
  start: ClickhouseStart,
  onState: (state: SinkState) => void,
): ConfinedWorker {
  if (!isBundled) return startClickhouseSink(start, onState);
  return runHere(start, onState, async (options) => {
    const { runClickhouse } = await import("../sinks/clickhouse.ts");
    await runClickhouse(options);
  });
}
