/** Reads a stream in order from a sequence, by a consumer of its own that the server forgets. */

// deno-lint-ignore-file camelcase -- the names are the server's

import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import type { StreamName } from "./names.ts";
import { natsError } from "./nats_errors.ts";
import { type EventMessage, Puller, type PullMax } from "./puller.ts";

export interface OrderedOptions {
  readonly nats: Nats;
  readonly stream: StreamName;
  readonly from: StartAt;
  /** Subjects, all where none is named. */
  readonly subjects?: readonly string[];
}

/** The first sequence that is wanted, or the first moment. */
export type StartAt = number | Date;

export interface OrderedReader {
  /** Waits for at least one; in order, without gaps but those of the stream. */
  pull(max: PullMax, signal: AbortSignal): Promise<EventMessage[]>;
  close(): void;
}

/** Opens the reader; where it throws later it is done with, and another can be opened. */
export async function readOrdered(options: OrderedOptions): Promise<OrderedReader> {
  const { nats, stream, from, subjects = [] } = options;
  const name = `read-${crypto.randomUUID()}`;
  try {
    const consumer = {
      name,
      ack_policy: AckPolicy.None,
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: forgottenAfterMs * nanosPerMs,
      ...typeof from === "number"
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) }
        : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() },
      ...subjects.length > 0 && { filter_subjects: [...subjects] },
    };
    await ask(nats, () => nats.manager.consumers.add(stream, consumer));
  } catch (error) {
    throw natsError(`reading ${stream}`, error);
  }
  const puller = new Puller(nats, stream, name, true);
  return {
    pull: (max, signal) => puller.pull(max, signal),
    close() {
      puller.close();
      // The server forgets it by itself where it cannot be told.
      nats.manager.consumers.delete(stream, name).catch(() => {});
    },
  };
}

/** Longer than a slow write; when it is gone all the same, a new one is made. */
const forgottenAfterMs = 300_000;
const nanosPerMs = 1_000_000;
