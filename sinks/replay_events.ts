/** What FRAISEQL_EVENTS holds that is not in FRAISEQL_BATCHES any more, for `replay`. */

import { dataBytesMax } from "../lib/events/atomic_publish.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BATCH_HEADER, STREAM, SUBJECT } from "../lib/events/names.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import { Scan } from "../lib/events/event_scanner.ts";
import {
  lastMessage,
  messageAt,
  nextMessage,
  type StoredMessage,
  streamState,
} from "../lib/events/stream_state.ts";
import type { EventBatch } from "../lib/arrow/joined_batches.ts";
import type { AbsentEvents } from "./absent_events.ts";
import { type BatchHead, type LinePlace, toHead, toLine } from "./bridge_batches.ts";
import type { ReplayOptions } from "./clickhouse_replay.ts";
import { storedBatch } from "./clickhouse_place.ts";
import { freeSequence, LineBatches } from "./line_batches.ts";

/** What the stream had. */
export interface ReplayedEvents {
  /** When its first message was published; null: it holds none, or none that is stored. */
  readonly heldSince: Date | null;
  /** Lines that are no events. */
  readonly unreadable: number;
}

/**
 * Adds what is not there of the events before those that the batches hold; what the bridge or the
 * sink has before it is left to them.
 */
export async function replayEvents(
  absent: AbsentEvents,
  { nats, clickhouse, limits, onProgress, signal }: ReplayOptions,
): Promise<ReplayedEvents> {
  const end = await endOfEvents(nats);
  const first = await nextMessage(nats, STREAM.events, 1);
  if (end === null || first === null) return { heldSince: null, unreadable: 0 };
  const last = Math.min(
    end.line > 0 ? end.sequence : end.sequence - 1,
    (await streamState(nats, STREAM.events)).lastSequence,
  );
  if (first.sequence > last) return { heldSince: first.time, unreadable: 0 };

  const sequence = await freeSequence(clickhouse, signal);
  const lines = new LineBatches(limits, dataBytesMax(nats), sequence);
  const reader = await readOrdered({ nats, stream: STREAM.events, from: first.sequence });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  try {
    for (let at = 0; at < last;) {
      const batches: EventBatch[] = [];
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        if (at > last) break;
        if (message.subject === SUBJECT.checkpoint) continue;
        batches.push(...lines.add(at === end.sequence ? head(message.data, end) : message.data));
      }
      await absent.add([...batches, ...lines.rest()]);
      onProgress(STREAM.events, Math.min(at, last) - first.sequence + 1, last - first.sequence + 1);
    }
  } finally {
    reader.close();
  }
  return { heldSince: first.time, unreadable: lines.refused };
}

/** The lines before that one. */
function head(data: Uint8Array, { line }: LinePlace): Uint8Array {
  const scan = new Scan(data);
  scan.skip(line);
  return data.subarray(0, scan.at);
}

/** Before which line everything was stored once and no batch holds it; null: that cannot be told. */
async function endOfEvents(nats: Nats): Promise<LinePlace | null> {
  const { created } = await streamState(nats, STREAM.events);
  const isOfStream = (head: BatchHead) => head.place.created === created;
  const stored = await storedBatch(nats);
  // Without a sink's word nothing is on its way but what the bridge has before it.
  const message = stored === null
    ? await lastMessage(nats, STREAM.batches, SUBJECT.batches)
    : await messageAt(nats, STREAM.batches, stored);
  const last = message && toHead(message);
  if (last === null || !isOfStream(last)) return null;
  const { next } = last.place;
  const held = await firstOfEvents(nats);
  if (held === null || !isOfStream(toHead(held))) return next;
  const first = toLine(held.headers.get(BATCH_HEADER.first) ?? "");
  return isBefore(first, next) ? first : next;
}

/** The first batch that is made of events, and not of a replay. */
async function firstOfEvents(nats: Nats): Promise<StoredMessage | null> {
  for (let sequence = 1;;) {
    const message = await nextMessage(nats, STREAM.batches, sequence);
    if (message === null || message.headers.has(BATCH_HEADER.first)) return message;
    sequence = message.sequence + 1;
  }
}

function isBefore(a: LinePlace, b: LinePlace): boolean {
  return a.sequence < b.sequence || a.sequence === b.sequence && a.line < b.line;
}
