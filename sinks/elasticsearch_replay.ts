/**
 * Brings back what the store of searched events lost: events of a time that lie in FRAISEQL_EVENTS and
 * not in it. They go by FRAISEQL_REPLAY to the sink, which is the one that writes, and parks what is
 * refused; so this can be stopped and repeated at any time.
 */

import { abortError, AppError } from "../lib/errors.ts";
import { publishOne } from "../lib/events/atomic_publish.ts";
import type { Nats } from "../lib/events/connect.ts";
import { consumerState } from "../lib/events/consumer_state.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../lib/events/names.ts";
import { nextMessage, streamState } from "../lib/events/stream_state.ts";
import { microsOf } from "../lib/events/timestamp.ts";
import type { Limits } from "../lib/limits.ts";
import type { SearchStore } from "../lib/search/store.ts";
import { pause } from "../lib/waiting.ts";
import { eventsBetween, type PlacedEvent } from "./events_between.ts";

export interface ReplaySearchOptions {
  readonly nats: Nats;
  readonly store: Pick<SearchStore, "search">;
  readonly retentionDays: number;
  /** Times of events, inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  /** Null: all. */
  readonly entityType: string | null;
  /** Only counts. */
  readonly isDry: boolean;
  readonly limits: Pick<
    Limits,
    "pullMessagesMax" | "pullBytesMax" | "publishMessageBytesMax" | "verifyWaitSecondsMax"
  >;
  /** In sequences of the stream. */
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

export interface ReplayedSearch {
  /** Events of that time in FRAISEQL_EVENTS. */
  readonly found: number;
  /** Of them were not in the store, and went to the sink but for a dry run. */
  readonly missing: number;
  /** When the stream took the first message that it holds; null: it holds none. */
  readonly heldSince: Date | null;
  /** Messages that the sink has before it, and stores itself. */
  readonly coming: number;
}

/** Adds what is not there and nothing else; returns when the sink has taken it. */
export async function replaySearch(options: ReplaySearchOptions): Promise<ReplayedSearch> {
  const { nats, isDry, onProgress, signal } = options;
  const { firstSequence, lastSequence } = await streamState(nats, STREAM.events);
  const sink = await consumerState(nats, STREAM.events, "elasticsearch");
  if (!isDry && sink === null) throw notTaken("it never ran");
  // What is stored is found a little later.
  await pause(untilFoundMs, signal);
  if (signal.aborted) throw abortError(signal);
  const end = sink?.acknowledged ?? lastSequence;
  const heldSince = (await nextMessage(nats, STREAM.events, 1))?.time ?? null;
  const wanted = isWanted(options);
  let [found, missing] = [0, 0];
  let chunk: PlacedEvent[] = [];
  let bytes = 0;
  const flush = async () => {
    const absent = await absentEvents(options, chunk);
    found += chunk.length;
    missing += absent.length;
    if (!isDry && absent.length > 0) await handOver(options, absent);
    const last = chunk.at(-1);
    if (last) onProgress(last.sequence - firstSequence + 1, end - firstSequence + 1);
    [chunk, bytes] = [[], 0];
  };
  for await (const placed of eventsBetween(options, 0, { sequence: end + 1, line: 0 })) {
    if (!wanted(placed)) continue;
    chunk.push(placed);
    bytes += placed.line.length;
    if (chunk.length >= idsMax || bytes >= bytesMax) await flush();
  }
  if (chunk.length > 0) await flush();
  return { found, missing, heldSince, coming: sink?.waiting ?? 0 };
}

/** Of one question; the store answers with the events whole. */
const idsMax = 500;
const bytesMax = 4 * 1024 * 1024;
/** Elasticsearch shows each second what it stored. */
const untilFoundMs = 2000;

function isWanted(
  { from, to, entityType, retentionDays }: ReplaySearchOptions,
): (placed: PlacedEvent) => boolean {
  // The sink leaves out older ones.
  const oldestMs = Date.now() - retentionDays * 86_400_000;
  const first = Math.max(from.getTime(), oldestMs) * 1000;
  const end = to.getTime() * 1000;
  return ({ event }) => {
    const micros = microsOf(event.timestamp);
    const isThen = micros !== null && micros >= first && micros < end;
    return isThen && (entityType === null || event.entityType === entityType);
  };
}

/** Those that the store does not have, each once. */
async function absentEvents(
  { store, signal }: ReplaySearchOptions,
  chunk: readonly PlacedEvent[],
): Promise<PlacedEvent[]> {
  const byId = new Map(chunk.map((placed) => [placed.event.id, placed]));
  const times = chunk.map(({ event }) => microsOf(event.timestamp) ?? 0);
  const { hits } = await store.search({
    terms: [],
    condition: {
      kind: "and",
      items: [
        { kind: "in", field: "eventId", values: [...byId.keys()] },
        // So that the store looks into these months alone.
        { kind: "micros", from: Math.min(...times), to: Math.max(...times) },
      ],
    },
    order: "newest",
    first: idsMax,
    after: null,
    wantsTotal: false,
  }, { signal, secondsMax: searchSecondsMax });
  for (const { event } of hits) byId.delete(event.eventId);
  return [...byId.values()];
}

const searchSecondsMax = 60;

/** Gives them to the sink, and waits until it has taken them: the stream between is small. */
async function handOver(
  { nats, limits, signal }: ReplaySearchOptions,
  events: readonly PlacedEvent[],
): Promise<void> {
  for (const data of toMessages(events, limits.publishMessageBytesMax)) {
    await publishOne(nats, SUBJECT.replay("elasticsearch"), data, {
      [HEADER.contentType]: CONTENT_TYPE.lines,
    });
  }
  const endMs = performance.now() + limits.verifyWaitSecondsMax * 1000;
  for (;;) {
    if (signal.aborted) throw abortError(signal);
    const waiting = (await consumerState(nats, STREAM.replay, "elasticsearch"))?.waiting ?? 1;
    if (waiting === 0) return;
    if (performance.now() >= endMs) throw notTaken(`in ${limits.verifyWaitSecondsMax} s`);
    await pause(lookMs, signal);
  }
}

const lookMs = 50;

function notTaken(when: string): AppError {
  return new AppError("UNAVAILABLE", `sink elasticsearch does not take what is replayed: ${when}`, {
    hint: "see that it runs: fraiseql status tells how far it is; what was given to it stays there",
  });
}

/** Lines together up to that size; a longer one goes alone. */
function* toMessages(events: readonly PlacedEvent[], bytesMax: number): Generator<Uint8Array> {
  let [lines, bytes]: [Uint8Array[], number] = [[], 0];
  for (const { line } of events) {
    if (lines.length > 0 && bytes + line.length + 1 > bytesMax) {
      yield joined(lines, bytes);
      [lines, bytes] = [[], 0];
    }
    lines.push(line);
    bytes += line.length + 1;
  }
  if (lines.length > 0) yield joined(lines, bytes);
}

function joined(lines: readonly Uint8Array[], bytes: number): Uint8Array {
  const data = new Uint8Array(bytes).fill(0x0a);
  let at = 0;
  for (const line of lines) {
    data.set(line, at);
    at += line.length + 1;
  }
  return data;
}
