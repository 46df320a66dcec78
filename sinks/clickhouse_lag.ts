/** How far the ClickHouse sink is, asked from outside: for `fraiseql status`. */

import { type Place, readHolder } from "../lib/events/holder.ts";
import type { Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { readProgress } from "../lib/events/recorded_feed.ts";
import { nextMessage, streamState } from "../lib/events/stream_state.ts";

/** The sink as it can be seen in the streams. */
export interface ClickhouseLag {
  /** Of the last batch that is stored. */
  readonly sequence: number;
  /** Batches that are not. */
  readonly batches: number;
  /** Age of the oldest of them; 0 where there is none. */
  readonly seconds: number;
  readonly place: Place;
}

/** Asks the streams; null where no sink ever stored anything. */
export async function clickhouseLag(nats: Nats): Promise<ClickhouseLag | null> {
  const found = await readProgress(nats, "clickhouse");
  if (found === null) return null;
  const { done, first, last } = found.record;
  const sequence = done ? last : first - 1;
  const { lastSequence } = await streamState(nats, STREAM.batches);
  const next = await nextMessage(nats, STREAM.batches, sequence + 1, SUBJECT.batches);
  return {
    sequence,
    batches: next ? lastSequence - sequence : 0,
    place: {
      holder: readHolder(found.record.holder),
      stopped: found.record.stopped,
      silentMs: Math.max(0, Date.now() - found.time.getTime()),
    },
    seconds: next ? Math.max(0, (Date.now() - next.time.getTime()) / 1000) : 0,
  };
}
