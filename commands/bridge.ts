/** `fraiseql bridge`: events to Arrow record batches, as a process of its own. */

import type { Config } from "../lib/config.ts";
import type { BridgeState } from "../sinks/bridge_state.ts";
import type { BridgeStart } from "../sinks/bridge_worker.ts";
import { startBridge } from "../sinks/start_bridge.ts";
import type { ConfinedWorker } from "../lib/start_worker.ts";
import { hostName } from "./host.ts";
import { natsSettings } from "./nats.ts";
import { isBundled, runHere } from "./run_here.ts";
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
  const { limits, logLevel } = config;
  const nats = await natsSettings(config, "nats.bridge");
  return { nats, limits, logLevel, host: hostName() };
}

/** The bridge in its sandbox; where all code is one file there is none to start a worker from. */
export function openBridge(
  start: BridgeStart,
  onState: (state: BridgeState) => void,
): ConfinedWorker {
  if (!isBundled) return startBridge(start, onState);
  return runHere(start, onState, async (options) => {
    const { runBridge } = await import("../sinks/bridge.ts");
    await runBridge(options);
  });
}
