/** The DoGet streams under way: how many there may be, and which of them a FlightInfo names. */

import { AppError } from "../lib/errors.ts";
import type { Limits } from "../lib/limits.ts";

export interface RunningStream {
  /** The ticket's shortest form, as text. */
  readonly ticket: string;
  readonly abort: (reason: AppError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** How many streams there may be, and the limit that says so. */
export interface StreamsMost {
  readonly count: number;
  readonly limit: string;
}

/** How long a stream may take, and what its reader can do when it is over. */
export interface StreamTime {
  readonly msMax: number;
  readonly hint: string;
}

const slowHint = "ask for fewer rows, read faster, or raise limits.statement_seconds_max";

/** No more than there are connections: a stream without one would only wait. */
export function streamsMost({ flightStreamsMax, flightPoolConnectionsMax }: Limits): StreamsMost {
  return flightStreamsMax <= flightPoolConnectionsMax
    ? { count: flightStreamsMax, limit: "flight_streams_max" }
    : { count: flightPoolConnectionsMax, limit: "flight_pool_connections_max" };
}

export class RunningStreams {
  private readonly running = new Set<RunningStream>();

  constructor(
    private readonly most: StreamsMost,
    /** The longest a stream may take, its reader's slowness included. */
    private readonly streamMsMax: number,
    private readonly onCount: (count: number) => void = () => {},
  ) {}

  /**
   * Takes a place, to be given back by `close` when the stream has really ended. `abort` is called
   * when its FlightInfo is cancelled and when it takes too long.
   */
  open(
    ticket: Uint8Array,
    abort: (reason: AppError) => void,
    { msMax, hint }: StreamTime = { msMax: this.streamMsMax, hint: slowHint },
  ): RunningStream {
    if (this.running.size >= this.most.count) {
      throw new AppError("TOO_MANY_STREAMS", `${this.running.size} streams are under way`, {
        hint: "read those to their end or cancel them, try again later, or raise the limit " +
          this.most.limit,
        retryAfterSeconds: 1,
      });
    }
    const timer = setTimeout(() => {
      const seconds = msMax / 1000;
      abort(
        new AppError("TIMEOUT", `the stream took longer than ${seconds} s`, { hint }),
      );
    }, msMax);
    const stream = { ticket: text(ticket), abort, timer };
    this.running.add(stream);
    this.onCount(this.running.size);
    return stream;
  }

  close(stream: RunningStream): void {
    clearTimeout(stream.timer);
    this.running.delete(stream);
    this.onCount(this.running.size);
  }

  /** Ends all of them. */
  end(reason: AppError): void {
    for (const stream of this.running) stream.abort(reason);
  }

  /** Ends the streams of a ticket; gives how many there were. */
  cancel(ticket: Uint8Array): number {
    const asked = text(ticket);
    let count = 0;
    for (const stream of this.running) {
      if (stream.ticket !== asked) continue;
      stream.abort(new AppError("CANCELLED", "the stream was ended by CancelFlightInfo"));
      count++;
    }
    return count;
  }
}

const decoder = new TextDecoder();
const text = (ticket: Uint8Array) => decoder.decode(ticket);
