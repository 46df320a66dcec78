/**
 * The proof for the store of searched events: what it holds against what the change log holds. What
 * the sink still has before it is waited for, and is no difference.
 */

import { abortError, AppError } from "../lib/errors.ts";
import type { Nats } from "../lib/events/connect.ts";
import { consumerState } from "../lib/events/consumer_state.ts";
import { type Difference, differences, EventSums } from "../lib/events/event_sums.ts";
import { STREAM } from "../lib/events/names.ts";
import { streamState } from "../lib/events/stream_state.ts";
import type { Limits } from "../lib/limits.ts";
import type { SearchIndex } from "../lib/search/store.ts";
import { pause } from "../lib/waiting.ts";
import { eventsBetween } from "./events_between.ts";
import { verifyFrom } from "./verify_from.ts";

export interface VerifySearchOptions {
  readonly nats: Nats;
  readonly index: Pick<SearchIndex, "sums">;
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

export interface VerifiedSearch {
  /** Events that should be there, less those that are so old that they may be gone. */
  readonly wanted: number;
  readonly stored: number;
  /** `logged` are those that should be there. */
  readonly differences: readonly Difference[];
}

/** Compares; throws `UNAVAILABLE` where the store cannot be asked or its sink does not come on. */
export async function verifySearch(options: VerifySearchOptions): Promise<VerifiedSearch> {
  let saidSo = false;
  const onWait = () => {
    if (!saidSo) options.onWait();
    saidSo = true;
  };
  for (let tries = 1;; tries++) {
    const stored = await untilStored(options, onWait);
    const { verified, isSure } = await compare(options, stored);
    if (verified.differences.length === 0 || isSure || tries === triesMax) return verified;
  }
}

/** Of what comes while the store counts, which is asked once more where it cannot be told apart. */
const triesMax = 5;

async function compare(
  options: VerifySearchOptions,
  storedUpTo: number,
): Promise<{ readonly verified: VerifiedSearch; readonly isSure: boolean }> {
  const { nats, index, log, checkpoint, since, retentionDays, signal } = options;
  const { from, hour } = verifyFrom(retentionDays, since);
  const stored = new EventSums();
  for (const sum of await index.sums(from.getTime() * 1000, signal)) {
    stored.add(sum.entityType, sum.hour, sum.count, sum.hash);
  }
  const { lastSequence } = await streamState(nats, STREAM.events);

  const wanted = log.from(hour);
  let isSure = true;
  for await (
    const { event, sequence } of eventsBetween(options, checkpoint, behind(lastSequence))
  ) {
    const { entityType, timestamp, id } = event;
    if (timestamp < hour) continue;
    if (sequence > storedUpTo) {
      // It came while the store was counted, and may be among what it has; most often in order.
      isSure = false;
      const key = `${timestamp.slice(0, hour.length)} ${entityType}`;
      if (wanted.get(key).count >= stored.get(key).count) continue;
    }
    wanted.addEvent(entityType, timestamp, id);
  }
  const verified = {
    wanted: wanted.events,
    stored: stored.events,
    differences: differences(wanted, stored),
  };
  return { verified, isSure };
}

const behind = (sequence: number) => ({ sequence: sequence + 1, line: 0 });

/** Waits until the sink has all up to the checkpoint and all replays; gives up to where it has all. */
async function untilStored(
  { nats, checkpoint, limits, signal }: VerifySearchOptions,
  onWait: () => void,
): Promise<number> {
  const endMs = performance.now() + limits.verifyWaitSecondsMax * 1000;
  for (;;) {
    if (signal.aborted) throw abortError(signal);
    const events = await consumerState(nats, STREAM.events, "elasticsearch");
    const replays = await consumerState(nats, STREAM.replay, "elasticsearch");
    const isThere = events !== null && events.acknowledged >= checkpoint;
    if (isThere && (replays?.waiting ?? 0) === 0) return events.acknowledged;
    if (performance.now() >= endMs) throw notStored(limits.verifyWaitSecondsMax);
    onWait();
    await pause(lookMs, signal);
  }
}

const lookMs = 100;

function notStored(seconds: number): AppError {
  return new AppError(
    "UNAVAILABLE",
    `search does not have all that NATS has, and did not get it within ${seconds} s`,
    { hint: "see that sink elasticsearch runs: fraiseql status tells how far it is" },
  );
}
