/** How the publisher does, as plain data: it goes from the worker to who started it. */

export interface PublisherState {
  readonly kind: "starting" | "publishing" | "asleep" | "standing by" | "waiting" | "full";
  /** What it waits for; empty where it does not. */
  readonly reason: string;
  /** Sequence of its last checkpoint in FRAISEQL_EVENTS. */
  readonly sequence: number;
  readonly position: string;
  readonly epoch: number;
  /** Events published since the process began. */
  readonly events: number;
  /** Since the stream last had all of the change log; 0 while it has. */
  readonly lagSeconds: number;
  readonly eventsPerSecond: number;
  readonly lastError: string | null;
}

export const STARTING: PublisherState = {
  kind: "starting",
  reason: "",
  sequence: 0,
  position: "0",
  epoch: 0,
  events: 0,
  lagSeconds: 0,
  eventsPerSecond: 0,
  lastError: null,
};
