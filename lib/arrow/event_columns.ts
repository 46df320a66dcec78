/**
 * EntityEvents as Arrow columns: growable buffers that rows are written into one by one, and that
 * become one IPC stream (schema, dictionaries, one record batch). lib/events/event_scanner.ts fills
 * them from JSON.
 *
 * A row is written into the slot behind the last one and counts only once `commit` took it, so that
 * whatever gives up in the middle of a row has nothing to undo.
 */

import { copyShort, shortBytesMax } from "./copy_bytes.ts";
import { eventSchemaMessage, TYPE_DICTIONARY } from "./event_schema.ts";
import { encapsulated, endOfStream, type IpcMessage, MessageBuilder } from "./ipc.ts";

export interface EventColumnsMax {
  readonly rows: number;
  /** Of the IPC stream; a single larger row is a stream of its own. */
  readonly bytes: number;
  /** No stream may be larger: a row that would need it is refused. */
  readonly rowBytes: number;
}

/** What became of the row in the slot. */
export type Committed = "taken" | "full" | "too large";

/** The types by their place in the dictionary of `event_type`. */
const EVENT_TYPES = ["Created", "Updated", "Deleted"];

export class EventColumns {
  rows = 0;
  /** 16 bytes each, in the order of the UUID's text. */
  readonly ids: Uint8Array;
  /** The same bytes, four numbers to an id. */
  readonly idWords: Int32Array;
  readonly eventTypes: Int32Array;
  readonly entityTypes: Int32Array;
  readonly entityIds: TextColumn;
  /** Microseconds since 1970, low word first. */
  readonly timestamps: Int32Array;
  readonly data: TextColumn;
  readonly userIds: TextColumn;
  readonly orgIds: TextColumn;
  /** Bytes of the entity type that was asked for last, which most often comes again. */
  lastType: Uint8Array = new Uint8Array();
  private lastTypeIndex = -1;
  private readonly typeIndexes = new Map<string, number>();
  private types: Uint8Array[] = [];
  private typeBytes = 0;

  constructor(readonly max: EventColumnsMax) {
    const slots = max.rows + 1; // the one that does not fit is written, too
    this.ids = new Uint8Array(16 * slots);
    this.idWords = new Int32Array(this.ids.buffer);
    this.eventTypes = new Int32Array(even(slots));
    this.entityTypes = new Int32Array(even(slots));
    this.timestamps = new Int32Array(2 * slots);
    this.entityIds = new TextColumn(slots);
    this.data = new TextColumn(slots);
    this.userIds = new TextColumn(slots);
    this.orgIds = new TextColumn(slots);
  }

  /** Its number in the dictionary; -1 where the name is not the one that was asked for last. */
  sameType(bytes: Uint8Array, at: number, length: number): number {
    const { lastType } = this;
    if (lastType.length !== length) return -1;
    for (let i = 0; i < length; i++) if (lastType[i] !== bytes[at + i]) return -1;
    return this.lastTypeIndex;
  }

  typeIndex(name: string): number {
    let index = this.typeIndexes.get(name);
    if (index === undefined) {
      index = this.types.length;
      const bytes = new TextEncoder().encode(name);
      this.types.push(bytes);
      this.typeBytes += 4 + bytes.length;
      this.typeIndexes.set(name, index);
    }
    this.lastType = this.types[index] ?? new Uint8Array();
    return this.lastTypeIndex = index;
  }

  /** Takes the row in the slot, unless the stream would be too large with it. */
  commit(): Committed {
    const { max, rows } = this;
    if (rows >= max.rows) return "full";
    const bytes = this.bytesWith(rows + 1);
    if (bytes > max.bytes && rows > 0) return "full";
    if (bytes > max.rowBytes) return "too large";
    this.userIds.countNull(rows);
    this.orgIds.countNull(rows);
    this.rows = rows + 1;
    return "taken";
  }

  /** No less than the IPC stream of so many rows takes. */
  private bytesWith(rows: number): number {
    const texts = this.entityIds.end(rows) + this.data.end(rows) + this.userIds.end(rows) +
      this.orgIds.end(rows);
    return overheadBytes + rowBytes * rows + texts + this.typeBytes;
  }

  /**
   * The rows as one IPC stream, positions left at 0 (`stampPositions` sets them); the columns are
   * empty then.
   */
  take(): Uint8Array<ArrayBuffer> {
    const { rows } = this;
    const batch = new MessageBuilder();
    const plain = (values: ArrayBufferView, bytes: number) => {
      batch.node(rows, 0);
      batch.buffer(values, 0);
      batch.buffer(values, bytes);
    };
    plain(this.ids, 16 * rows);
    plain(this.eventTypes, 4 * rows);
    plain(this.entityTypes, 4 * rows);
    this.entityIds.into(batch, rows);
    plain(this.timestamps, 8 * rows);
    this.data.into(batch, rows);
    this.userIds.into(batch, rows);
    this.orgIds.into(batch, rows);
    plain(new Uint8Array(8 * rows), 8 * rows);
    const stream = joined([
      EVENT_TYPES_MESSAGE,
      labels(TYPE_DICTIONARY.entity, this.types),
      batch.batch(rows),
    ]);
    this.clear();
    return stream;
  }

  private clear(): void {
    this.rows = 0;
    for (const column of [this.entityIds, this.data, this.userIds, this.orgIds]) column.clear();
    this.types = [];
    this.typeBytes = 0;
    this.typeIndexes.clear();
    this.lastType = new Uint8Array();
    this.lastTypeIndex = -1;
  }
}

/** Utf8: offsets, and the texts one behind the other. */
export class TextColumn {
  readonly offsets: Int32Array;
  bytes = new Uint8Array(firstBytes);
  view = new DataView(this.bytes.buffer);
  private readonly validity: Uint8Array;
  private nulls = 0;

  constructor(slots: number) {
    this.offsets = new Int32Array(even(slots + 1));
    this.validity = new Uint8Array(8 * Math.ceil(slots / 64));
  }

  /** Where the texts of so many rows end. */
  end(rows: number): number {
    return this.offsets[rows]!;
  }

  /** Makes room for so many bytes behind the texts of the rows before. */
  reserve(row: number, bytes: number): void {
    const wanted = this.offsets[row]! + bytes + 8; // a buffer reaches to a multiple of 8
    if (wanted <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * this.bytes.length) + 7 & ~7);
    larger.set(this.bytes.subarray(0, this.offsets[row]!));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  /** Writes a span of other bytes as the row's text. */
  setSpan(row: number, from: Uint8Array, view: DataView, start: number, end: number): void {
    const length = end - start;
    this.reserve(row, length);
    const at = this.offsets[row]!;
    if (length <= shortBytesMax) copyShort(this.view, at, view, start, length);
    else this.bytes.set(from.subarray(start, end), at);
    this.offsets[row + 1] = at + length;
  }

  setText(row: number, text: string): void {
    this.reserve(row, 3 * text.length); // a UTF-16 unit has three bytes at most
    const at = this.offsets[row]!;
    this.offsets[row + 1] = at + encoder.encodeInto(text, this.bytes.subarray(at)).written;
    this.validity[row >> 3]! |= 1 << (row & 7);
  }

  setNull(row: number): void {
    this.offsets[row + 1] = this.offsets[row]!;
    this.validity[row >> 3]! &= ~(1 << (row & 7));
  }

  setValid(row: number): void {
    this.validity[row >> 3]! |= 1 << (row & 7);
  }

  countNull(row: number): void {
    this.nulls += 1 - (this.validity[row >> 3]! >> (row & 7) & 1);
  }

  into(batch: MessageBuilder, rows: number): void {
    batch.node(rows, this.nulls);
    batch.buffer(this.validity, this.nulls === 0 ? 0 : Math.ceil(rows / 8));
    batch.buffer(this.offsets, 4 * (rows + 1));
    batch.buffer(this.bytes, this.end(rows));
  }

  clear(): void {
    this.nulls = 0;
    this.validity.fill(0);
    // One large event must not hold its memory for ever.
    if (this.bytes.length <= keptBytesMax) return;
    this.bytes = new Uint8Array(firstBytes);
    this.view = new DataView(this.bytes.buffer);
  }
}

const encoder = new TextEncoder();
const firstBytes = 64 * 1024;
/** Twice what ten thousand usual events have in their largest column. */
const keptBytesMax = 8 * 1024 * 1024;

/** Positions of the rows of a stream that `take` gave: epoch 10 bits, sequence 40, row 14. */
export function stampPositions(
  stream: Uint8Array,
  rows: number,
  epoch: number,
  sequence: number,
): void {
  // The last buffer of the body, before the end of the stream.
  const start = stream.byteOffset + stream.length - endOfStream.length - 8 * rows;
  const view = new DataView(stream.buffer, start, 8 * rows);
  const low = (sequence % 2 ** 18) * 2 ** 14;
  const high = epoch * 2 ** 22 + Math.floor(sequence / 2 ** 18);
  for (let row = 0; row < rows; row++) {
    view.setUint32(8 * row, low + row, true);
    view.setUint32(8 * row + 4, high, true);
  }
}

/** The position of a row as ClickHouse and `app_metadata` have it. */
export function positionOf(epoch: number, sequence: number, row: number): bigint {
  return BigInt(epoch) << 54n | BigInt(sequence) << 14n | BigInt(row);
}

/** What a position can hold; of the ten bits of an epoch nine, so that it is an Int64 as well. */
export const POSITION_MAX = { epoch: 2 ** 9 - 1, sequence: 2 ** 40 - 1, rows: 2 ** 14 } as const;

/** A dictionary of these texts. */
export function labels(id: number, texts: readonly Uint8Array[]): IpcMessage {
  const offsets = new Int32Array(even(texts.length + 1));
  texts.forEach((text, i) => offsets[i + 1] = offsets[i]! + text.length);
  const bytes = offsets[texts.length]!;
  const all = new Uint8Array(bytes + 7 & ~7);
  texts.forEach((text, i) => all.set(text, offsets[i]!));
  const message = new MessageBuilder();
  message.node(texts.length, 0);
  message.buffer(all, 0);
  message.buffer(offsets, 4 * (texts.length + 1));
  message.buffer(all, bytes);
  return message.dictionary(id, texts.length);
}

/** The dictionary of `event_type`: the same in every batch. */
export const EVENT_TYPES_MESSAGE = labels(
  TYPE_DICTIONARY.event,
  EVENT_TYPES.map((type) => encoder.encode(type)),
);

function joined(messages: readonly IpcMessage[]): Uint8Array<ArrayBuffer> {
  const pieces = [encapsulated(eventSchemaMessage())];
  for (const { header, body } of messages) {
    pieces.push(encapsulated(header), ...body as Uint8Array<ArrayBuffer>[]);
  }
  pieces.push(endOfStream);
  const stream = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    stream.set(piece, at);
    at += piece.length;
  }
  return stream;
}

/** Fixed-size values and offsets of a row, with its bits and a little for padding. */
const rowBytes = 57;
/** Schema, headers, the dictionaries' fixed parts and every buffer's padding; a test compares. */
const overheadBytes = 3072;

/** A number of words whose bytes are a multiple of 8. */
function even(words: number): number {
  return words + 1 & ~1;
}
