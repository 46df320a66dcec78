/**
 * An IPC stream that others wrote -> its record batches, buffers as they are. Only the headers of
 * messages are read by hand; what a column is, its schema says, which the caller has named before.
 * https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format
 */

import { RecordBatchReader } from "apache-arrow";
import { encapsulated, endOfStream } from "./ipc.ts";

/** A message of the stream behind its schema. */
export interface ReadMessage {
  readonly kind: "dictionary" | "batch";
  /** Of a dictionary. */
  readonly id: number;
  readonly rows: number;
  /** Values and nulls of each column. */
  readonly nodes: readonly { readonly values: number; readonly nulls: number }[];
  /** In the order of the columns; validity first. Each starts at a multiple of 8. */
  readonly buffers: readonly Uint8Array<ArrayBuffer>[];
}

/**
 * The messages of a stream that comes in pieces of any length. `wanted` are its columns as
 * `name: type`; a stream of others is an error, since buffers would be taken for what they are not.
 */
export async function* readIpc(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  wanted: readonly string[],
): AsyncGenerator<ReadMessage, undefined> {
  const bytes = new Pieces(pieces);
  try {
    for (let isFirst = true;; isFirst = false) {
      const prefix = await bytes.take(8);
      const length = prefix ? new DataView(prefix.buffer).getInt32(4, true) : 0;
      if (length === 0) {
        if (isFirst) throw new Error("an IPC stream without a schema");
        return undefined;
      }
      const header = await bytes.take(length);
      if (!header) throw new Error("an IPC stream that is cut");
      if (isFirst) {
        checkSchema(header, wanted);
        continue;
      }
      const message = new Flat(header).root();
      const bodyBytes = message.long(bodyLength);
      const body = bodyBytes === 0 ? new Uint8Array(0) : await bytes.take(bodyBytes);
      if (!body) throw new Error("an IPC stream that is cut");
      yield readMessage(message, body);
    }
  } finally {
    await bytes.close();
  }
}

/** Slots of the tables in Message.fbs. */
const [headerType, headerAt, bodyLength] = [1, 2, 3];
const [batchLength, batchNodes, batchBuffers, batchCompression] = [0, 1, 2, 3];
const [dictionaryId, dictionaryData, dictionaryIsDelta] = [0, 1, 2];
const DICTIONARY_BATCH = 2;
const RECORD_BATCH = 3;

function checkSchema(header: Uint8Array, wanted: readonly string[]): void {
  const stream = new Uint8Array(8 + header.length + endOfStream.length);
  stream.set(encapsulated(header));
  stream.set(endOfStream, stream.length - endOfStream.length);
  const { fields } = RecordBatchReader.from(stream).open().schema;
  const found = fields.map(({ name, type }) => `${name}: ${type}`).join(", ");
  if (found === wanted.join(", ")) return;
  throw new Error(`the columns are ${found} instead of ${wanted.join(", ")}`);
}

function readMessage(message: Table, body: Uint8Array<ArrayBuffer>): ReadMessage {
  const kind = message.byte(headerType);
  const header = message.table(headerAt);
  if (kind === DICTIONARY_BATCH) {
    if (header.byte(dictionaryIsDelta) !== 0) throw new Error("a delta of a dictionary");
    const id = header.long(dictionaryId);
    return { kind: "dictionary", id, ...readBatch(header.table(dictionaryData), body) };
  }
  if (kind !== RECORD_BATCH) throw new Error(`an IPC message of kind ${kind}`);
  return { kind: "batch", id: 0, ...readBatch(header, body) };
}

function readBatch(batch: Table, body: Uint8Array<ArrayBuffer>) {
  if (batch.has(batchCompression)) throw new Error("a compressed batch");
  const nodes = batch.pairs(batchNodes).map(([values, nulls]) => ({ values, nulls }));
  const buffers = batch.pairs(batchBuffers).map(([offset, length]) =>
    body.subarray(offset, offset + length)
  );
  return { rows: batch.long(batchLength), nodes, buffers };
}

/** A flatbuffer, as far as messages need one. */
class Flat {
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  root(): Table {
    return new Table(this.view, this.view.getUint32(0, true));
  }
}

class Table {
  constructor(private readonly view: DataView, private readonly at: number) {}

  has(slot: number): boolean {
    return this.place(slot) !== 0;
  }

  byte(slot: number): number {
    const place = this.place(slot);
    return place === 0 ? 0 : this.view.getUint8(place);
  }

  long(slot: number): number {
    const place = this.place(slot);
    return place === 0 ? 0 : Number(this.view.getBigInt64(place, true));
  }

  table(slot: number): Table {
    const place = this.place(slot);
    if (place === 0) throw new Error("an IPC message without its header");
    return new Table(this.view, place + this.view.getUint32(place, true));
  }

  /** A vector of structs of two 64-bit numbers. */
  pairs(slot: number): [number, number][] {
    const place = this.place(slot);
    if (place === 0) return [];
    const start = place + this.view.getUint32(place, true);
    return Array.from({ length: this.view.getUint32(start, true) }, (_, i) => {
      const at = start + 4 + 16 * i;
      return [
        Number(this.view.getBigInt64(at, true)),
        Number(this.view.getBigInt64(at + 8, true)),
      ];
    });
  }

  private place(slot: number): number {
    const vtable = this.at - this.view.getInt32(this.at, true);
    const entry = 4 + 2 * slot;
    if (entry >= this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + entry, true);
    return offset === 0 ? 0 : this.at + offset;
  }
}

/** Bytes in whatever portions they are wanted, each at the start of a buffer of its own. */
class Pieces {
  private readonly source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  private piece: Uint8Array = new Uint8Array(0);
  private at = 0;

  constructor(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.source = Symbol.asyncIterator in pieces
      ? pieces[Symbol.asyncIterator]()
      : pieces[Symbol.iterator]();
  }

  /** Null where they have ended before. */
  async take(length: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const taken = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      if (this.at === this.piece.length) {
        const next = await this.source.next();
        if (next.done) return null;
        [this.piece, this.at] = [next.value, 0];
        continue;
      }
      const some = this.piece.subarray(this.at, this.at + length - filled);
      taken.set(some, filled);
      filled += some.length;
      this.at += some.length;
    }
    return taken;
  }

  async close(): Promise<void> {
    await this.source.return?.();
  }
}
