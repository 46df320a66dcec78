/** FRAISEQL_EVENTS as the bridge reads it: in order, many messages at once, one bridge at a time. */

import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import type { Feed, Pulled } from "../lib/events/feed.ts";
import { STREAM } from "../lib/events/names.ts";
import type { EventMessage, PullMax } from "../lib/events/puller.ts";
import { untrackedFeed } from "../lib/events/untracked_feed.ts";
import type { Log } from "../lib/log.ts";
import { within } from "../lib/waiting.ts";
import { type BatchStream, checkPositions } from "./bridge_batches.ts";
import type { BridgeEncoder } from "./bridge_encode.ts";
import { alignSource, recentIds } from "./bridge_source.ts";

export interface BridgeFeedOptions {
  readonly nats: Nats;
  readonly log: Log;
  readonly batches: BatchStream;
  readonly encoder: BridgeEncoder;
  readonly max: PullMax;
  /** A batch waits so long for further events. */
  readonly flushMs: number;
  /** Ids of so many events are compared where events may come again. */
  readonly overlapEventsMax: number;
  /** Waits until this bridge is the one that works. */
  readonly untilFree: (signal: AbortSignal) => Promise<void>;
}

/** Reads on behind the last batch. */
export function bridgeFeed(options: BridgeFeedOptions): Feed {
  const { nats, log, batches, encoder, max, flushMs, overlapEventsMax, untilFree } = options;
  const inner = untrackedFeed({
    nats,
    stream: STREAM.events,
    worker: "bridge",
    // In parts, so that what is asked for beyond a full pull is a part of one only.
    max: { messages: max.messages, bytes: Math.ceil(max.bytes / partsPerPull) },
    async heldLast(signal) {
      await untilFree(signal);
      await batches.open();
      const place = await alignSource(nats, batches.head?.place ?? null, log);
      checkPositions(Math.max(batches.epoch, place.epoch), batches.sequence);
      const known = place.overlap > 0
        ? await recentIds(nats, batches, overlapEventsMax, signal)
        : null;
      encoder.begin(place, known);
      const { created, next } = place;
      return { created, sequence: next.sequence - 1 };
    },
    onGap: ({ first, last }) =>
      log.error("events left FRAISEQL_EVENTS before they were read", { first, last }),
  });
  /** Asked for already: a question that waits cannot be taken back without losing its answer. */
  let coming: Promise<Pulled> | null = null;
  const ask = (signal: AbortSignal): Promise<Pulled> => {
    if (coming === null) {
      coming = inner.pull(signal);
      coming.catch(() => {}); // whoever waits for it is told
    }
    return coming;
  };
  return {
    name: inner.name,
    open(signal) {
      coming = null;
      return inner.open(signal);
    },
    async pull(signal) {
      if (encoder.isRealigned) {
        throw new AppError("UNAVAILABLE", "the publisher fills FRAISEQL_EVENTS again");
      }
      const messages: EventMessage[] = [];
      let bytes = 0;
      let until = Infinity;
      while (bytes < max.bytes && messages.length < max.messages) {
        const left = until - performance.now();
        if (left <= 0 || messages.length > 0 && !await within(left, ask(signal))) break;
        const pulled = await ask(signal);
        coming = null;
        if (messages.length === 0) until = performance.now() + flushMs;
        messages.push(...pulled.messages);
        for (const { data } of pulled.messages) bytes += data.length;
      }
      return { messages };
    },
    begin: (pulled) => inner.begin(pulled),
    done: (pulled) => inner.done(pulled),
    close() {
      coming = null;
      return inner.close();
    },
  };
}

const partsPerPull = 4;
