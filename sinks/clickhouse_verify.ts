/**
 * The proof for ClickHouse: what it holds against what the change log holds. What the bridge or the
 * sink still have before them is waited for, and is no difference.
 */

import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { sumEvents } from "../lib/clickhouse/event_sums.ts";
import { checkClickhouse } from "../lib/clickhouse/migrate.ts";
import { abortError, AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { type Difference, differences, EventSums } from "../lib/events/event_sums.ts";
import type { Limits } from "../lib/limits.ts";
import { pause } from "../lib/waiting.ts";
import { type ClickhousePlace, clickhousePlace, isPast } from "./clickhouse_place.ts";
import { eventsBetween } from "./events_between.ts";
import { verifyFrom } from "./verify_from.ts";

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
  const { from, hour } = verifyFrom(retentionDays, since);
  const wanted = log.from(hour);
  // The last of the batches most often goes a little beyond the checkpoint.
  for await (const { event } of eventsBetween(options, checkpoint, place.next)) {
    const { entityType, timestamp, id } = event;
    if (timestamp >= hour) wanted.addEvent(entityType, timestamp, id);
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

const lookMs = 100;

function notPast(seconds: number): AppError {
  return new AppError(
    "UNAVAILABLE",
    `ClickHouse does not have all that NATS has, and did not get it within ${seconds} s`,
    { hint: "see that bridge and sink run: fraiseql status tells how far each is" },
  );
}
