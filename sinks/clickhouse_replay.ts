/**
 * Brings back what ClickHouse lost: events of a time that lie in FRAISEQL_BATCHES, or before those in
 * FRAISEQL_EVENTS, and not in ClickHouse. Each id is looked for before, so that it can be stopped and
 * repeated at any time.
 */

import { type EventBatch, readEventBatch } from "../lib/arrow/joined_batches.ts";
import { checkClickhouse } from "../lib/clickhouse/migrate.ts";
import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BATCH_HEADER, STREAM } from "../lib/events/names.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import { nextMessage, streamState } from "../lib/events/stream_state.ts";
import type { Limits } from "../lib/limits.ts";
import { AbsentEvents, type AbsentOptions, type Added } from "./absent_events.ts";
import { storedBatch } from "./clickhouse_place.ts";
import { replayEvents } from "./replay_events.ts";

export interface ReplayOptions extends AbsentOptions {
  readonly nats: Nats;
  readonly limits: Pick<
    Limits,
    | "pullMessagesMax"
    | "pullBytesMax"
    | "clickhouseInsertMonthsMax"
    | "batchRowsMax"
    | "bridgeBatchBytesMax"
  >;
  /** In messages of that stream. */
  readonly onProgress: (stream: string, done: number, total: number) => void;
}

export interface Replayed {
  readonly batches: Added;
  /** Of FRAISEQL_EVENTS; `found` is 0 where the batches hold all that it holds. */
  readonly events: Added;
  /** What was published since then is in one of the two; null: they hold nothing. */
  readonly heldSince: Date | null;
  /** Batches that the sink has before it, and stores itself. */
  readonly coming: number;
  /** Messages and lines that are no events: they were parked. */
  readonly unreadable: number;
}

/** Adds what is not there and nothing else. */
export async function replayClickhouse(options: ReplayOptions): Promise<Replayed> {
  const { clickhouse, retentionDays, signal } = options;
  await checkClickhouse(clickhouse, { retentionDays }, signal);
  const absent = new AbsentEvents(options);
  const fromBatches = await replayBatches(absent, options);
  const batches = absent.take();
  const fromEvents = await replayEvents(absent, options);
  return {
    batches,
    events: absent.take(),
    heldSince: earlier(fromBatches.heldSince, fromEvents.heldSince),
    coming: fromBatches.coming,
    unreadable: fromBatches.unreadable + fromEvents.unreadable,
  };
}

function earlier(a: Date | null, b: Date | null): Date | null {
  return a === null || b !== null && b < a ? b : a;
}

async function replayBatches(
  absent: AbsentEvents,
  { nats, limits, onProgress, signal }: ReplayOptions,
): Promise<Pick<Replayed, "heldSince" | "coming" | "unreadable">> {
  const { firstSequence, lastSequence } = await streamState(nats, STREAM.batches);
  // Without a sink's word nothing is on its way.
  const end = Math.min(lastSequence, await storedBatch(nats) ?? lastSequence);
  const first = await nextMessage(nats, STREAM.batches, 1);
  const coming = lastSequence - end;
  const heldSince = first?.time ?? null;
  let unreadable = 0;
  if (first === null || first.sequence > end) return { heldSince, coming, unreadable };

  const reader = await readOrdered({ nats, stream: STREAM.batches, from: first.sequence });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  try {
    for (let at = 0; at < end;) {
      const batches: EventBatch[] = [];
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        if (at > end) break;
        if (message.header(BATCH_HEADER.rows) === "0") continue;
        const batch = readBatch(message);
        if (batch === null) unreadable++;
        else batches.push(batch);
      }
      await absent.add(batches);
      onProgress(STREAM.batches, Math.min(at, end) - firstSequence + 1, end - firstSequence + 1);
    }
  } finally {
    reader.close();
  }
  return { heldSince, coming, unreadable };
}

/** Null where it is none. */
function readBatch(message: EventMessage): EventBatch | null {
  try {
    return readEventBatch(message.data);
  } catch (error) {
    if (error instanceof AppError && error.code === "BAD_INPUT") return null;
    throw error;
  }
}
