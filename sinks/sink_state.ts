/** How a sink does, as plain data: it goes from the worker to who started it. */

import { Rate } from "../lib/rate.ts";
import { LagEvents } from "./lag_events.ts";

export interface SinkState {
  readonly kind: "starting" | "working" | "standing by" | "waiting";
  /** What it waits for; empty where it does not. */
  readonly reason: string;
  /** Sequence in its stream up to which everything is stored. */
  readonly sequence: number;
  /** Stored since the process began. */
  readonly events: number;
  /** Messages that the stream holds behind what is done. */
  readonly pending: number;
  /** Since the store last had all of the stream; 0 while it has. */
  readonly lagSeconds: number;
  /** Events in what is pending, as many to a message as the last ones had. */
  readonly lagEvents: number;
  readonly eventsPerSecond: number;
  readonly lastError: string | null;
}

export const SINK_STARTING: SinkState = {
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

/** Keeps the state and tells of it. */
export class Teller<State extends SinkState> {
  #state: State;
  #levelAt = performance.now();
  #rate = new Rate();
  readonly lagEvents = new LagEvents();

  constructor(starting: State, private readonly onState: (state: State) => void) {
    this.#state = starting;
  }

  written(rows: number, some: Partial<State>): void {
    if (some.pending === 0) this.#levelAt = performance.now();
    const events = this.#state.events + rows;
    this.tell({ kind: "working", reason: "", events, ...some } as Partial<State>);
  }

  tell(some: Partial<State>): void {
    const now = performance.now();
    const state = { ...this.#state, ...some };
    const eventsPerSecond = this.#rate.perSecond(state.events, state.eventsPerSecond);
    const isLevel = state.kind === "working" && state.pending === 0;
    const lagSeconds = isLevel ? 0 : Math.round((now - this.#levelAt) / 100) / 10;
    const lagEvents = this.lagEvents.of(state.pending);
    this.#state = { ...state, eventsPerSecond, lagSeconds, lagEvents };
    this.onState(this.#state);
  }
}
