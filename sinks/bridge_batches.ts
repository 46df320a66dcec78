/**
 * FRAISEQL_BATCHES as the bridge writes it: each message is one Arrow IPC stream and says in its
 * headers of which events it is made and where the bridge goes on behind it. So the stream itself is
 * the bridge's checkpoint. Each names the sequence that it follows: two bridges cannot both write.
 */

import { POSITION_MAX, stampPositions } from "../lib/arrow/event_columns.ts";
import { AppError } from "../lib/errors.ts";
import { publishOne, StreamFull } from "../lib/events/atomic_publish.ts";
import type { Nats } from "../lib/events/connect.ts";
import { BATCH_HEADER, CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../lib/events/names.ts";
import { lastMessage, type StoredMessage, streamState } from "../lib/events/stream_state.ts";
import { checkStream } from "../lib/events/streams.ts";
import type { Log } from "../lib/log.ts";
import { readBridgeProgress } from "./bridge_progress.ts";
import { PlaceLost } from "./sink.ts";

/** A line of a message in FRAISEQL_EVENTS. */
export interface LinePlace {
  readonly sequence: number;
  readonly line: number;
}

/** Where the bridge goes on in FRAISEQL_EVENTS. */
export interface SourcePlace {
  /** When that stream was made. */
  readonly created: string;
  /** The publisher's, as far as it was seen. */
  readonly epoch: number;
  /** The line to read next. */
  readonly next: LinePlace;
  /** The last event that was read, by which the stream is known again; null: there is none. */
  readonly last: LinePlace & { readonly id: string } | null;
  /** The publisher may bring events once more, for so many of its windows. */
  readonly overlap: number;
}

/** What is known of the last batch. */
export interface BatchHead {
  readonly place: SourcePlace;
  /** Of its positions. */
  readonly epoch: number;
  /** The last replay that is done. */
  readonly replayed: Replayed | null;
}

export interface Replayed {
  /** When FRAISEQL_REPLAY was made. */
  readonly created: string;
  readonly sequence: number;
}

/** A batch that is to be published. */
export interface Batch {
  /** In a buffer of its own, which is given back once it is published. */
  readonly stream: Uint8Array<ArrayBuffer>;
  /** 0: it says only how far the bridge is. */
  readonly rows: number;
  /** Its first line; null where it is made of a replay. */
  readonly first: LinePlace | null;
  /** Where to go on behind it; null for a replay, which changes nothing of that. */
  readonly place: SourcePlace | null;
  /** The replay that is done with it. */
  readonly replay: number | null;
  /** Of its messages, where all have the same. */
  readonly backfill: string | null;
}

/** The stream's end, and what is added to it. */
export class BatchStream {
  created = "";
  /** Of the last batch; 0 where there never was one. */
  sequence = 0;
  firstSequence = 0;
  head: BatchHead | null = null;
  /** Of the next batch's positions. */
  epoch = 1;
  rowsPublished = 0;
  private replayCreated = "";
  /** False after an answer that did not come, or another's batch. */
  private isKnown = false;

  constructor(private readonly nats: Nats, private readonly log: Log) {}

  /** Reads the end of the stream. */
  async open(): Promise<void> {
    const { nats } = this;
    const { created, state } = await checkStream(nats, STREAM.batches);
    const last = await lastMessage(nats, STREAM.batches, SUBJECT.batches);
    const record = await readBridgeProgress(nats);
    this.replayCreated = (await streamState(nats, STREAM.replay)).created;
    this.created = created;
    this.firstSequence = state.first_seq;
    this.sequence = Math.max(state.last_seq, last?.sequence ?? 0);
    this.head = last && toHead(last);
    this.epoch = Math.max(1, this.head?.epoch ?? 0, record?.epoch ?? 0);
    this.isKnown = true;
    if (record === null) return;
    const isSame = record.batchesCreated === created;
    if (isSame && this.sequence >= record.batchSequence) {
      // Purged to the last: what the record holds is at most as old as a heartbeat.
      if (last === null && this.sequence > 0) this.head = record.head;
      return;
    }
    checkPositions(record.epoch + 1, this.sequence);
    this.epoch = record.epoch + 1;
    const reason = isSame
      ? `it ends at ${this.sequence}, and ${record.batchSequence} was written`
      : `it was made ${created}, and not ${record.batchesCreated}`;
    this.log.warn("batches are made again", { reason, epoch: this.epoch });
  }

  /**
   * Adds a batch. Throws `StreamFull` where nothing happened and it can be tried again, `PlaceLost`
   * where the end of the stream must be read again.
   */
  async publish(batch: Batch): Promise<void> {
    await this.know(batch);
    const { head, nats } = this;
    const replayed = batch.replay === null
      ? head?.replayed ?? null
      : { created: this.replayCreated, sequence: batch.replay };
    const isDone = batch.replay !== null && head?.replayed?.created === this.replayCreated &&
      batch.replay <= head.replayed.sequence;
    if (isDone) return;
    const place = batch.place ?? head?.place ?? nowhere;
    const epoch = Math.max(this.epoch, place.epoch);
    stampPositions(batch.stream, batch.rows, epoch, this.sequence + 1);
    const next: BatchHead = { place, epoch, replayed };
    try {
      this.sequence = await publishOne(nats, SUBJECT.batches, batch.stream, {
        ...toHeaders(next, batch),
        "Nats-Expected-Stream": STREAM.batches,
        "Nats-Expected-Last-Sequence": String(this.sequence),
      });
    } catch (error) {
      if (error instanceof StreamFull) throw error;
      this.isKnown = false;
      // Not there, or there without an answer, or there after another's: the end tells.
      const reason = error instanceof Error ? error.message : String(error);
      throw new PlaceLost(`a batch was not confirmed: ${reason}`, error);
    }
    this.head = next;
    this.epoch = epoch;
    this.rowsPublished += batch.rows;
  }

  /** A replay may find the end again by itself; what comes of the events is then at another place. */
  private async know(batch: Batch): Promise<void> {
    if (this.isKnown) return;
    const before = JSON.stringify(this.head?.place ?? null);
    if (batch.place === null) await this.open();
    if (this.isKnown && JSON.stringify(this.head?.place ?? null) === before) return;
    this.isKnown = false;
    throw new PlaceLost("the end of FRAISEQL_BATCHES must be read again", null);
  }
}

/** Throws where positions of that epoch, or behind that batch, cannot be told any more. */
export function checkPositions(epoch: number, sequence: number): void {
  if (epoch <= POSITION_MAX.epoch && sequence < POSITION_MAX.sequence) return;
  throw new AppError("UNSUPPORTED", `no position has room for epoch ${epoch}, batch ${sequence}`, {
    hint: "epochs are raised whenever streams are made anew: empty ClickHouse's fraiseql_events, " +
      "and remove FRAISEQL_BATCHES and FRAISEQL_PROGRESS, then run fraiseql migrate",
  });
}

/** Before the first event. */
const nowhere: SourcePlace = {
  created: "",
  epoch: 0,
  next: { sequence: 1, line: 0 },
  last: null,
  overlap: 0,
};

function toHeaders(
  { place, epoch, replayed }: BatchHead,
  { first, rows, backfill }: Batch,
): Record<string, string> {
  const { created, last, next, overlap } = place;
  return {
    [HEADER.contentType]: CONTENT_TYPE.arrow,
    ...backfill !== null && { [HEADER.backfill]: backfill },
    [BATCH_HEADER.rows]: String(rows),
    [BATCH_HEADER.epoch]: String(epoch),
    [BATCH_HEADER.created]: created,
    [BATCH_HEADER.sourceEpoch]: String(place.epoch),
    ...first && { [BATCH_HEADER.first]: toText(first) },
    ...last && { [BATCH_HEADER.last]: toText(last), [BATCH_HEADER.eventId]: last.id },
    [BATCH_HEADER.next]: toText(next),
    ...overlap > 0 && { [BATCH_HEADER.overlap]: String(overlap) },
    ...replayed && { [BATCH_HEADER.replayed]: `${replayed.created} ${replayed.sequence}` },
  };
}

/** What a batch says of itself in its headers. */
export function toHead({ sequence, headers }: StoredMessage): BatchHead {
  const text = (name: string): string => {
    const value = headers.get(name);
    if (value !== undefined) return value;
    throw new AppError("BAD_INPUT", `batch ${sequence} in ${STREAM.batches} has no ${name}`, {
      hint: "only the bridge may write fraiseql.batches; copy away what you need, remove the " +
        "stream (nats stream rm), and run fraiseql migrate",
    });
  };
  const last = headers.get(BATCH_HEADER.last);
  const [replayCreated = "", replaySequence = ""] =
    headers.get(BATCH_HEADER.replayed)?.split(" ") ?? [];
  return {
    epoch: Number(text(BATCH_HEADER.epoch)),
    replayed: replaySequence === ""
      ? null
      : { created: replayCreated, sequence: Number(replaySequence) },
    place: {
      created: text(BATCH_HEADER.created),
      epoch: Number(text(BATCH_HEADER.sourceEpoch)),
      next: toLine(text(BATCH_HEADER.next)),
      last: last === undefined ? null : { ...toLine(last), id: text(BATCH_HEADER.eventId) },
      overlap: Number(headers.get(BATCH_HEADER.overlap) ?? 0),
    },
  };
}

/** The message of FRAISEQL_EVENTS with which the bridge goes on behind that batch. */
export function sourceSequence(batch: StoredMessage): number {
  return toHead(batch).place.next.sequence;
}

/** `12.3`: sequence and line. */
function toText({ sequence, line }: LinePlace): string {
  return `${sequence}.${line}`;
}

/** Reads `12.3`. */
export function toLine(text: string): LinePlace {
  const [sequence = NaN, line = NaN] = text.split(".").map(Number);
  return { sequence, line };
}
