/**
 * Record batches of events as the bridge publishes them, for whoever follows: behind what ClickHouse
 * holds, from FRAISEQL_BATCHES.
 */

import { positionOf } from "../arrow/event_columns.ts";
import { ColumnBuffers, type EventRows, type TextValues } from "../arrow/event_rows.ts";
import { readIpc, type ReadMessage } from "../arrow/ipc_reader.ts";
import { AppError } from "../errors.ts";
import type { Nats } from "./connect.ts";
import { BATCH_HEADER, STREAM } from "./names.ts";
import { readOrdered } from "./ordered_reader.ts";
import type { EventMessage, PullMax } from "./puller.ts";
import { readProgress } from "./recorded_feed.ts";
import { messageAt, streamState } from "./stream_state.ts";

/** A batch of FRAISEQL_BATCHES by its number. */
export interface BatchPlace {
  /** When the stream was made. */
  readonly created: string;
  readonly sequence: number;
}

/** Up to where ClickHouse holds everything. */
export interface Settled {
  /** All positions up to it are there or will never be; null: whatever is there. */
  readonly position: bigint | null;
  /** The batch behind it. */
  readonly next: BatchPlace;
}

export interface LiveBatches {
  /** Asks how far ClickHouse's sink is; throws `UNAVAILABLE`. */
  settled(signal: AbortSignal): Promise<Settled>;

  /**
   * Batches from that one on, as they come. Throws `UNAVAILABLE` where they cannot be read: then
   * `settled` is to be asked again, and what it says read from ClickHouse first.
   */
  read(from: BatchPlace, signal: AbortSignal): AsyncGenerator<LiveBatch, undefined>;
}

export interface LiveBatch {
  /** The one behind it. */
  readonly next: BatchPlace;
  readonly rows: EventRows;
}

/** Reads by a connection that somebody else opens and closes. */
export function liveBatches(connection: () => Promise<Nats>, max: PullMax): LiveBatches {
  return {
    async settled() {
      const nats = await connection();
      // In this order: what the record says has left the stream at the earliest after it.
      const { created } = await streamState(nats, STREAM.batches);
      const record = (await readProgress(nats, "clickhouse"))?.record ?? null;
      // No sink yet, or none since the stream was made: what ClickHouse holds does not move.
      if (record === null || record.created !== created) {
        return { position: null, next: { created, sequence: 1 } };
      }
      const sequence = record.done ? record.last : record.first - 1;
      const next = { created, sequence: sequence + 1 };
      const batch = sequence === 0 ? null : await messageAt(nats, STREAM.batches, sequence);
      const epoch = Number(batch?.headers.get(BATCH_HEADER.epoch) ?? NaN);
      if (Number.isSafeInteger(epoch)) {
        return { position: positionOf(epoch, sequence + 1, 0) - 1n, next };
      }
      // It has left the stream, or there was none: the batch behind it tells the epoch.
      const following = await messageAt(nats, STREAM.batches, sequence + 1);
      const later = Number(following?.headers.get(BATCH_HEADER.epoch) ?? NaN);
      const position = Number.isSafeInteger(later) ? positionOf(later, sequence + 1, 0) - 1n : null;
      return { position, next };
    },

    async *read({ created, sequence }, signal) {
      const nats = await connection();
      const state = await streamState(nats, STREAM.batches);
      if (state.created !== created || state.lastSequence < sequence - 1) {
        throw new AppError("UNAVAILABLE", "FRAISEQL_BATCHES is not the stream that it was");
      }
      if (state.firstSequence > sequence && sequence > 1) {
        throw new AppError("UNAVAILABLE", `FRAISEQL_BATCHES begins at ${state.firstSequence}`);
      }
      const reader = await readOrdered({ nats, stream: STREAM.batches, from: sequence });
      try {
        for (let expected = sequence; !signal.aborted;) {
          for (const message of await reader.pull(max, signal)) {
            if (message.sequence > expected && expected > Math.max(1, state.firstSequence)) {
              throw new AppError(
                "UNAVAILABLE",
                "batches left FRAISEQL_BATCHES before they were read",
              );
            }
            expected = message.sequence + 1;
            yield { next: { created, sequence: expected }, rows: await readRows(message) };
          }
        }
      } finally {
        reader.close();
      }
      return undefined;
    },
  };
}

/** As lib/arrow/event_schema.ts writes them. */
const COLUMNS = [
  "event_id: FixedSizeBinary[16]",
  "event_type: Dictionary<Int32, Utf8>",
  "entity_type: Dictionary<Int32, Utf8>",
  "entity_id: Utf8",
  "timestamp: Timestamp<MICROSECOND, UTC>",
  "data: Utf8",
  "user_id: Utf8",
  "org_id: Utf8",
  "position: Uint64",
];

async function readRows(message: EventMessage): Promise<EventRows> {
  const labels: string[][] = [[], []];
  let rows: EventRows | null = null;
  for await (const part of readIpc([message.data], COLUMNS)) {
    if (part.kind === "dictionary") labels[part.id] = readLabels(part);
    else rows = toRows(part, labels[0] ?? [], labels[1] ?? []);
  }
  if (rows) return rows;
  throw new AppError("BAD_INPUT", `batch ${message.sequence} of FRAISEQL_BATCHES has no rows`);
}

function readLabels({ rows, buffers }: ReadMessage): string[] {
  const [, offsets, bytes] = buffers;
  if (!offsets || !bytes) throw new Error("a dictionary without texts");
  const ends = new Int32Array(offsets.buffer, offsets.byteOffset, rows + 1);
  const decoder = new TextDecoder();
  return Array.from(
    { length: rows },
    (_, i) => decoder.decode(bytes.subarray(ends[i], ends[i + 1])),
  );
}

function toRows(
  message: ReadMessage,
  eventTypes: readonly string[],
  entityTypes: readonly string[],
): EventRows {
  const columns = new ColumnBuffers(message);
  const ids = () => {
    columns.take();
    return uuidTexts(columns.take(), message.rows);
  };
  return {
    rows: message.rows,
    eventId: ids(),
    eventType: columns.numbers(Int32Array),
    entityType: columns.numbers(Int32Array),
    entityId: columns.texts(3),
    timestamp: columns.numbers(BigInt64Array),
    data: columns.texts(5),
    userId: columns.texts(6),
    orgId: columns.texts(7),
    position: columns.numbers(BigUint64Array),
    eventTypes,
    entityTypes,
  };
}

const hexDigits = new TextEncoder().encode("0123456789abcdef");
const uuidChars = 36;
const hyphen = 45;

/** 16 bytes each -> their texts; a loop per byte, since it runs for every event of every follower. */
function uuidTexts(ids: Uint8Array, rows: number): TextValues {
  const offsets = new Int32Array(rows + 1);
  const bytes = new Uint8Array(uuidChars * rows);
  let at = 0;
  for (let i = 0; i < 16 * rows; i++) {
    const byte = ids[i]!;
    const inId = i & 15;
    if (inId === 4 || inId === 6 || inId === 8 || inId === 10) bytes[at++] = hyphen;
    bytes[at++] = hexDigits[byte >> 4]!;
    bytes[at++] = hexDigits[byte & 15]!;
    if (inId === 15) offsets[(i >> 4) + 1] = at;
  }
  return { offsets, bytes, validity: null };
}
