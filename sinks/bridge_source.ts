/**
 * Where the bridge goes on in FRAISEQL_EVENTS: the place behind its last batch, held against what the
 * stream is. The publisher fills a stream that was made anew, or lost its end, again from the change
 * log, raises its epoch, and the same events come once more, in other messages.
 */

import { readEventIds } from "../lib/arrow/event_schema.ts";
import { AppError } from "../lib/errors.ts";
import { lastCheckpoint } from "../lib/events/atomic_publish.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BadEvent, eventLines, parseEvent } from "../lib/events/entity_event.ts";
import { IdSet } from "../lib/events/id_set.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { messageAt, nextMessage, streamState } from "../lib/events/stream_state.ts";
import type { Log } from "../lib/log.ts";
import type { BatchStream, SourcePlace } from "./bridge_batches.ts";

/** What a checkpoint of the publisher tells the bridge. */
export interface SeenCheckpoint {
  readonly epoch: number;
  /** It ends a window. */
  readonly done: boolean;
}

/** Reads it; null where the bytes are none. */
export function readCheckpoint(data: Uint8Array): SeenCheckpoint | null {
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof found !== "object" || found === null) return null;
    const { epoch, done } = found as Record<string, unknown>;
    return typeof epoch === "number" ? { epoch, done: done === true } : null;
  } catch {
    return null; // the publisher refuses to go on from it; for the bridge it says nothing
  }
}

/**
 * Windows of the publisher that may bring old events once more: the rest of the one that it was in
 * when it noticed, and the next, which reaches to what was written by then.
 */
export const overlapWindows = 2;

/** The place to go on from; `UNAVAILABLE` where the publisher has yet to fill the stream again. */
export async function alignSource(
  nats: Nats,
  last: SourcePlace | null,
  log: Log,
): Promise<SourcePlace> {
  const { created, firstSequence, lastSequence } = await streamState(nats, STREAM.events);
  const checkpoint = await lastCheckpoint(nats);
  const epoch = checkpoint ? readCheckpoint(checkpoint.data)?.epoch ?? 0 : 0;
  const start = { sequence: firstSequence || 1, line: 0 };
  if (last === null || last.created === "") {
    return { created, epoch, next: start, last: null, overlap: 0 };
  }
  const again = (reason: string, from: number): SourcePlace => {
    log.warn("events may come again", { reason, from, epoch });
    const isBefore = from <= last.next.sequence;
    const next = isBefore ? { sequence: from, line: 0 } : last.next;
    return { created, epoch, next, last: null, overlap: overlapWindows };
  };
  if (last.created !== created) {
    return again(`it was made ${created}, and not ${last.created}`, start.sequence);
  }
  if (epoch > last.epoch) {
    if (last.epoch === 0) return { ...last, epoch }; // no checkpoint was seen before
    const from = await firstOfLaterEpoch(nats, last.epoch, firstSequence, lastSequence);
    return again(`the publisher's epoch is ${epoch}, and was ${last.epoch}`, from);
  }
  if (lastSequence < last.next.sequence - (last.next.line === 0 ? 1 : 0)) {
    throw new AppError(
      "UNAVAILABLE",
      `${STREAM.events} has lost its end: it ends at ${lastSequence}, and ` +
        `${last.next.sequence} was read`,
      { hint: "the publisher fills it again from the change log; is fraiseql observe running?" },
    );
  }
  if (await holdsOther(nats, last)) {
    return again(`another event is at ${last.last?.sequence}`, start.sequence);
  }
  return last;
}

/** Whether there is another event where the last one was read; what was purged says nothing. */
async function holdsOther(nats: Nats, { last }: SourcePlace): Promise<boolean> {
  if (last === null) return false;
  const message = await messageAt(nats, STREAM.events, last.sequence);
  if (message === null) return false;
  const line = [...eventLines(message.data)][last.line];
  const event = line && parseEvent(line);
  return !event || event instanceof BadEvent || event.id !== last.id;
}

/**
 * The first sequence behind the last checkpoint of that epoch or an earlier one: what lies before was
 * never lost, since every loss raises the epoch. Epochs grow along the stream, so halving finds it.
 */
async function firstOfLaterEpoch(
  nats: Nats,
  epoch: number,
  first: number,
  last: number,
): Promise<number> {
  let [from, to] = [Math.max(1, first), last];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const found = await nextMessage(nats, STREAM.events, middle, SUBJECT.checkpoint);
    const isLater = found === null || (readCheckpoint(found.data)?.epoch ?? 0) > epoch;
    if (isLater) to = middle;
    else from = found.sequence + 1;
  }
  return from;
}

/** Ids of the newest events in FRAISEQL_BATCHES, up to so many. */
export async function recentIds(
  nats: Nats,
  { sequence, firstSequence }: BatchStream,
  eventsMax: number,
  signal: AbortSignal,
): Promise<IdSet> {
  const known = new IdSet();
  for (let at = sequence; at >= Math.max(1, firstSequence) && known.size < eventsMax; at--) {
    signal.throwIfAborted();
    const message = await messageAt(nats, STREAM.batches, at);
    if (message === null) continue;
    const words = new Int32Array(readEventIds(message.data).buffer);
    for (let word = 0; word < words.length; word += 4) known.add(words, word);
  }
  return known;
}
