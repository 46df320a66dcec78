/** How far the bridge is, asked from outside: for `fraiseql status`. */

import { type Place, readHolder } from "../lib/events/holder.ts";
import type { Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { lastMessage, nextMessage, streamState } from "../lib/events/stream_state.ts";
import { sourceSequence } from "./bridge_batches.ts";
import { readBridgeProgress } from "./bridge_progress.ts";

/** The bridge as it can be seen in the streams. */
export interface BridgeLag {
  /** Of the last batch. */
  readonly batchSequence: number;
  readonly epoch: number;
  /** The next of FRAISEQL_EVENTS that it reads. */
  readonly sequence: number;
  /** Messages that it has not read, checkpoints among them. */
  readonly messages: number;
  /** Age of the oldest of them that holds events; 0 where there is none. */
  readonly seconds: number;
  /** Rows since its process began. */
  readonly events: number;
  readonly lastError: string | null;
  readonly place: Place;
}

/** Asks the streams; null where no bridge ever ran. */
export async function bridgeLag(nats: Nats): Promise<BridgeLag | null> {
  const record = await readBridgeProgress(nats);
  if (record === null) return null;
  const last = await lastMessage(nats, STREAM.batches, SUBJECT.batches);
  const sequence = last ? sourceSequence(last) : record.head?.place.next.sequence ?? 1;
  const { lastSequence } = await streamState(nats, STREAM.events);
  const unread = await nextMessage(nats, STREAM.events, sequence, SUBJECT.allEvents);
  return {
    batchSequence: last?.sequence ?? record.batchSequence,
    epoch: record.epoch,
    sequence,
    messages: unread ? lastSequence - sequence + 1 : 0,
    seconds: unread ? Math.max(0, (Date.now() - unread.time.getTime()) / 1000) : 0,
    events: record.events,
    lastError: record.lastError,
    place: {
      holder: readHolder(record.holder),
      stopped: record.stopped,
      silentMs: Math.max(0, Date.now() - Date.parse(record.at)),
    },
  };
}
