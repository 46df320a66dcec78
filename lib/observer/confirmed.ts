/** What the workers behind the publisher have confirmed, as their records and consumers tell it. */

import { ask } from "../events/ask.ts";
import type { Nats } from "../events/connect.ts";
import { acknowledgedBy, consumerState } from "../events/consumer_state.ts";
import { BATCH_HEADER, STREAM, type StreamName, SUBJECT, WORKERS } from "../events/names.ts";
import { natsError } from "../events/nats_errors.ts";
import { readProgress } from "../events/recorded_feed.ts";
import { lastMessage, messageAt, streamState } from "../events/stream_state.ts";

/** FRAISEQL_EVENTS as it is: what was confirmed of another one counts for nothing. */
export interface EventStream {
  readonly created: string;
  readonly epoch: number;
}

/**
 * Of FRAISEQL_EVENTS, the sequence up to which every sink has stored what is there; Infinity where
 * none ever ran. For ClickHouse that is what the batches are made of that it has, for Elasticsearch
 * what it acknowledged.
 */
export async function confirmedBySinks(nats: Nats, stream: EventStream): Promise<number> {
  const bridge = await readBridge(nats);
  const bridged = bridge === null ? Infinity : eventsOf(bridge.place, stream);
  return Math.min(
    bridged,
    await eventsInClickhouse(nats, bridge, stream),
    await recorded(nats, STREAM.events, stream.created) ?? Infinity,
    await eventsInElasticsearch(nats, stream) ?? Infinity,
  );
}

/**
 * Of FRAISEQL_EVENTS, what the bridge and every durable consumer has; null where neither the bridge nor
 * a sink of events ever ran.
 */
export async function readByAll(nats: Nats, stream: EventStream): Promise<number | null> {
  const bridge = await readBridge(nats);
  if (bridge === null && await eventsInElasticsearch(nats, stream) === null) return null;
  return Math.min(
    bridge === null ? Infinity : eventsOf(bridge.place, stream),
    await recorded(nats, STREAM.events, stream.created) ?? Infinity,
    await acknowledged(nats, STREAM.events),
  );
}

/** Of FRAISEQL_BATCHES, what every sink and durable consumer has; null where no sink ever ran. */
export async function storedByAll(nats: Nats): Promise<number | null> {
  const { created } = await streamState(nats, STREAM.batches);
  const stored = await recorded(nats, STREAM.batches, created);
  return stored === null ? null : Math.min(stored, await acknowledged(nats, STREAM.batches));
}

/** Where a batch's events end in FRAISEQL_EVENTS. */
interface SourceEnd {
  readonly created: string;
  readonly epoch: number;
  /** The first that is not wholly in it. */
  readonly next: number;
}

interface BridgeRecord {
  readonly batchesCreated: string;
  readonly batchSequence: number;
  readonly place: SourceEnd | null;
}

/** The bridge's record, which is at most as old as its heartbeat; null where no bridge ever ran. */
async function readBridge(nats: Nats): Promise<BridgeRecord | null> {
  const message = await lastMessage(nats, STREAM.progress, SUBJECT.progress("bridge"));
  if (message === null) return null;
  // Nobody but the bridge may write there; docs/nats.md says so.
  const { batchesCreated, batchSequence, head } = JSON.parse(
    new TextDecoder().decode(message.data),
  );
  const { created, epoch, next } = head?.place ?? {};
  const place = head ? { created, epoch, next: next.sequence } : null;
  return { batchesCreated, batchSequence, place };
}

/** An epoch that rose tells that sequences were used again: the bridge has to see it first. */
function eventsOf(place: SourceEnd | null, { created, epoch }: EventStream): number {
  if (place === null || place.created !== created || place.epoch !== epoch) return 0;
  return Number.isSafeInteger(place.next) ? place.next - 1 : 0;
}

/** Null where its sink never read this stream. */
async function eventsInElasticsearch(
  nats: Nats,
  { created }: EventStream,
): Promise<number | null> {
  const found = await consumerState(nats, STREAM.events, "elasticsearch");
  if (found === null) return null;
  return found.created === created ? found.acknowledged : 0;
}

async function eventsInClickhouse(
  nats: Nats,
  bridge: BridgeRecord | null,
  stream: EventStream,
): Promise<number> {
  const stored = await recorded(nats, STREAM.batches, bridge?.batchesCreated ?? "");
  if (stored === null) return Infinity;
  if (bridge === null) return 0; // what the batches were made of is not known
  const { batchSequence, place } = bridge;
  if (stored >= batchSequence) return eventsOf(place, stream);
  if (stored < 1) return 0;
  const batch = await messageAt(nats, STREAM.batches, stored);
  const [next = NaN] = batch?.headers.get(BATCH_HEADER.next)?.split(".").map(Number) ?? [];
  const created = batch?.headers.get(BATCH_HEADER.created) ?? "";
  const epoch = Number(batch?.headers.get(BATCH_HEADER.sourceEpoch));
  return eventsOf({ created, epoch, next }, stream);
}

/** The least that the records of our workers say of a stream; null where none is of it. */
async function recorded(nats: Nats, stream: StreamName, created: string): Promise<number | null> {
  let least: number | null = null;
  for (const worker of WORKERS) {
    if (worker === "publisher" || worker === "bridge") continue; // theirs have another form
    const found = await readProgress(nats, worker);
    if (found === null || found.record.stream !== stream) continue;
    const { done, first, last } = found.record;
    const at = found.record.created !== created ? 0 : done ? last : first - 1;
    least = Math.min(least ?? at, at);
  }
  return least;
}

/**
 * The least that durable consumers have acknowledged, whoever they belong to: they would lose what
 * leaves the stream before. Others are readers that begin where they like.
 */
async function acknowledged(nats: Nats, stream: StreamName): Promise<number> {
  // First: what comes meanwhile is nobody's yet.
  const { lastSequence } = await streamState(nats, stream);
  try {
    return await ask(nats, async () => {
      let least = Infinity;
      for await (const found of nats.manager.consumers.list(stream)) {
        if (!found.config.durable_name) continue;
        least = Math.min(least, acknowledgedBy(found, lastSequence));
      }
      return least;
    });
  } catch (error) {
    throw natsError(`asking for the consumers of ${stream}`, error);
  }
}
