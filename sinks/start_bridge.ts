/** Starts the bridge in its worker. */

import type { BridgeState } from "./bridge_state.ts";
import type { BridgeStart } from "./bridge_worker.ts";
import { type SinkWorker, startWorker } from "./start_worker.ts";

/** Starts it; `onState` is told of every change. */
export function startBridge(start: BridgeStart, onState: (state: BridgeState) => void): SinkWorker {
  const url = new URL("./bridge_worker.ts", import.meta.url);
  return startWorker({ name: "bridge", url, net: start.nats.servers, start, onState });
}
