/** Up to where ClickHouse has everything, in batches and in the events that they are made of. */

import { positionOf } from "../lib/arrow/event_columns.ts";
import type { Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { readProgress } from "../lib/events/recorded_feed.ts";
import { messageAt, nextMessage, streamState } from "../lib/events/stream_state.ts";
import { type LinePlace, toHead } from "./bridge_batches.ts";

export interface ClickhousePlace {
  /** The last batch of FRAISEQL_BATCHES that the sink says is stored; 0: none. */
  readonly batch: number;
  /** No row of a later batch has it or a lower one. */
  readonly position: bigint;
  /** Behind the last line of FRAISEQL_EVENTS that is in those batches. */
  readonly next: LinePlace;
}

/** Asks the streams; null where the sink's last batch cannot be found in them. */
export async function clickhousePlace(nats: Nats): Promise<ClickhousePlace | null> {
  const events = await streamState(nats, STREAM.events);
  const batch = await storedBatch(nats);
  if (batch === null || batch === 0) return nothing;
  const message = await messageAt(nats, STREAM.batches, batch);
  if (message === null) return null;
  const { epoch, place } = toHead(message);
  // It is of a stream that is no more: what lies in this one comes behind it.
  if (place.created !== events.created) return null;
  return { batch, position: positionOf(epoch, batch + 1, 0) - 1n, next: place.next };
}

const nothing: ClickhousePlace = { batch: 0, position: 0n, next: { sequence: 1, line: 0 } };

/** The last batch that is stored; null where no sink has written of this stream. */
export async function storedBatch(nats: Nats): Promise<number | null> {
  const { created } = await streamState(nats, STREAM.batches);
  const record = (await readProgress(nats, "clickhouse"))?.record;
  if (!record || record.created !== created) return null;
  return record.done ? record.last : record.first - 1;
}

/** Whether no event before that sequence of FRAISEQL_EVENTS lies behind the place. */
export async function isPast(
  nats: Nats,
  { next }: ClickhousePlace,
  sequence: number,
): Promise<boolean> {
  const event = await nextMessage(nats, STREAM.events, next.sequence, SUBJECT.allEvents);
  return event === null || event.sequence > sequence;
}
