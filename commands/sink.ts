/** `fraiseql sink clickhouse`: batches into ClickHouse, as a process of its own. */

import { readClickhouseUrl } from "../lib/clickhouse/url.ts";
import type { Config } from "../lib/config.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { AppError } from "../lib/errors.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { createLog } from "../lib/log.ts";
import { within } from "../lib/waiting.ts";
import type { ClickhouseState } from "../sinks/clickhouse_state.ts";
import type { ClickhouseStart } from "../sinks/clickhouse_worker.ts";
import { startClickhouseSink } from "../sinks/start_clickhouse.ts";
import type { SinkWorker } from "../sinks/start_worker.ts";
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
  const services = await readServices(dataDir);
  const natsUrl = config.natsUrl ?? services["nats.clickhouse"];
  if (natsUrl === undefined) throw missing(dataDir, "NATS");
  const clickhouseUrl = config.clickhouseUrl ?? services.clickhouse;
  if (clickhouseUrl === undefined) throw missing(dataDir, "ClickHouse");
  const clickhouse = readClickhouseUrl(clickhouseUrl, {
    user: config.clickhouseUser,
    password: config.clickhousePassword,
    database: config.clickhouseDatabase,
  });
  return { nats: readNatsUrl(natsUrl), clickhouse, retentionDays, limits, logLevel };
}

function missing(dataDir: string, name: string): AppError {
  return new AppError("NOT_FOUND", `${dataDir} has no embedded ${name}`, {
    hint: `set FRAISEQL_${name.toUpperCase()}_URL to a ${name} server; FRAISEQL_DATA_DIR names ` +
      "another data folder",
  });
}

/** The sink in its sandbox; where all code is one file there is none to start a worker from. */
export function openClickhouseSink(
  start: ClickhouseStart,
  onState: (state: ClickhouseState) => void,
): SinkWorker {
  return isBundled ? startHere(start, onState) : startClickhouseSink(start, onState);
}

const isBundled = !import.meta.url.endsWith("/commands/sink.ts");

function startHere(
  { logLevel, ...start }: ClickhouseStart,
  onState: (state: ClickhouseState) => void,
): SinkWorker {
  const stopping = new AbortController();
  const run = async () => {
    const { runClickhouse } = await import("../sinks/clickhouse.ts");
    await runClickhouse({ ...start, log: createLog(logLevel), onState, signal: stopping.signal });
  };
  const ended = run();
  ended.catch(() => {}); // who started it looks when it likes
  return {
    ended,
    async stop(msMax) {
      stopping.abort();
      await within(msMax, ended.catch(() => {})); // who waits for `ended` is told
    },
  };
}
