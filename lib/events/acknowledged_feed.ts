/**
 * Progress by acknowledgement: a durable consumer, each message acknowledged by itself after the
 * work is confirmed. Never all up to one: after a crash that acknowledges what nobody has stored.
 */

// deno-lint-ignore-file camelcase -- the names are the server's

import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import { abortError } from "../errors.ts";
import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import type { Feed, Pulled } from "./feed.ts";
import type { StreamName } from "./names.ts";
import { natsError } from "./nats_errors.ts";
import { type EventMessage, Puller, type PullMax } from "./puller.ts";
import { checkStream } from "./streams.ts";

export interface AcknowledgedOptions {
  readonly nats: Nats;
  readonly stream: StreamName;
  /** The consumer's name. Several copies of a worker share it, and so the work. */
  readonly worker: string;
  readonly subject: string;
  readonly max: PullMax;
  /** A pull that is not full waits so long for further messages; default 0. */
  readonly gatherMs?: number;
  /** After so long without a word a message goes to another copy; default 30 s. */
  readonly deadlineMs?: number;
}

/** Messages in nobody's hands, and those whose holder is gone, in the stream's order. */
export function acknowledgedFeed(options: AcknowledgedOptions): Feed {
  const { nats, stream, worker, subject, max } = options;
  const { gatherMs = 0, deadlineMs = defaultDeadlineMs } = options;
  let puller: Puller | null = null;
  const held = new Set<EventMessage>();
  let timer: ReturnType<typeof setInterval> | undefined;

  const reset = () => {
    clearInterval(timer);
    held.clear();
    puller?.close();
    puller = null;
  };
  return {
    name: `${stream} for ${worker}`,

    async open(signal) {
      reset();
      if (signal.aborted) throw abortError(signal);
      await checkStream(nats, stream);
      try {
        const consumer = {
          durable_name: worker,
          ack_policy: AckPolicy.Explicit,
          ack_wait: deadlineMs * nanosPerMs,
          deliver_policy: DeliverPolicy.All,
          filter_subject: subject,
          max_ack_pending: -1, // a pull is bounded, and there is one or two for each copy
          max_deliver: -1, // what is refused for good is parked, and not given up unseen
        };
        await ask(nats, () => nats.manager.consumers.add(stream, consumer));
      } catch (error) {
        throw natsError(`making the consumer ${worker} of ${stream}`, error);
      }
      puller = new Puller(nats, stream, worker, false);
      // Whatever is in hand, waiting or being written, keeps its deadline.
      timer = setInterval(() => {
        for (const message of held) message.working();
      }, deadlineMs / 3);
    },

    async pull(signal) {
      if (!puller) throw new Error("pull() before open()");
      const messages = await puller.pull(max, signal, gatherMs);
      for (const message of messages) held.add(message);
      return { messages };
    },

    begin: () => Promise.resolve(),

    done({ messages }: Pulled) {
      for (const message of messages) {
        if (!held.delete(message)) continue; // opened again since: it comes again
        message.acknowledge();
      }
      return Promise.resolve();
    },

    close() {
      // Else they would come again only when their deadline is over.
      for (const message of held) message.release();
      reset();
      return Promise.resolve();
    },
  };
}

const defaultDeadlineMs = 30_000;
const nanosPerMs = 1_000_000;
