/** `fraiseql bridge`: events to Arrow record batches, as a process of its own. */

import type { Config } from "../lib/config.ts";
import { AppError } from "../lib/errors.ts";
import { readServices } from "../lib/embedded/services_file.ts";
import { readNatsUrl } from "../lib/events/nats_url.ts";
import { createLog } from "../lib/log.ts";
import { within } from "../lib/waiting.ts";
import type { BridgeState } from "../sinks/bridge_state.ts";
import type { BridgeStart } from "../sinks/bridge_worker.ts";
import { startBridge } from "../sinks/start_bridge.ts";
import type { SinkWorker } from "../sinks/start_worker.ts";
import { answer, say } from "./say.ts";

/** Bridges until the signal is aborted; gives 0 then. */
export async function bridge(config: Config, signal: AbortSignal): Promise<number> {
  let said = "";
  const worker = openBridge(await bridgeStart(config), ({ kind, reason, epoch }) => {
    const isAtWork = kind === "working";
    const line = isAtWork ? "at work" : reason === "" ? kind : `${kind}: ${reason}`;
    if (line === said) return;
    said = line;
    say(`bridge: ${said}`);
    if (isAtWork) answer(JSON.stringify({ event: "bridging", epoch }) + "\n");
  });
  const stop = () => void worker.stop(config.limits.drainSecondsMax * 1000);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  await worker.ended;
  return 0;
}

/** What the worker is told. The embedded server has a user with the bridge's rights. */
export async function bridgeStart(config: Config): Promise<BridgeStart> {
  const { limits, logLevel, natsUrl, dataDir } = config;
  const url = natsUrl ?? (await readServices(dataDir))["nats.bridge"];
  if (url === undefined) {
    throw new AppError("NOT_FOUND", `${dataDir} has no embedded NATS`, {
      hint: "set FRAISEQL_NATS_URL to a NATS server; FRAISEQL_DATA_DIR names another data folder",
    });
  }
  return { nats: readNatsUrl(url), limits, logLevel };
}

/** The bridge in its sandbox; where all code is one file there is none to start a worker from. */
export function openBridge(
  start: BridgeStart,
  onState: (state: BridgeState) => void,
): SinkWorker {
  return isBundled ? startHere(start, onState) : startBridge(start, onState);
}

const isBundled = !import.meta.url.endsWith("/commands/bridge.ts");

function startHere(
  { logLevel, ...start }: BridgeStart,
  onState: (state: BridgeState) => void,
): SinkWorker {
  const stopping = new AbortController();
  const run = async () => {
    const { runBridge } = await import("../sinks/bridge.ts");
    await runBridge({ ...start, log: createLog(logLevel), onState, signal: stopping.signal });
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
