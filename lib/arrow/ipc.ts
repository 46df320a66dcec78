/**
 * Arrow's IPC messages: the headers of record batches and dictionaries by hand, since they are the
 * same for every batch of a result but for a few numbers.
 * https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc
 */

import type { BodyCompressor } from "./compression.ts";

/** A message: its header as `FlightData.data_header` wants it, and its body in pieces. */
export interface IpcMessage {
  readonly kind: "dictionary" | "batch";
  /** The flatbuffer `Message`, a multiple of 8 bytes long. */
  readonly header: Uint8Array;
  /** One after the other they are the body; each is padded to a multiple of 8 bytes already. */
  readonly body: readonly Uint8Array[];
  /** Sum of the pieces' lengths. */
  readonly bodyBytes: number;
  /** Rows of a batch, labels of a dictionary. */
  readonly rows: number;
}

/** Version V5 and the kinds of header in Arrow's Message.fbs and Schema.fbs. */
const VERSION = 4;
const DICTIONARY_BATCH = 2;
const RECORD_BATCH = 3;

/** Collects the buffers of one message: values and nulls of each column, bytes of each buffer. */
export class MessageBuilder {
  private readonly nodes: number[] = [];
  private readonly lengths: number[] = [];
  private readonly pieces: Uint8Array[] = [];
  private bytes = 0;

  /** With a compressor the message's bytes are valid until that makes the next one. */
  constructor(private readonly compressor: BodyCompressor | null = null) {}

  /** A column's number of values and nulls; its buffers follow. */
  node(values: number, nulls: number): void {
    this.nodes.push(values, nulls);
  }

  /** The first `length` bytes of a buffer that reaches to the next multiple of 8 at least. */
  buffer(from: ArrayBufferView, length: number): void {
    const piece = this.kept(from, length);
    // What an earlier batch left behind the end must not be sent.
    for (let i = length; i < piece.length; i++) piece[i] = 0;
  }

  /** The same for a buffer that stays as it is for the next message. */
  kept(from: ArrayBufferView, length: number): Uint8Array {
    const piece = new Uint8Array(from.buffer, from.byteOffset, (length + 7) & ~7);
    this.lengths.push(length);
    if (length > 0) this.pieces.push(piece);
    this.bytes += piece.length;
    return piece;
  }

  /** Before they are compressed. */
  get bodyBytes(): number {
    return this.bytes;
  }

  batch(rows: number): IpcMessage {
    this.compress();
    const header = new Uint8Array(36 + this.recordBatchBytes);
    this.message(header, RECORD_BATCH, 48);
    this.recordBatch(header, 36, rows);
    return { kind: "batch", header, body: this.pieces, bodyBytes: this.bytes, rows };
  }

  /** A dictionary of one column, whole. */
  dictionary(id: number, rows: number): IpcMessage {
    this.compress();
    const header = new Uint8Array(68 + this.recordBatchBytes);
    this.message(header, DICTIONARY_BATCH, 48);
    // vtable at 36: its bytes, the table's bytes, id at 8, data at 4; the table stands at 48.
    const view = new DataView(header.buffer);
    [8, 16, 8, 4].forEach((value, i) => view.setUint16(36 + 2 * i, value, true));
    view.setUint32(48, 12, true);
    view.setUint32(52, 80 - 52, true);
    view.setUint32(56, id, true);
    this.recordBatch(header, 68, rows);
    return { kind: "dictionary", header, body: this.pieces, bodyBytes: this.bytes, rows };
  }

  /** Puts one piece in place of all, in which each buffer is compressed for itself. */
  private compress(): void {
    const { compressor } = this;
    if (!compressor) return;
    compressor.begin();
    let next = 0;
    this.lengths.forEach((length, i) => {
      const piece = length > 0 ? this.pieces[next++] : undefined;
      this.lengths[i] = piece ? compressor.add(piece.subarray(0, length)) : 0;
    });
    const body = compressor.body();
    this.pieces.splice(0, this.pieces.length, body);
    this.bytes = body.length;
  }

  /** The table Message at 16, its vtable at 4. */
  private message(header: Uint8Array, kind: number, table: number): void {
    const view = new DataView(header.buffer);
    view.setUint32(0, 16, true);
    // vtable: its bytes, the table's bytes, version, header_type, header, bodyLength.
    [12, 20, 16, 18, 4, 8].forEach((value, i) => view.setUint16(4 + 2 * i, value, true));
    view.setUint32(16, 12, true);
    view.setUint32(20, table - 20, true);
    view.setUint32(24, this.bytes, true);
    view.setUint16(32, VERSION, true);
    header[34] = kind;
  }

  /** From the vtable of the table RecordBatch to the end of the message. */
  private get recordBatchBytes(): number {
    const compressionBytes = this.compressor ? 16 : 0;
    return 52 + 8 * this.nodes.length + 16 * this.lengths.length + compressionBytes;
  }

  /** The table RecordBatch behind its vtable at `start`, which is 4 more than a multiple of 8. */
  private recordBatch(header: Uint8Array, start: number, rows: number): void {
    const view = new DataView(header.buffer);
    const table = start + 12;
    const nodes = table + 28;
    // Four bytes between them, so that the structs of both stand at multiples of 8.
    const buffers = nodes + 8 + 8 * this.nodes.length;
    // vtable: its bytes, the table's bytes, length, nodes, buffers, compression where there is one.
    [12, 24, 8, 4, 16, this.compressor ? 20 : 0].forEach((value, i) =>
      view.setUint16(start + 2 * i, value, true)
    );
    view.setUint32(table, 12, true);
    view.setUint32(table + 4, nodes - (table + 4), true);
    view.setUint32(table + 8, rows, true);
    view.setUint32(table + 16, buffers - (table + 16), true);
    view.setUint32(nodes, this.nodes.length / 2, true);
    this.nodes.forEach((value, i) => view.setUint32(nodes + 4 + 8 * i, value, true));
    view.setUint32(buffers, this.lengths.length, true);
    let offset = 0;
    this.lengths.forEach((length, i) => {
      view.setUint32(buffers + 4 + 16 * i, offset, true);
      view.setUint32(buffers + 12 + 16 * i, length, true);
      offset += (length + 7) & ~7;
    });
    if (this.compressor) {
      // The table BodyCompression behind all: its vtable's bytes, its own, codec at 4, and no
      // method, since the only one is the default.
      const end = buffers + 4 + 16 * this.lengths.length;
      [6, 8, 4].forEach((value, i) => view.setUint16(end + 2 * i, value, true));
      view.setUint32(table + 20, end + 8 - (table + 20), true);
      view.setUint32(end + 8, 8, true);
      header[end + 12] = this.compressor.codec;
    }
  }
}

/**
 * A header as a stream has it: continuation, length, the header padded to 8 bytes. The form of
 * `SchemaResult.schema` and `FlightInfo.schema`.
 */
export function encapsulated(header: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = (header.length + 7) & ~7;
  const bytes = new Uint8Array(8 + padded);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xffffffff, true);
  view.setUint32(4, padded, true);
  bytes.set(header, 8);
  return bytes;
}

/** The end of an IPC stream. */
export const endOfStream = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);

/** A whole IPC stream, as a file or a reader wants it. */
export async function streamBytes(
  schema: Uint8Array,
  messages: AsyncIterable<IpcMessage>,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [encapsulated(schema)];
  for await (const message of messages) {
    // Copied, since a message's pieces are valid until the next is asked for.
    pieces.push(encapsulated(message.header), ...message.body.map((piece) => piece.slice()));
  }
  pieces.push(endOfStream);
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
