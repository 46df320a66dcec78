/**
 * Lets go of FRAISEQL_EVENTS and FRAISEQL_BATCHES what everybody has and is old enough. What leaves
 * FRAISEQL_EVENTS is counted first, in the database, so that `verify` goes on comparing all of it.
 *
 * It is a task of its own with its own connection, since it reads what it counts.
 */

import { AppError } from "../errors.ts";
import { ask } from "../events/ask.ts";
import { lastCheckpoint } from "../events/atomic_publish.ts";
import type { Nats } from "../events/connect.ts";
import { BadEvent, eventLines, parseEvent } from "../events/entity_event.ts";
import { STREAM, type StreamName, SUBJECT } from "../events/names.ts";
import { natsError } from "../events/nats_errors.ts";
import { readOrdered } from "../events/ordered_reader.ts";
import { nextMessage, streamState } from "../events/stream_state.ts";
import { connect, type Connection } from "../postgres/connection.ts";
import { pause } from "../waiting.ts";
import { type EventStream, readByAll, storedByAll } from "./confirmed.ts";
import { EventSums } from "../events/event_sums.ts";
import type { Publisher } from "./publish.ts";
import { readPurged, writePurged } from "./purged_events.ts";

/** Purges until it is disposed of, which waits for what is under way. */
export class StreamPurge implements AsyncDisposable {
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  readonly #running: Promise<void>;
  /** Of whom a full stream holds up; null where nobody waits. */
  #room: PromiseWithResolvers<boolean> | null = null;
  /** Ends the rest between two rounds. */
  #hurry = new AbortController();

  constructor(
    private readonly publisher: Publisher,
    private readonly nats: Nats,
    private readonly stream: EventStream,
  ) {
    this.#signal = AbortSignal.any([publisher.options.signal, this.#stopping.signal]);
    // What is no AppError is a fault of ours: unheard, it ends the worker with its stack.
    this.#running = this.#run();
  }

  /**
   * Whether something leaves FRAISEQL_EVENTS: by the round under way, or else by one that begins at
   * once. False when it has ended and nothing did. Who publishes must not give up before: that ends
   * the round too, and a stream that is full could stay so for long.
   */
  makesRoom(): Promise<boolean> {
    if (this.#signal.aborted) return Promise.resolve(false);
    this.#hurry.abort();
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #answer(isMade: boolean): void {
    this.#room?.resolve(isMade);
    this.#room = null;
  }

  async #run(): Promise<void> {
    const { limits } = this.publisher.options;
    const everyMs = Math.min(roundMsMax, Math.max(1000, limits.eventStreamKeepHours * hourMs / 24));
    while (!this.#signal.aborted) {
      await this.#round();
      this.#answer(false); // also where the signal has ended it
      // Anew: who asked during the round has the answer.
      this.#hurry = new AbortController();
      await pause(everyMs, AbortSignal.any([this.#signal, this.#hurry.signal]));
    }
  }

  async #round(): Promise<void> {
    const { publisher, nats, stream } = this;
    const { limits, log } = publisher.options;
    try {
      const before = new Date(Date.now() - limits.eventStreamKeepHours * hourMs);
      const onPurged = () => this.#answer(true);
      await purgeEvents({ publisher, nats, stream, before, onPurged, signal: this.#signal });
      await purgeBatches(publisher, nats, before, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return;
      // A right that is missing, or a server that is away, must not stop the events.
      if (!(error instanceof AppError)) throw error;
      log.warn("the streams were not purged", { error });
    }
  }
}

interface PurgeOptions {
  readonly publisher: Publisher;
  readonly nats: Nats;
  readonly stream: EventStream;
  /** What was published before may leave. */
  readonly before: Date;
  /** Called with each part that has left. */
  readonly onPurged: () => void;
  readonly signal: AbortSignal;
}

async function purgeEvents(options: PurgeOptions): Promise<void> {
  const { publisher, nats, stream, before, onPurged, signal } = options;
  const confirmed = await readByAll(nats, stream);
  const checkpoint = await lastCheckpoint(nats);
  if (confirmed === null || checkpoint === null) return;
  // The last checkpoint is the publisher's place.
  const end = Math.min(confirmed, checkpoint.sequence - 1);
  const { firstSequence } = await streamState(nats, STREAM.events);
  if (firstSequence > end) return;
  const oldest = await nextMessage(nats, STREAM.events, firstSequence);
  if (oldest === null || oldest.time > before) return;

  const { database, limits, log } = publisher.options;
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  const connection = await connect({
    url: database,
    limits,
    log,
    applicationName: "fraiseql purge",
    signal,
  });
  try {
    // A publisher that was killed has counted these and not purged them.
    const { sequence: counted } = await readPurged(connection, stream.created, null);
    if (counted >= firstSequence) {
      await purge(nats, STREAM.events, counted);
      onPurged();
    }
    const from = Math.max(firstSequence, counted + 1);
    if (from <= end) await countAndPurge(connection, from);
  } finally {
    await connection.close();
  }

  async function countAndPurge(connection: Connection, from: number): Promise<void> {
    const reader = await readOrdered({ nats, stream: STREAM.events, from });
    let [at, isEnd] = [0, false];
    try {
      while (!isEnd && !signal.aborted) {
        const sums = new EventSums();
        let bytes = 0;
        while (!isEnd && bytes < purgeBytes) {
          for (const message of await reader.pull(max, signal)) {
            isEnd = message.sequence > end || message.timeMs > before.getTime();
            if (isEnd) break;
            at = message.sequence;
            bytes += message.data.length;
            if (message.subject !== SUBJECT.checkpoint) addEvents(sums, message.data, at);
            isEnd = at === end;
            if (isEnd) break;
          }
        }
        if (at === 0) return;
        // Before they leave: whoever compares goes by this, and passes over what is still there.
        await writePurged(connection, stream.created, at, sums);
        await purge(nats, STREAM.events, at);
        onPurged();
        log.info("purged events that everybody has", { upTo: at, events: sums.events });
      }
    } finally {
      reader.close();
    }
  }
}

function addEvents(sums: EventSums, data: Uint8Array, sequence: number): void {
  for (const line of eventLines(data)) {
    const event = parseEvent(line);
    if (event instanceof BadEvent) {
      throw new AppError("BAD_INPUT", `${STREAM.events} at ${sequence}: ${event.reason}`, {
        hint: "somebody else writes to it: docs/nats.md lists each user's rights",
      });
    }
    sums.addEvent(event.entityType, event.timestamp, event.id);
  }
}

async function purgeBatches(
  publisher: Publisher,
  nats: Nats,
  before: Date,
  signal: AbortSignal,
): Promise<void> {
  const stored = await storedByAll(nats);
  if (stored === null) return;
  const { firstSequence, lastSequence } = await streamState(nats, STREAM.batches);
  // The last is the bridge's place, and the last stored one tells how far ClickHouse is.
  const end = Math.min(stored, lastSequence) - 1;
  if (firstSequence > end) return;
  // The first that is too young, by halving: times grow along the stream.
  let [from, to] = [firstSequence, end + 1];
  while (from < to && !signal.aborted) {
    const middle = Math.floor((from + to) / 2);
    const found = await nextMessage(nats, STREAM.batches, middle);
    if (found === null || found.time > before) to = middle;
    else from = Math.min(found.sequence + 1, end + 1);
  }
  if (signal.aborted || from === firstSequence) return;
  await purge(nats, STREAM.batches, from - 1);
  publisher.options.log.info("purged batches that everybody has", { upTo: from - 1 });
}

async function purge(nats: Nats, stream: StreamName, upTo: number): Promise<void> {
  try {
    await ask(nats, () => nats.manager.streams.purge(stream, { seq: upTo + 1 }));
  } catch (error) {
    throw natsError(`purging ${stream}`, error);
  }
}

const hourMs = 3_600_000;
/** Each round writes a row for each type of entity and hour that it meets. */
const roundMsMax = hourMs;
/** Counted, written and purged together: what a killed publisher counts again. */
const purgeBytes = 256 * 1024 * 1024;
