/**
 * Where a worker's messages come from and how its progress is kept: three kinds behind one
 * interface.
 *
 * - `acknowledgedFeed`: JetStream keeps it, message by message (Elasticsearch, actions, replays);
 * - `recordedFeed`: a record says what is about to be written and what was (ClickHouse);
 * - `untrackedFeed`: nothing is kept, the destination itself tells (bridge).
 */

import type { EventMessage } from "./puller.ts";

/** Messages taken together, in the stream's order. */
export interface Pulled {
  /** At least one. */
  readonly messages: readonly EventMessage[];
}

/** First and last sequence. */
export function rangeOf({ messages }: Pulled): { first: number; last: number } {
  return { first: messages[0]?.sequence ?? 0, last: messages.at(-1)?.sequence ?? 0 };
}

export interface Feed {
  /** For the log. */
  readonly name: string;

  /**
   * Finds where work goes on and opens the stream there. Called before the first pull, and again
   * after anything here threw `UNAVAILABLE`; whatever was pulled and not done comes again then.
   */
  open(signal: AbortSignal): Promise<void>;

  /** Waits for at least one message. Not called again before it has returned. */
  pull(signal: AbortSignal): Promise<Pulled>;

  /** Called in order, before a pull is written. */
  begin(pulled: Pulled): Promise<void>;

  /** Called in order, when all of it was written or parked: only then is it progress. */
  done(pulled: Pulled): Promise<void>;

  /** A stop that was wanted; nothing is pulled any more. Can be called at any time, and twice. */
  close(): Promise<void>;
}
