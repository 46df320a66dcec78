/**
 * Brings back what ClickHouse lost: events of a time that lie in FRAISEQL_BATCHES and not in
 * ClickHouse. Each id is looked for before, so that it can be stopped and repeated at any time.
 */

import {
  entityTypeIndexes,
  type EventBatch,
  eventIds,
  eventTimes,
  readEventBatch,
  someRows,
} from "../lib/arrow/joined_batches.ts";
import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { idsMax, storedEvents } from "../lib/clickhouse/event_sums.ts";
import { checkClickhouse } from "../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BATCH_HEADER, STREAM } from "../lib/events/names.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import { nextMessage, streamState } from "../lib/events/stream_state.ts";
import type { Limits } from "../lib/limits.ts";
import { toPayload } from "./clickhouse_encode.ts";
import { storedBatch } from "./clickhouse_place.ts";

export interface ReplayOptions {
  readonly nats: Nats;
  readonly clickhouse: Clickhouse;
  readonly retentionDays: number;
  /** Times of events, inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  /** Null: all. */
  readonly entityType: string | null;
  /** Only counts. */
  readonly isDry: boolean;
  readonly limits: Pick<Limits, "pullMessagesMax" | "pullBytesMax" | "clickhouseInsertMonthsMax">;
  /** In batches. */
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

export interface Replayed {
  /** Events of that time in FRAISEQL_BATCHES. */
  readonly found: number;
  /** Of them were not in ClickHouse, and are but for a dry run. */
  readonly missing: number;
  /** When the first batch that the stream holds was made; null: it holds none. */
  readonly heldSince: Date | null;
  /** Batches that the sink has before it, and stores itself. */
  readonly coming: number;
  /** Messages that are no batches: the sink parked them. */
  readonly unreadable: number;
}

/** Adds what is not there and nothing else. */
export async function replayClickhouse(options: ReplayOptions): Promise<Replayed> {
  const { nats, clickhouse, retentionDays, limits, isDry, onProgress, signal } = options;
  await checkClickhouse(clickhouse, { retentionDays }, signal);
  const { firstSequence, lastSequence } = await streamState(nats, STREAM.batches);
  // Without a sink's word nothing is on its way.
  const end = Math.min(lastSequence, await storedBatch(nats) ?? lastSequence);
  const first = await nextMessage(nats, STREAM.batches, 1);
  const coming = lastSequence - end;
  const heldSince = first?.time ?? null;
  let [found, missing, unreadable] = [0, 0, 0];
  if (first === null || first.sequence > end) {
    return { found, missing, heldSince, coming, unreadable };
  }

  const wanted = wantedRows(options);
  // No token of the sink: ClickHouse would take the batch that it lost for one that it has.
  const run = `replay-${crypto.randomUUID()}`;
  const reader = await readOrdered({ nats, stream: STREAM.batches, from: first.sequence });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  try {
    for (let at = 0; at < end;) {
      const parts: EventBatch[] = [];
      const taken = new Set<string>();
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        if (at > end) break;
        if (message.header(BATCH_HEADER.rows) === "0") continue;
        const batch = readBatch(message);
        if (batch === null) {
          unreadable++;
          continue;
        }
        const rows = wanted(batch);
        const absent = await absentRows(clickhouse, batch, rows, taken, signal);
        found += rows.length;
        missing += absent.length;
        if (absent.length > 0) parts.push(someRows(batch, absent));
      }
      const payload = isDry ? null : toPayload(parts, limits.clickhouseInsertMonthsMax);
      for (const { pieces, token } of payload?.inserts ?? []) {
        await clickhouse.insertArrow(EVENTS_DATA, pieces, { token: `${run}-${token}`, signal });
      }
      onProgress(Math.min(at, end) - firstSequence + 1, end - firstSequence + 1);
    }
  } finally {
    reader.close();
  }
  return { found, missing, heldSince, coming, unreadable };
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

/** The rows of a batch that the command is about. */
function wantedRows(
  { from, to, entityType, retentionDays }: ReplayOptions,
): (batch: EventBatch) => number[] {
  // Older ones would leave ClickHouse again at once.
  const oldestMs = Date.now() - retentionDays * 86_400_000;
  const first = BigInt(Math.max(from.getTime(), oldestMs)) * 1000n;
  const end = BigInt(to.getTime()) * 1000n;
  return (batch) => {
    const times = eventTimes(batch);
    const types = entityTypeIndexes(batch);
    const type = entityType === null ? null : batch.entityTypes.indexOf(entityType);
    return Array.from(times.keys()).filter((row) =>
      times[row]! >= first && times[row]! < end && (type === null || types[row] === type)
    );
  };
}

/** Those of the rows whose ids neither ClickHouse has nor `taken`, which gets them, in their order. */
async function absentRows(
  clickhouse: Clickhouse,
  batch: EventBatch,
  rows: readonly number[],
  taken: Set<string>,
  signal: AbortSignal,
): Promise<number[]> {
  const times = eventTimes(batch);
  const types = entityTypeIndexes(batch);
  const ids = eventIds(batch);
  const idOf = (row: number) => uuidText(ids.subarray(16 * row, 16 * row + 16));
  const absent: number[] = [];
  for (const [type, some] of Map.groupBy(rows, (row) => types[row]!)) {
    for (let i = 0; i < some.length; i += idsMax) {
      const part = some.slice(i, i + idsMax);
      const sorted = part.map((row) => times[row]!).sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
      const known = await storedEvents(clickhouse, {
        entityType: batch.entityTypes[type]!,
        first: sorted[0]!,
        last: sorted.at(-1)!,
        ids: part.map(idOf),
      }, signal);
      for (const row of part) {
        const id = idOf(row);
        if (known.has(id) || taken.has(id)) continue;
        taken.add(id);
        absent.push(row);
      }
    }
  }
  return absent.sort((a, b) => a - b);
}

function uuidText(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([a, b]) => hex.slice(a, b)).join("-");
}
