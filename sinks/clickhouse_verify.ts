/**
 * The proof for ClickHouse: what it holds against what the change log holds. What the bridge or the
 * sink still have before them is waited for, and is no difference.
 */

import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { sumEvents } from "../lib/clickhouse/event_sums.ts";
import { checkClickhouse } from "../lib/clickhouse/migrate.ts";
import { abortError, AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BadEvent, eventLines, parseEvent } from "../lib/events/entity_event.ts";
import { type Difference, differences, EventSums } from "../lib/events/event_sums.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import { nextMessage } from "../lib/events/stream_state.ts";
import type { Limits } from "../lib/limits.ts";
import { pause } from "../lib/waiting.ts";
import type { LinePlace } from "./bridge_batches.ts";
import { type ClickhousePlace, clickhousePlace, isPast } from "./clickhouse_place.ts";

export interface VerifyClickhouseOptions {
  readonly nats: Nats;
  readonly clickhouse: Clickhouse;
  /** Of the change log, up to the checkpoint. */
  readonly log: EventSums;
  /** Sequence of the checkpoint in FRAISEQL_EVENTS. */
  readonly checkpoint: number;
  /** Hours from this one on; null: all. */
  readonly since: Date | null;
  readonly retentionDays: number;
  readonly limits: Pick<Limits, "pullMessagesMax" | "pullBytesMax" | "verifyWaitSecondsMax">;
  /** It has to wait; told once. */
  readonly onWait: () => void;
  readonly signal: AbortSignal;
}

export interface VerifiedClickhouse {
  /** Events that should be there, less those that are so old that they may be gone. */
  readonly wanted: number;
  readonly stored: number;
  /** `logged` are those that should be there. */
  readonly differences: readonly Difference[];
}

/** Compares; throws `UNAVAILABLE` where ClickHouse cannot be asked or its sink does not come on. */
export async function verifyClickhouse(
  options: VerifyClickhouseOptions,
): Promise<VerifiedClickhouse> {
  const { nats, clickhouse, log, checkpoint, since, retentionDays, signal } = options;
  await checkClickhouse(clickhouse, { retentionDays }, signal);
  const place = await untilPast(options);
  const sinceMs = since === null ? -Infinity : floorHour(since.getTime());
  const from = new Date(Math.max(oldestMs(retentionDays), sinceMs));
  const hour = from.toISOString().slice(0, "2026-01-01T00".length);
  const wanted = log.from(hour);
  for await (const { type, timestamp, id } of eventsBetween(options, checkpoint, place.next)) {
    if (timestamp >= hour) wanted.addEvent(type, timestamp, id);
  }
  const stored = new EventSums();
  for (const sum of await sumEvents(clickhouse, { from, position: place.position, signal })) {
    stored.add(sum.entityType, sum.hour, sum.count, sum.hash);
  }
  return {
    wanted: wanted.events,
    stored: stored.events,
    differences: differences(wanted, stored),
  };

  async function untilPast({ limits, onWait }: VerifyClickhouseOptions): Promise<ClickhousePlace> {
    const endMs = performance.now() + limits.verifyWaitSecondsMax * 1000;
    for (let saidSo = false;; saidSo = true) {
      if (signal.aborted) throw abortError(signal);
      const place = await clickhousePlace(nats);
      if (place !== null && await isPast(nats, place, checkpoint)) return place;
      if (performance.now() >= endMs) throw notPast(limits.verifyWaitSecondsMax);
      if (!saidSo) onWait();
      await pause(lookMs, signal);
    }
  }
}

/** The first hour of which no event can leave ClickHouse by its age while this runs. */
function oldestMs(retentionDays: number): number {
  return floorHour(Date.now() - retentionDays * 24 * hourMs) + 2 * hourMs;
}

const hourMs = 3_600_000;
const floorHour = (ms: number) => Math.floor(ms / hourMs) * hourMs;
const lookMs = 100;

function notPast(seconds: number): AppError {
  return new AppError(
    "UNAVAILABLE",
    `ClickHouse does not have all that NATS has, and did not get it within ${seconds} s`,
    { hint: "see that bridge and sink run: fraiseql status tells how far each is" },
  );
}

/** What the batches hold beyond the checkpoint: the last of them most often goes a little further. */
async function* eventsBetween(
  { nats, limits, signal }: VerifyClickhouseOptions,
  checkpoint: number,
  end: LinePlace,
): AsyncGenerator<{ readonly type: string; readonly timestamp: string; readonly id: string }> {
  const next = await nextMessage(nats, STREAM.events, checkpoint + 1, SUBJECT.allEvents);
  const isBefore = (sequence: number, line: number) =>
    sequence < end.sequence || sequence === end.sequence && line < end.line;
  if (next === null || !isBefore(next.sequence, 0)) return;
  const subjects = [SUBJECT.allEvents];
  const reader = await readOrdered({ nats, stream: STREAM.events, from: next.sequence, subjects });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  // The message that `end` names may be a checkpoint, or not be there yet.
  const isLast = async (at: number) => {
    const message = await nextMessage(nats, STREAM.events, at + 1, SUBJECT.allEvents);
    return message === null || !isBefore(message.sequence, 0);
  };
  try {
    for (let at = checkpoint; at === checkpoint || !await isLast(at);) {
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        let line = 0;
        for (const bytes of eventLines(message.data)) {
          if (!isBefore(at, line++)) return;
          const event = parseEvent(bytes);
          if (event instanceof BadEvent) continue; // the bridge parked it
          yield { type: event.entityType, timestamp: event.timestamp, id: event.id };
        }
      }
    }
  } finally {
    reader.close();
  }
}
