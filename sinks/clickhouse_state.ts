/** How the ClickHouse sink does, as plain data: it goes from the worker to who started it. */

export interface ClickhouseState {
  readonly kind: "starting" | "working" | "standing by" | "waiting";
  /** What it waits for; empty where it does not. */
  readonly reason: string;
  /** Sequence in FRAISEQL_BATCHES up to which everything is stored. */
  readonly sequence: number;
  /** Rows stored since the process began. */
  readonly events: number;
  /** Messages that FRAISEQL_BATCHES holds behind what is done. */
  readonly pending: number;
  /** Since ClickHouse last had all of FRAISEQL_BATCHES; 0 while it has. */
  readonly lagSeconds: number;
  /** Events in what is pending, as many to a message as the last ones had. */
  readonly lagEvents: number;
  readonly eventsPerSecond: number;
  readonly lastError: string | null;
}

export const CLICKHOUSE_STARTING: ClickhouseState = {
  kind: "starting",
  reason: "",
  sequence: 0,
  events: 0,
  pending: 0,
  lagSeconds: 0,
  lagEvents: 0,
  eventsPerSecond: 0,
  lastError: null,
};
