/** How the bridge does, as plain data: it goes from the worker to who started it. */

export interface BridgeState {
  readonly kind: "starting" | "working" | "standing by" | "waiting" | "full";
  /** What it waits for; empty where it does not. */
  readonly reason: string;
  /** Sequence in FRAISEQL_EVENTS up to which it is done. */
  readonly sequence: number;
  /** Of the last batch in FRAISEQL_BATCHES. */
  readonly batchSequence: number;
  readonly epoch: number;
  /** Rows written since the process began. */
  readonly events: number;
  /** Messages that FRAISEQL_EVENTS holds behind what is done. */
  readonly pending: number;
  /** Since FRAISEQL_BATCHES last had all of FRAISEQL_EVENTS; 0 while it has. */
  readonly lagSeconds: number;
  /** Events in what is pending, as many to a message as the last ones had. */
  readonly lagEvents: number;
  readonly eventsPerSecond: number;
  readonly lastError: string | null;
}

export const BRIDGE_STARTING: BridgeState = {
  kind: "starting",
  reason: "",
  sequence: 0,
  batchSequence: 0,
  epoch: 0,
  events: 0,
  pending: 0,
  lagSeconds: 0,
  lagEvents: 0,
  eventsPerSecond: 0,
  lastError: null,
};
