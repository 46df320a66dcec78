/** Messages of FRAISEQL_EVENTS -> record batches, in order, with the place behind each. */

import { EventColumns } from "../lib/arrow/event_columns.ts";
import { Scan, scanEvents } from "../lib/events/event_scanner.ts";
import type { IdSet } from "../lib/events/id_set.ts";
import { CONTENT_TYPE, HEADER, STREAM, SUBJECT } from "../lib/events/names.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import type { Batch, LinePlace, SourcePlace } from "./bridge_batches.ts";
import { overlapWindows, readCheckpoint } from "./bridge_source.ts";
import type { Encoded, RefusedPart } from "./sink.ts";

export interface BridgePayload {
  readonly batches: readonly Batch[];
  /** Of them are in the stream already. */
  published: number;
}

export interface BatchMax {
  readonly rows: number;
  readonly bytes: number;
  /** What a message can hold. */
  readonly messageBytes: number;
}

/** Keeps the place from pull to pull: messages must come in the stream's order from `begin` on. */
export class BridgeEncoder {
  /** The publisher has raised its epoch: the stream must be opened again. */
  isRealigned = false;
  private place: SourcePlace | null = null;
  private known: IdSet | null = null;
  private readonly columns: EventColumns;

  constructor(private readonly max: BatchMax) {
    const { rows, bytes, messageBytes } = max;
    this.columns = new EventColumns({
      rows,
      bytes: Math.min(bytes, messageBytes),
      rowBytes: messageBytes,
    });
  }

  begin(place: SourcePlace, known: IdSet | null): void {
    this.place = place;
    this.known = known;
    this.isRealigned = false;
  }

  encode(messages: readonly EventMessage[]): Encoded<BridgePayload> {
    const refused: RefusedPart[] = [];
    const batches = messages[0]?.stream === STREAM.replay
      ? messages.flatMap((message) => this.replay(message, refused))
      : this.events(messages, refused);
    return {
      payload: batches.length > 0 ? { batches, published: 0 } : null,
      rows: batches.reduce((sum, { rows }) => sum + rows, 0),
      refused,
      part: noPart,
    };
  }

  private events(messages: readonly EventMessage[], refused: RefusedPart[]): Batch[] {
    const batches: Batch[] = [];
    /** Where the batch begins; null while nothing was read for it. */
    let first: LinePlace | null = null;
    let backfill: string | null | undefined;
    const cut = () => {
      if (first === null) return;
      const { rows } = this.columns;
      const stream = this.columns.take();
      const batch = { stream, rows, first, place: this.place, replay: null };
      batches.push({ ...batch, backfill: backfill ?? null });
      [first, backfill] = [null, undefined];
    };
    for (const message of messages) {
      if (this.isRealigned) break; // what follows is read again
      const place = this.place ?? nothing();
      const { sequence } = message;
      if (message.subject === SUBJECT.checkpoint) {
        this.place = { ...place, next: { sequence: sequence + 1, line: 0 } };
        if (this.checkpoint(message)) first ??= { sequence, line: 0 };
        continue;
      }
      const scan = new Scan(message.data);
      if (sequence === place.next.sequence) scan.skip(place.next.line);
      for (let isEnd = false; !isEnd;) {
        first ??= { sequence, line: scan.line };
        const of = message.header(HEADER.backfill);
        backfill = backfill === undefined || backfill === of ? of : null;
        isEnd = this.scan(message, scan, refused);
        this.advance(sequence, scan, isEnd);
        if (!isEnd || this.columns.rows === this.max.rows) cut();
      }
      refused.push(...partsOf(message, scan));
    }
    cut();
    return batches;
  }

  /**
   * Whether the message's end was reached. A fault of the scanner is the message's own: nothing may
   * be encoded twice, since the place goes on with it.
   */
  private scan(message: EventMessage, scan: Scan, refused: RefusedPart[]): boolean {
    try {
      return scanEvents(this.columns, scan, this.known);
    } catch (error) {
      const { line: index, at } = scan;
      const data = message.data.subarray(at);
      const part = { message, index, data, contentType: CONTENT_TYPE.lines };
      refused.push({ part, reason: `INTERNAL: ${error instanceof Error ? error.stack : error}` });
      scan.lastId = "";
      return true;
    }
  }

  private advance(sequence: number, scan: Scan, isEnd: boolean): void {
    const place = this.place ?? nothing();
    this.place = {
      ...place,
      next: isEnd ? { sequence: sequence + 1, line: 0 } : { sequence, line: scan.line },
      last: scan.lastId === "" ? place.last : { sequence, line: scan.line - 1, id: scan.lastId },
    };
  }

  /** Gives whether the next batch has something to tell. */
  private checkpoint({ data }: EventMessage): boolean {
    const place = this.place ?? nothing();
    const seen = readCheckpoint(data);
    if (seen === null) return false;
    if (seen.epoch > place.epoch) {
      // The first that is seen at all is no news.
      const isNews = place.epoch > 0;
      this.isRealigned = isNews;
      const overlap = isNews ? overlapWindows : place.overlap;
      this.place = { ...place, epoch: seen.epoch, overlap };
      return isNews;
    }
    if (place.overlap === 0 || !seen.done || seen.epoch < place.epoch) return false;
    const overlap = place.overlap - 1;
    this.place = { ...place, overlap };
    if (overlap === 0) this.known = null;
    return true;
  }

  /** Batches of their own, which leave the place as it is. */
  private replay(message: EventMessage, refused: RefusedPart[]): Batch[] {
    const batches: Batch[] = [];
    const scan = new Scan(message.data);
    for (let isEnd = false; !isEnd;) {
      isEnd = this.scan(message, scan, refused);
      const { rows } = this.columns;
      if (rows === 0) continue;
      const batch = { stream: this.columns.take(), rows, first: null, place: null };
      // It is done with its last batch, and not before.
      batches.push({ ...batch, replay: null, backfill: message.header(HEADER.backfill) });
    }
    refused.push(...partsOf(message, scan));
    return batches.map((batch, i) =>
      i === batches.length - 1 ? { ...batch, replay: message.sequence } : batch
    );
  }
}

function partsOf(message: EventMessage, { refused }: Scan): RefusedPart[] {
  return refused.map(({ line, bytes, reason }) => ({
    reason,
    part: { message, index: line, data: bytes, contentType: CONTENT_TYPE.json },
  }));
}

function nothing(): never {
  throw new Error("encode() before begin()");
}

/** The stream takes a batch whole or not at all. */
function noPart(): never {
  throw new Error("FRAISEQL_BATCHES refuses no rows");
}
