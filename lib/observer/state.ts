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
  /**
   * Positions that writers had drawn when the window began, less what is published; 0 where the
   * stream has all. Those of transactions that were rolled back count until then.
   */
  readonly lagEvents: number;
  readonly eventsPerSecond: number;
  readonly lastError: string | null;
  readonly ingest: IngestState;
}

/** Events of other producers, on their way into the change log. */
export interface IngestState {
  /** Why they wait; null where they do not. */
  readonly waitsFor: string | null;
  /** Sequence of the last message of FRAISEQL_INGEST that was taken. */
  readonly sequence: number;
  /** Messages behind it. */
  readonly backlog: number;
  /** Events since the process began: written, dropped as repeats, parked. */
  readonly taken: number;
  readonly repeated: number;
  readonly refused: number;
}

export const STARTING: PublisherState = {
  kind: "starting",
  reason: "",
  sequence: 0,
  position: "0",
  epoch: 0,
  events: 0,
  lagSeconds: 0,
  lagEvents: 0,
  eventsPerSecond: 0,
  lastError: null,
  ingest: { waitsFor: null, sequence: 0, backlog: 0, taken: 0, repeated: 0, refused: 0 },
};
