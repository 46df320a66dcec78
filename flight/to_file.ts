/**
 * Rows of an export -> the bytes of a file, in batches of one Binary column `chunk` whose
 * concatenation is the file. The rows are those of HTTP's JSON, so that no value differs from there.
 */

import { BodyCompressor, type Compression } from "../lib/arrow/compression.ts";
import { type IpcMessage, MessageBuilder } from "../lib/arrow/ipc.ts";
import type { ResultField } from "../lib/arrow/result_field.ts";
import type { RowChunk } from "../lib/arrow/row_chunk.ts";
import type { Unrepresentable } from "../lib/config.ts";
import { JsonRows } from "../lib/json/json_rows.ts";
import { CsvFile } from "./to_csv.ts";
import { JsonLinesFile } from "./to_json_lines.ts";

/** The shape of a file's batches, whatever is in it. */
export const FILE_FIELDS: readonly ResultField[] = [
  { kind: "scalar", name: "chunk", nullable: false, type: { kind: "bytea" } },
];

/** A format of files. */
export interface RowFile {
  /** What stands before the first row; empty where nothing does. */
  head(): Uint8Array<ArrayBuffer>;
  /** Told of each row before it becomes JSON: one whole `DataRow` from `at`. */
  row(bytes: Uint8Array, at: number): void;
  /**
   * The rows since the last time as they stand in the file. `json` has them one after the other,
   * each from its place in `starts`: a comma, but for the first row of all, and the object.
   */
  write(json: Uint8Array<ArrayBuffer>, starts: readonly number[]): Uint8Array<ArrayBuffer>;
}

export interface FileOptions {
  readonly format: "csv" | "json";
  readonly unrepresentable: Unrepresentable;
  readonly compression: Compression | null;
  /** A row of more bytes of JSON is `TOO_LARGE`. */
  readonly rowBytesMax: number;
}

/** The file in pieces, in constant memory; a message's `rows` are those of the file. */
export async function* toFile(
  fields: readonly ResultField[],
  chunks: AsyncIterable<RowChunk>,
  { format, unrepresentable, compression, rowBytesMax }: FileOptions,
): AsyncGenerator<IpcMessage> {
  const compressor = compression ? new BodyCompressor(compression) : null;
  const file: RowFile = format === "csv" ? new CsvFile(fields) : new JsonLinesFile();
  const json = new JsonRows(fields, { unrepresentable, bytesMax: pieceBytes + rowBytesMax });
  let head: Uint8Array<ArrayBuffer> | null = file.head();
  let starts: number[] = [];
  const written = function* () {
    const bytes = file.write(json.take(), starts);
    const whole = head && head.length > 0 ? joined(head, bytes) : bytes;
    head = null;
    yield* pieces(whole, starts.length, compressor);
    starts = [];
  };
  for await (const { statement, bytes, start, end } of chunks) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = start; at < end;) {
      const next = at + 1 + view.getInt32(at + 1);
      file.row(bytes, at);
      starts.push(json.byteLength);
      json.push({ statement, bytes, start: at, end: next });
      at = next;
      if (json.byteLength >= pieceBytes) yield* written();
    }
  }
  if (starts.length > 0 || (head && head.length > 0)) yield* written();
}

/** About what is collected before it is sent on. */
const pieceBytes = 512 * 1024;

/** Longer pieces, of rows that are long alone, are cut: clients take messages of 4 MiB. */
const chunkBytesMax = 1024 * 1024;

function* pieces(
  bytes: Uint8Array<ArrayBuffer>,
  rows: number,
  compressor: BodyCompressor | null,
): Generator<IpcMessage> {
  for (let at = 0; at < bytes.length; at += chunkBytesMax) {
    const length = Math.min(chunkBytesMax, bytes.length - at);
    const message = new MessageBuilder(compressor);
    message.node(1, 0);
    message.buffer(noValidity, 0);
    message.buffer(Int32Array.of(0, length), 8);
    message.buffer(padded(bytes.subarray(at, at + length)), length);
    const isLast = at + length === bytes.length;
    yield { ...message.batch(1), rows: isLast ? rows : 0 };
  }
}

const noValidity = new Uint8Array(0);

/** The same bytes where a multiple of 8 of them can be read. */
function padded(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  if (bytes.length % 8 === 0) return bytes;
  const more = new Uint8Array((bytes.length + 7) & ~7);
  more.set(bytes);
  return more;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
