/**
 * The events of an `ObserverEvents` ticket: those that ClickHouse holds, and for a ticket that
 * follows those that come, with nothing missed or doubled between the two.
 *
 * ClickHouse is read up to what its sink has confirmed, live batches from the one behind that, and
 * rows at or below the last position are dropped. Whatever stops the live batches, what was missed
 * is read from ClickHouse again, so nobody has to know for how long NATS was gone.
 */

import { type EventFilter, type EventRows, firstRows, pickRows } from "../lib/arrow/event_rows.ts";
import { EventBatches, type EventBatchOptions } from "../lib/arrow/event_batches.ts";
import { abortError, AppError } from "../lib/errors.ts";
import type { BatchPlace, LiveBatches, Settled } from "../lib/events/live_batches.ts";
import { pause, within } from "../lib/waiting.ts";
import type { FlightBatch } from "./to_flight.ts";

/** Events that are stored, by position. */
export interface EventHistory {
  /** Rows of a range in their order; throws `UNAVAILABLE` where the store is down. */
  read(range: {
    readonly filter: EventFilter;
    /** Exclusive. */
    readonly after: bigint;
    /** Inclusive; null: what is there now. */
    readonly upTo: bigint | null;
    /** No more rows than that; null: all. */
    readonly limit: number | null;
    readonly signal: AbortSignal;
  }): AsyncIterable<EventRows>;
  /** The highest position of all; null where there is none. */
  highest(signal: AbortSignal): Promise<bigint | null>;
}

/** Where events come from; null where it is not configured. */
export interface EventSources {
  history(): Promise<EventHistory>;
  /** Throws `UNSUPPORTED` where there is nothing to follow. */
  live(): Promise<LiveBatches>;
  /** Whether `live` can be asked. */
  hasLive(): Promise<boolean>;
}

export interface EventsAsked {
  readonly filter: EventFilter;
  readonly after: bigint;
  readonly limit: number | null;
  readonly follow: boolean;
}

export interface EventStreamOptions extends EventBatchOptions {
  readonly idleMs: number;
  readonly retryMs: number;
  readonly signal: AbortSignal;
}

/** The messages of the stream; `app_metadata` of a batch is the position of its last row. */
export async function* eventStream(
  sources: EventSources,
  asked: EventsAsked,
  options: EventStreamOptions,
): AsyncGenerator<FlightBatch, undefined> {
  const batches = new EventBatches(options);
  const seen = { position: asked.after };
  const parts = readEvents(sources, asked, seen, options);
  let left = asked.limit ?? Infinity;
  const rest = asked.follow ? orIdle(parts, options.idleMs) : parts;
  try {
    for await (const part of rest) {
      if (left === 0) break;
      if (part === null || part.rows === 0) {
        yield* labelled(batches.empty(seen.position));
        continue;
      }
      const some = firstRows(part, left);
      left -= some.rows;
      yield* labelled(batches.of(some));
      if (left === 0) break;
    }
  } finally {
    await parts.return(undefined);
  }
  yield* labelled(batches.dictionaries());
  return undefined;
}

function* labelled(messages: ReturnType<EventBatches["of"]>): Generator<FlightBatch> {
  for (const { position, ...message } of messages) {
    yield position === null
      ? message
      : { ...message, appMetadata: encoder.encode(String(position)) };
  }
}

const encoder = new TextEncoder();

/** The rows; `seen.position` is the last that was looked at. No rows: live batches are next. */
async function* readEvents(
  sources: EventSources,
  { filter, follow, limit }: EventsAsked,
  seen: { position: bigint },
  { signal, retryMs }: EventStreamOptions,
): AsyncGenerator<EventRows | null, undefined> {
  if (limit === 0) return undefined;
  const history = await sources.history();
  const live = follow || await sources.hasLive() ? await sources.live() : null;
  /** Behind the last live batch. */
  let reached: BatchPlace | null = null;
  for (let tries = 0;; tries++) {
    let next: BatchPlace | null = null;
    try {
      const asking = live?.settled(signal) ?? null;
      const settled = follow ? await asking : await soon(asking);
      next = settled?.next ?? null;
      if (settled && reached?.created === settled.next.created) {
        next = { ...settled.next, sequence: Math.max(settled.next.sequence, reached.sequence) };
      }
      const highest = follow ? await history.highest(signal) : null;
      const upTo = follow ? lower(settled?.position ?? null, highest) : settled?.position ?? null;
      if (!follow || (upTo !== null && upTo > seen.position)) {
        for await (
          const rows of history.read({ filter, after: seen.position, upTo, limit, signal })
        ) {
          seen.position = rows.position[rows.rows - 1] ?? seen.position;
          yield rows;
        }
        if (upTo !== null && upTo > seen.position) seen.position = upTo;
      }
    } catch (error) {
      // ClickHouse that is down is told; NATS that is down is waited for by who follows.
      if (!follow || !isPassing(error) || next !== null) throw error;
      await pause(retryMs, signal);
      // Neither a pause that was cut short nor NATS that is known to be away takes any time: asked on
      // and on for a reader who has left, the whole process would do nothing else.
      if (signal.aborted) throw abortError(signal);
      continue;
    }
    if (!follow) return undefined;
    if (tries === 0) yield null;
    try {
      if (live && next) {
        for await (const batch of live.read(next, signal)) {
          const some = pickRows(batch.rows, filter, seen.position);
          const last = batch.rows.position[batch.rows.rows - 1];
          if (some.rows > 0) yield some;
          if (last !== undefined && last > seen.position) seen.position = last;
          reached = batch.next;
        }
      }
    } catch (error) {
      if (signal.aborted || !isPassing(error)) throw error;
    }
    if (signal.aborted) throw abortError(signal);
    await pause(retryMs, signal);
  }
}

function lower(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return b;
  return a < b ? a : b;
}

/** Without NATS history is read as it is: only what is being inserted just then may be cut. */
async function soon(asking: Promise<Settled> | null): Promise<Settled | null> {
  if (asking === null) return null;
  asking.catch(() => {}); // it is told below, if in time
  try {
    return await within(settledMsMax, asking) ? await asking : null;
  } catch (error) {
    if (isPassing(error)) return null;
    throw error;
  }
}

const settledMsMax = 2000;

const isPassing = (error: unknown) => error instanceof AppError && error.code === "UNAVAILABLE";

/** The items, and null whenever none has come for so long. */
async function* orIdle<Item>(
  items: AsyncIterator<Item>,
  idleMs: number,
): AsyncGenerator<Item | null, undefined> {
  let coming = items.next();
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const idle = new Promise<"idle">((resolve) =>
      timer = setTimeout(() => resolve("idle"), idleMs)
    );
    const first = await Promise.race([coming, idle]).finally(() => clearTimeout(timer));
    if (first === "idle") {
      yield null;
      continue;
    }
    if (first.done) return undefined;
    yield first.value;
    coming = items.next();
  }
}
