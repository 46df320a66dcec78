/** How far ClickHouse is, asked of itself. */

import { eventIds, readEventBatch } from "../lib/arrow/joined_batches.ts";
import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { EVENTS_DATA, FIRST_BRIDGED } from "../lib/clickhouse/tables.ts";
import type { Nats } from "../lib/events/connect.ts";
import { STREAM } from "../lib/events/names.ts";
import { messageAt, streamState } from "../lib/events/stream_state.ts";
import { StreamReplaced } from "../lib/events/stream_place.ts";

/**
 * The sequence in FRAISEQL_BATCHES up to which ClickHouse surely holds everything; null where that
 * cannot be told. Throws `StreamReplaced` where its last event is not in the stream: the stream lost
 * its end or was made anew, and what lies there may be new to ClickHouse at any place.
 */
export async function heldSequence(
  nats: Nats,
  clickhouse: Clickhouse,
  /** The last insert may be there in part; it has no more than so many messages. */
  messagesMax: number,
  signal: AbortSignal,
): Promise<number | null> {
  const [found] = await clickhouse.rows<{ readonly last: string; readonly id: string }>(
    `SELECT max(position) AS last, argMax(event_id, position) AS id FROM ${EVENTS_DATA}
     WHERE position >= ${FIRST_BRIDGED}`,
    { signal },
  );
  const position = BigInt(found?.last ?? 0);
  if (!found || position === 0n) return null;
  const sequence = Number(position >> 14n & (1n << 40n) - 1n);
  const row = Number(position & (1n << 14n) - 1n);
  const { firstSequence, lastSequence } = await streamState(nats, STREAM.batches);
  if (sequence > lastSequence) {
    throw new StreamReplaced(
      STREAM.batches,
      `it ends at ${lastSequence}, and ClickHouse has ${sequence}`,
    );
  }
  const message = await messageAt(nats, STREAM.batches, sequence);
  if (message === null) return null; // it has left the stream
  if (idOf(message.data, row) !== found.id.replaceAll("-", "")) {
    throw new StreamReplaced(STREAM.batches, `another event is at ${sequence}`);
  }
  return Math.max(sequence - messagesMax, firstSequence - 1);
}

function idOf(data: Uint8Array, row: number): string | null {
  try {
    return eventIds(readEventBatch(data)).subarray(16 * row, 16 * row + 16).toHex();
  } catch {
    return null; // no batch of ours: another one than was stored
  }
}
