/** `fraiseql sink`: events into a store, as a process of its own. */

import type { Config } from "../lib/config.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import type { ConfinedWorker } from "../lib/start_worker.ts";
import type { ClickhouseStart } from "../sinks/clickhouse_worker.ts";
import type { ElasticsearchState } from "../sinks/elasticsearch_state.ts";
import type { ElasticsearchStart } from "../sinks/elasticsearch_worker.ts";
import type { SinkState } from "../sinks/sink_state.ts";
import { startClickhouseSink } from "../sinks/start_clickhouse.ts";
import { startElasticsearchSink } from "../sinks/start_elasticsearch.ts";
import { clickhouseSettings } from "./clickhouse.ts";
import { hostName } from "./host.ts";
import { natsSettings, noEmbedded } from "./nats.ts";
import { isBundled, runHere } from "./run_here.ts";
import { answer, say } from "./say.ts";
import { searchSettings } from "./search.ts";

/** Stores record batches in ClickHouse until the signal is aborted; gives 0 then. */
export async function sinkClickhouse(config: Config, signal: AbortSignal): Promise<number> {
  const start = await clickhouseStart(config);
  return await untilStopped(
    "clickhouse",
    config,
    signal,
    (onState) => openClickhouseSink(start, onState),
  );
}

/** Stores events where they are searched until the signal is aborted; gives 0 then. */
export async function sinkElasticsearch(config: Config, signal: AbortSignal): Promise<number> {
  const start = await elasticsearchStart(config);
  return await untilStopped(
    "elasticsearch",
    config,
    signal,
    (onState) => openElasticsearchSink(start, onState),
  );
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

/** As `clickhouseStart`. */
export async function elasticsearchStart(config: Config): Promise<ElasticsearchStart> {
  const { limits, logLevel } = config;
  const nats = await natsSettings(config, "nats.elasticsearch");
  return { nats, search: searchSettings(config), limits, logLevel };
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

/** As `openClickhouseSink`. */
export function openElasticsearchSink(
  start: ElasticsearchStart,
  onState: (state: ElasticsearchState) => void,
): ConfinedWorker {
  if (!isBundled) return startElasticsearchSink(start, onState);
  return runHere(start, onState, async (options) => {
    const { runElasticsearch } = await import("../sinks/elasticsearch.ts");
    await runElasticsearch(options);
  });
}

/** Tells how it does, for people and for programs. */
async function untilStopped(
  sink: string,
  { limits }: Config,
  signal: AbortSignal,
  open: (onState: (state: SinkState) => void) => ConfinedWorker,
): Promise<number> {
  let said = "";
  const worker = open(({ kind, reason }) => {
    const isAtWork = kind === "working";
    const line = isAtWork ? "at work" : reason === "" ? kind : `${kind}: ${reason}`;
    if (line === said) return;
    said = line;
    say(`sink ${sink}: ${said}`);
    if (isAtWork) answer(JSON.stringify({ event: "storing", sink }) + "\n");
  });
  const stop = () => void worker.stop(limits.drainSecondsMax * 1000);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  await worker.ended;
  return 0;
}
