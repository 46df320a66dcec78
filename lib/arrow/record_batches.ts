/**
 * Binary rows of PostgreSQL -> Arrow record batches. The way of a query over Flight starts its last
 * stage here: `columns_code.ts` reads rows into `columns.ts`, `ipc.ts` makes messages of them.
 */

import { BodyCompressor, type Compression } from "./compression.ts";
import { type ColumnLimits, Columns } from "./columns.ts";
import { columnsCode } from "./columns_code.ts";
import { compiled } from "./compiled.ts";
import { type IpcMessage, MessageBuilder } from "./ipc.ts";
import { flatFields, type ResultField } from "./result_field.ts";
import type { RowChunk } from "./row_chunk.ts";
import { enumTypes } from "./schema.ts";

export { type Compression, COMPRESSIONS } from "./compression.ts";
export { encapsulated, endOfStream, type IpcMessage, streamBytes } from "./ipc.ts";
export { arrowSchemaMessage } from "./schema.ts";

export interface RecordBatchOptions extends ColumnLimits {
  /** What becomes of a value that Arrow cannot hold: an error, or null where the field is nullable. */
  readonly unrepresentable: "error" | "null";
  /** How bodies are compressed, dictionaries' too; they are not when absent or null. */
  readonly compression?: Compression | null;
}

const columnsCodeOf = compiled(columnsCode);

/**
 * One dictionary for each enum column, then batches of at most `batchRowsMax` rows. A batch is closed
 * before its body would pass `batchBytesMax`; a row above that goes alone, up to `rowBytesMax`. No
 * rows give no batch, but the dictionaries. The schema's message is not among them.
 *
 * Nothing is given before the first chunk has come. A message's bytes are valid until the next one is
 * asked for. Throws `AppError`: `UNREPRESENTABLE` and `TOO_LARGE` with the row, `UNAVAILABLE` where
 * rows are not of the planned shape.
 */
export async function* recordBatches(
  fields: readonly ResultField[],
  chunks: AsyncIterable<RowChunk>,
  options: RecordBatchOptions,
): AsyncGenerator<IpcMessage> {
  const code = columnsCodeOf(flatFields(fields), options.unrepresentable);
  const columns = new Columns(code.places, options);
  const { batchRowsMax, batchBytesMax, compression } = options;
  const compressor = compression ? new BodyCompressor(compression) : null;
  let begun = false;
  // Small at first, so that the client works on them while PostgreSQL makes the next.
  let rowsMax = Math.min(firstRows, batchRowsMax);
  for await (const chunk of chunks) {
    let p = chunk.start;
    while (p < chunk.end) {
      p = code.readRows(columns, chunk.bytes, p, chunk.end, rowsMax, batchBytesMax);
      if (!columns.full && columns.rows < rowsMax) break;
      if (!begun) yield* dictionaries(fields, compressor);
      begun = true;
      // The last row read may be one too many; it is still in the chunk and is read again.
      if (columns.full) columns.truncate(columns.rows);
      yield batch(columns, options, compressor);
      columns.reset();
      rowsMax = Math.min(rowsMax * growth, batchRowsMax);
    }
  }
  if (!begun) yield* dictionaries(fields, compressor);
  if (columns.rows > 0) yield batch(columns, options, compressor);
}

const firstRows = 1000;
const growth = 3;

function* dictionaries(
  fields: readonly ResultField[],
  compressor: BodyCompressor | null,
): Generator<IpcMessage> {
  const encoder = new TextEncoder();
  for (const [id, labels] of enumTypes(fields).entries()) {
    const offsets = new Int32Array(labels.length + 2);
    const bytes = encoder.encode(labels.join(""));
    let at = 0;
    labels.forEach((label, i) => offsets[i + 1] = at += encoder.encode(label).length);
    const data = new Uint8Array((bytes.length + 7) & ~7);
    data.set(bytes);
    const message = new MessageBuilder(compressor);
    message.node(labels.length, 0);
    message.buffer(offsets, 0);
    message.buffer(offsets, 4 * (labels.length + 1));
    message.buffer(data, bytes.length);
    yield message.dictionary(id, labels.length);
  }
}

function batch(
  columns: Columns,
  options: RecordBatchOptions,
  compressor: BodyCompressor | null,
): IpcMessage {
  const message = new MessageBuilder(compressor);
  for (const column of columns.all) {
    const values = columns.valuesOf(column);
    message.node(values, column.nulls);
    const layout = column.layout;
    message.buffer(column.validity(values), column.nulls > 0 ? Math.ceil(values / 8) : 0);
    switch (layout.kind) {
      case "bits":
        message.buffer(column.bits, Math.ceil(values / 8));
        break;
      case "fixed":
        message.buffer(column.fixed, values * layout.bits / 8);
        break;
      case "bytes":
        message.buffer(column.offsets, 4 * (values + 1));
        message.buffer(column.data, column.bytes);
        break;
      case "constant":
        message.kept(column.offsets, 4 * (values + 1));
        message.kept(column.data, values * layout.value.length);
        break;
      case "list":
        message.buffer(column.offsets, 4 * (values + 1));
        break;
      case "struct":
        break;
      default:
        layout satisfies never;
    }
  }
  if (message.bodyBytes > Math.max(options.batchBytesMax, options.rowBytesMax)) {
    throw columns.tooLarge(columns.rowsBefore);
  }
  return message.batch(columns.rows);
}
