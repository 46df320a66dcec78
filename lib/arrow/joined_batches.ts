/**
 * Record batches of FRAISEQL_BATCHES for whoever stores them: read as far as that needs, and many
 * put into one IPC stream. Rows are not touched: only the numbers of entity types change, where the
 * batches count them differently.
 */

import { Message } from "apache-arrow";
import { AppError } from "../errors.ts";
import { EVENT_TYPES_MESSAGE, labels } from "./event_columns.ts";
import { eventSchemaMessage, TYPE_DICTIONARY } from "./event_schema.ts";
import { encapsulated, endOfStream, MessageBuilder } from "./ipc.ts";

/** One batch, taken apart; its bytes are those of the message. */
export interface EventBatch {
  readonly rows: number;
  /** The flatbuffer `Message` of the record batch. */
  readonly header: Uint8Array<ArrayBuffer>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Place of each buffer in the body. */
  readonly buffers: readonly Span[];
  /** Values that are null, of each column. */
  readonly nulls: readonly number[];
  /** What the numbers in the column `entity_type` mean. */
  readonly entityTypes: readonly string[];
}

interface Span {
  readonly offset: number;
  readonly length: number;
}

/** Places in `buffers`. */
const BUFFER = { ids: 1, entityTypes: 5, timestamps: 10 } as const;
const bufferCount = 22;

/** Takes an IPC stream of the bridge apart; throws `BAD_INPUT` where it is none. */
export function readEventBatch(stream: Uint8Array): EventBatch {
  try {
    return read(new Uint8Array(stream.buffer as ArrayBuffer, stream.byteOffset, stream.length));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AppError("BAD_INPUT", `no record batch of the bridge: ${reason}`, { cause: error });
  }
}

function read(stream: Uint8Array<ArrayBuffer>): EventBatch {
  let at = 0;
  const next = () => {
    const view = new DataView(stream.buffer, stream.byteOffset + at);
    if (view.getUint32(0, true) !== 0xffff_ffff) throw new Error(`no message at byte ${at}`);
    const header = stream.subarray(at + 8, at + 8 + view.getInt32(4, true));
    const message = Message.decode(header);
    const start = at + 8 + header.length;
    at = start + message.bodyLength;
    if (at > stream.length) throw new Error(`it ends at byte ${stream.length} of ${at}`);
    return { message, header, body: stream.subarray(start, at) };
  };
  const [schema, eventTypes, entityTypes, batch] = [next(), next(), next(), next()];
  if (!isSame(schema.header, eventSchemaMessage())) throw new Error("it has other columns");
  const types = [eventTypes.header, eventTypes.body];
  const known = [EVENT_TYPES_MESSAGE.header, joined(EVENT_TYPES_MESSAGE.body)];
  if (!types.every((bytes, i) => isSame(bytes, known[i]!))) throw new Error("other event types");
  if (!entityTypes.message.isDictionaryBatch() || !batch.message.isRecordBatch()) {
    throw new Error("its messages are of other kinds");
  }
  const end = stream.subarray(at);
  if (!isSame(end, endOfStream)) throw new Error("it goes on behind its batch");
  const { length: rows, nodes, buffers } = batch.message.header();
  if (buffers.length !== bufferCount) throw new Error(`it has ${buffers.length} buffers`);
  return {
    rows,
    header: batch.header,
    body: batch.body,
    buffers: buffers.map(({ offset, length }) => ({ offset, length })),
    nulls: nodes.map(({ nullCount }) => nullCount),
    entityTypes: textsOf(entityTypes.message.header().data, entityTypes.body),
  };
}

/** The ids of the rows, 16 bytes each. */
export function eventIds({ body, buffers, rows }: EventBatch): Uint8Array<ArrayBuffer> {
  const { offset } = buffers[BUFFER.ids]!;
  return body.subarray(offset, offset + 16 * rows);
}

/** The time of each row, in microseconds since 1970. */
export function eventTimes({ body, buffers, rows }: EventBatch): BigInt64Array {
  const { offset } = buffers[BUFFER.timestamps]!;
  return new BigInt64Array(body.slice(offset, offset + 8 * rows).buffer); // from any address
}

/** The place of each row's entity type in `entityTypes`. */
export function entityTypeIndexes({ body, buffers, rows }: EventBatch): Int32Array {
  const { offset } = buffers[BUFFER.entityTypes]!;
  return new Int32Array(body.slice(offset, offset + 4 * rows).buffer);
}

/** The month of each row, counted from the year 0. */
export function eventMonths({ body, buffers, rows }: EventBatch): Int32Array {
  const { offset } = buffers[BUFFER.timestamps]!;
  const view = new DataView(body.buffer, body.byteOffset + offset, 8 * rows);
  const months = new Int32Array(rows);
  // Most rows lie in the month of the one before.
  let [month, from, to] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const ms = Math.floor(
      (view.getInt32(8 * row + 4, true) * 2 ** 32 + view.getUint32(8 * row, true)) / 1000,
    );
    if (ms < from || ms >= to) {
      const date = new Date(ms);
      const [year, index] = [date.getUTCFullYear(), date.getUTCMonth()];
      [from, to] = [startOf(year, index), startOf(year, index + 1)];
      month = 12 * year + index;
    }
    months[row] = month;
  }
  return months;
}

/** `Date.UTC` takes years below 100 for those of the last century. */
function startOf(year: number, month: number): number {
  const date = new Date(0);
  date.setUTCFullYear(year, month, 1);
  return date.getTime();
}

/** One IPC stream of all of them, in pieces. */
export function toEventStream(batches: readonly EventBatch[]): Uint8Array<ArrayBuffer>[] {
  const numbers = new Map<string, number>();
  for (const { entityTypes } of batches) {
    for (const type of entityTypes) if (!numbers.has(type)) numbers.set(type, numbers.size);
  }
  const encoder = new TextEncoder();
  const types = labels(TYPE_DICTIONARY.entity, [...numbers.keys()].map((t) => encoder.encode(t)));
  const pieces = [encapsulated(eventSchemaMessage())];
  for (const { header, body } of [EVENT_TYPES_MESSAGE, types]) {
    pieces.push(encapsulated(header), ...body as Uint8Array<ArrayBuffer>[]);
  }
  for (const batch of batches) {
    pieces.push(encapsulated(batch.header), ...withNumbers(batch, numbers));
  }
  pieces.push(endOfStream);
  return pieces;
}

/** The body, its entity types counted in that way. */
function withNumbers(
  { body, buffers, rows, entityTypes }: EventBatch,
  numbers: ReadonlyMap<string, number>,
): Uint8Array<ArrayBuffer>[] {
  if (entityTypes.every((type, i) => numbers.get(type) === i)) return [body];
  const { offset } = buffers[BUFFER.entityTypes]!;
  const changed = body.slice(offset, offset + 4 * rows);
  const view = new DataView(changed.buffer);
  for (let row = 0; row < rows; row++) {
    const type = entityTypes[view.getInt32(4 * row, true)]!;
    view.setInt32(4 * row, numbers.get(type)!, true);
  }
  return [body.subarray(0, offset), changed, body.subarray(offset + changed.length)];
}

/** These rows of a batch as one of their own. */
export function someRows(batch: EventBatch, rows: readonly number[]): EventBatch {
  const message = new MessageBuilder();
  const spanOf = (index: number) => {
    const { offset, length } = batch.buffers[index]!;
    return batch.body.subarray(offset, offset + length);
  };
  let buffer = 0;
  batch.nulls.forEach((nulls, column) => {
    const validity = spanOf(buffer++);
    const bits = new Uint8Array(8 * Math.ceil(rows.length / 64));
    let count = 0;
    rows.forEach((row, i) => {
      const isValid = nulls === 0 || (validity[row >> 3]! >> (row & 7) & 1) === 1;
      if (isValid) bits[i >> 3]! |= 1 << (i & 7);
      else count++;
    });
    message.node(rows.length, count);
    message.buffer(bits, count === 0 ? 0 : Math.ceil(rows.length / 8));
    const width = WIDTHS[column];
    if (width === undefined) throw new Error(`no column ${column}`);
    const starts = width === 0 ? offsetsOf(spanOf(buffer++)) : null;
    const values = spanOf(buffer++);
    const kept = rows.map((row) =>
      starts
        ? values.subarray(starts[row]!, starts[row + 1]!)
        : values.subarray(width * row, width * (row + 1))
    );
    if (starts) {
      const offsets = new Int32Array(rows.length + 2);
      kept.forEach(({ length }, i) => offsets[i + 1] = offsets[i]! + length);
      message.buffer(offsets, 4 * (rows.length + 1));
    }
    const all = joined(kept);
    const padded = new Uint8Array(all.length + 7 & ~7);
    padded.set(all);
    message.buffer(padded, all.length);
  });
  const { header, body } = message.batch(rows.length);
  const { buffers, nodes } = Message.decode(header).header() as // The kind of header that `batch` makes.
  { buffers: Span[]; nodes: { nullCount: number }[] };
  return {
    rows: rows.length,
    header: new Uint8Array(header),
    body: joined(body),
    buffers: buffers.map(({ offset, length }) => ({ offset, length })),
    nulls: nodes.map(({ nullCount }) => nullCount),
    entityTypes: batch.entityTypes,
  };
}

/** Bytes of a value, by column; 0: a text. */
const WIDTHS = [16, 4, 4, 0, 8, 0, 0, 0, 8];

function textsOf(
  { length, buffers }: { readonly length: number; readonly buffers: readonly Span[] },
  body: Uint8Array<ArrayBuffer>,
): string[] {
  const [, offsets, bytes] = buffers.map(({ offset, length }) =>
    body.subarray(offset, offset + length)
  );
  if (!offsets || !bytes) throw new Error("its entity types are no texts");
  const starts = offsetsOf(offsets);
  const decoder = new TextDecoder();
  return Array.from(
    { length },
    (_, i) => decoder.decode(bytes.subarray(starts[i]!, starts[i + 1]!)),
  );
}

/** A copy, since the bytes of a message stand at any address. */
function offsetsOf(bytes: Uint8Array<ArrayBuffer>): Int32Array {
  return new Int32Array(bytes.slice(0, bytes.length & ~3).buffer);
}

function isSame(some: Uint8Array, other: Uint8Array): boolean {
  return some.length === other.length && some.every((byte, i) => byte === other[i]);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
