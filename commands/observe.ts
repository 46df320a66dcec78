/** `fraiseql observe`: the publisher as a process of its own. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import { startPublisherWorker } from "../lib/observer/start_worker.ts";
import type { ConfinedWorker } from "../lib/start_worker.ts";
import type { PublisherState } from "../lib/observer/state.ts";
import type { WorkerStart } from "../lib/observer/worker.ts";
import { parseUrl } from "../lib/postgres/url.ts";
import { hostName } from "./host.ts";
import { natsSettings } from "./nats.ts";
import { isBundled, runHere } from "./run_here.ts";
import { answer, say } from "./say.ts";

export interface ObserveFlags {
  readonly startOver?: string;
}

/** Publishes until the signal is aborted; gives 0 then. */
export async function observe(
  config: Config,
  flags: ObserveFlags,
  signal: AbortSignal,
): Promise<number> {
  const startOver = readStartOver(flags.startOver);
  const url = config.databaseUrl ?? await runningUrl(config.dataDir, "postgres");
  if (url === null) {
    throw new AppError("NOT_FOUND", `${config.dataDir} has no running PostgreSQL`, {
      hint: "set DATABASE_URL, or run this beside fraiseql serve",
    });
  }
  let said = "";
  const start = await workerStart(config, url, startOver);
  const worker = startPublisher(start, ({ kind, reason, epoch }) => {
    const line = reason === "" ? kind : `${kind}: ${reason}`;
    const isQuiet = kind === "asleep" || kind === "publishing";
    // Falling asleep and waking up is what it does all day.
    if (line === said || isQuiet && said === "at work") return;
    said = isQuiet ? "at work" : line;
    say(`publisher: ${said}`);
    if (isQuiet) answer(JSON.stringify({ event: "publishing", epoch }) + "\n");
  });
  const stop = () => void worker.stop(config.limits.drainSecondsMax * 1000);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  await worker.ended;
  return 0;
}

/**
 * What the worker is told: plain data, so that it needs neither environment nor files. The embedded
 * server has a user with the publisher's rights.
 */
export async function workerStart(
  config: Config,
  databaseUrl: string,
  startOver: "first" | "now" | null,
): Promise<WorkerStart> {
  const { limits, logLevel } = config;
  const nats = await natsSettings(config, "nats.publisher");
  return { database: parseUrl(databaseUrl), nats, limits, logLevel, startOver, host: hostName() };
}

/** The publisher in its sandbox; where all code is one file there is none to start a worker from. */
export function startPublisher(
  start: WorkerStart,
  onState: (state: PublisherState) => void,
): ConfinedWorker {
  if (!isBundled) return startPublisherWorker(start, onState);
  return runHere(start, onState, async (options) => {
    const { publish } = await import("../lib/observer/publish.ts");
    await publish(options);
  });
}

function readStartOver(text: string | undefined): "first" | "now" | null {
  if (text === undefined) return null;
  if (text === "first" || text === "now") return text;
  throw new AppError("BAD_INPUT", `--start-over must be first or now (is ${text})`, {
    hint: "first: all that the change log holds; now: what comes from now on",
  });
}
