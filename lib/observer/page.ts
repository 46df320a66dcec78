/** Rows of the change log as the messages of one page: by entity type, many lines in each. */

import { batchMessagesMax, type PageMessage } from "../events/atomic_publish.ts";
import { CONTENT_TYPE, HEADER, SUBJECT } from "../events/names.ts";
import { COLUMN, type EventRow, idAt, idBytes } from "../postgres/change_log/event_row.ts";
import type { Buffers } from "./buffers.ts";

export interface PageMax {
  /** Of all lines; a single larger one is a page of its own. */
  readonly pageBytes: number;
  /** Of the lines in one message; a single larger one is a message of its own. */
  readonly messageBytes: number;
}

/** An event by which reading can go on. */
export interface LastEvent {
  readonly position: bigint;
  readonly id: string;
}

/** Collects events until the page is full. */
export class PageBuilder {
  readonly #messages: OpenMessage[] = [];
  /** The last of each entity type; its next event goes there or behind it, never before. */
  readonly #open: OpenMessage[] = [];
  /** Of the last event, since the next one's is most often the same. */
  #recent: OpenMessage | null = null;
  #recentStart = 0;
  #position = 0;
  #skipped: LastEvent | null = null;
  #bytes = 0;
  /** Events in it. */
  count = 0;

  constructor(private readonly max: PageMax, private readonly buffers: Buffers) {}

  /** The last that was dealt with; null where there was none. */
  get last(): LastEvent | null {
    if (this.#skipped) return this.#skipped;
    if (this.#recent === null) return null;
    return { position: BigInt(this.#position), id: idOf(this.#recent, this.#recentStart) };
  }

  /**
   * Takes the event; false where it must be on the next page. One whose id is among the `torn` is in
   * the stream already: it is left out, and counts as dealt with. Called for each event, so what it
   * does is done on bytes: the line is written where it most likely stays.
   */
  add(row: EventRow, torn: ReadonlySet<string>): boolean {
    let known = this.#messageOf(row);
    // One that is full by that much needs no room for the line.
    if (known !== null && known.size + row.lineBytesMin > this.max.messageBytes) known = null;
    if (known === null && this.#isFull) return false;
    let message = known ?? openMessage(row);
    this.#makeRoom(message, row.lineBytesMax);
    let start = message.size;
    const end = row.writeLine(message.buffer, start);
    const size = end - start;
    if (torn.size > 0 && torn.has(idOf(message, start))) {
      this.#skipped = { position: BigInt(row.position), id: idOf(message, start) };
      return true;
    }
    if (this.count > 0 && this.#bytes + size > this.max.pageBytes) return false;
    if (known !== null && end > this.max.messageBytes) {
      if (this.#isFull) return false;
      message = openMessage(row);
      this.#makeRoom(message, size);
      message.buffer.set(known.buffer.subarray(start, end));
      start = 0;
    }
    if (message !== known) this.#keep(message);
    message.size = start + size;
    this.#bytes += size;
    this.count++;
    this.#recent = message;
    this.#recentStart = start;
    this.#position = row.position;
    this.#skipped = null;
    return true;
  }

  messages(): PageMessage[] {
    return this.#messages.map(({ entityType, traceparent, isBackfill, buffer, size }) => ({
      subject: SUBJECT.event(decoder.decode(entityType)),
      data: buffer.subarray(0, size),
      headers: {
        [HEADER.contentType]: CONTENT_TYPE.lines,
        ...traceparent !== null && { [HEADER.traceparent]: decoder.decode(traceparent) },
        ...isBackfill && { [HEADER.backfill]: "1" },
      },
    }));
  }

  /** Gives the buffers back: once nobody reads the messages any more. */
  free(): void {
    for (const { buffer } of this.#messages) this.buffers.give(buffer);
    this.#messages.length = 0;
  }

  /** The checkpoint is a message too. */
  get #isFull(): boolean {
    return this.#messages.length + 1 >= batchMessagesMax;
  }

  /** The open message that the event may go to, by its size too if that is left out of account. */
  #messageOf(row: EventRow): OpenMessage | null {
    if (this.#recent !== null && suits(this.#recent, row)) return this.#recent;
    for (const message of this.#open) {
      if (row.is(COLUMN.entityType, message.entityType)) {
        return suits(message, row) ? message : null;
      }
    }
    return null;
  }

  #keep(message: OpenMessage): void {
    this.#messages.push(message);
    const { entityType } = message;
    const at = this.#open.findIndex((other) => isSame(other.entityType, entityType));
    this.#open[at < 0 ? this.#open.length : at] = message;
  }

  #makeRoom(message: OpenMessage, bytes: number): void {
    const { buffer, size } = message;
    if (buffer.length - size >= bytes) return;
    const larger = this.buffers.take(size + bytes);
    larger.set(buffer.subarray(0, size));
    if (buffer.length > 0) this.buffers.give(buffer);
    message.buffer = larger;
  }
}

interface OpenMessage {
  readonly entityType: Uint8Array;
  readonly traceparent: Uint8Array | null;
  readonly isBackfill: boolean;
  buffer: Uint8Array;
  size: number;
}

function openMessage(row: EventRow): OpenMessage {
  return {
    entityType: row.copy(COLUMN.entityType) ?? none,
    traceparent: row.copy(COLUMN.traceparent),
    isBackfill: row.is(COLUMN.origin, BACKFILL),
    buffer: none,
    size: 0,
  };
}

/** What all events of a message have in common. */
function suits(message: OpenMessage, row: EventRow): boolean {
  return row.is(COLUMN.entityType, message.entityType) &&
    row.is(COLUMN.traceparent, message.traceparent) &&
    row.is(COLUMN.origin, BACKFILL) === message.isBackfill;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function idOf({ buffer }: OpenMessage, lineStart: number): string {
  const from = lineStart + idAt;
  return decoder.decode(buffer.subarray(from, from + idBytes));
}

const none = new Uint8Array(0);
const decoder = new TextDecoder();
/** The origin of rows that were there before their table was captured. */
const BACKFILL = new TextEncoder().encode("backfill");
