/** Starts the bridge in its worker. */

import { type ConfinedWorker, startWorker } from "../lib/start_worker.ts";
import type { BridgeState } from "./bridge_state.ts";
import type { BridgeStart } from "./bridge_worker.ts";

/** Starts it; `onState` is told of every change. */
export function startBridge(
  start: BridgeStart,
  onState: (state: BridgeState) => void,
): ConfinedWorker {
  const url = new URL("./bridge_worker.ts", import.meta.url);
  return startWorker({
    name: "bridge",
    url,
    permissions: { net: start.nats.servers },
    start,
    onState,
  });
}
