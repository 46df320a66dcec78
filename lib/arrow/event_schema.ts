/** The Arrow schema of batches in FRAISEQL_BATCHES. (only door to npm:apache-arrow) */

import {
  type DataType,
  Dictionary,
  Field,
  FixedSizeBinary,
  Int32,
  RecordBatchReader,
  Schema,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Uint64,
  Utf8,
} from "apache-arrow";

/** Numbers of the two dictionaries. */
export const TYPE_DICTIONARY = { event: 0, entity: 1 } as const;

/**
 * The eight columns and the position. The id is 16 bytes here, a third of the bytes of its text;
 * readers over Flight get the text.
 */
const COLUMNS: readonly [name: string, type: DataType, nullable: boolean][] = [
  ["event_id", new FixedSizeBinary(16), false],
  ["event_type", new Dictionary(new Utf8(), new Int32(), TYPE_DICTIONARY.event), false],
  ["entity_type", new Dictionary(new Utf8(), new Int32(), TYPE_DICTIONARY.entity), false],
  ["entity_id", new Utf8(), false],
  ["timestamp", new TimestampMicrosecond("UTC"), false],
  ["data", new Utf8(), false],
  ["user_id", new Utf8(), true],
  ["org_id", new Utf8(), true],
  ["position", new Uint64(), false],
];

let message: Uint8Array<ArrayBuffer> | undefined;

/** Its flatbuffer `Message`; shared, not to be written to. */
export function eventSchemaMessage(): Uint8Array<ArrayBuffer> {
  if (message) return message;
  const fields = COLUMNS.map(([name, type, nullable]) => new Field(name, type, nullable));
  const stream = tableToIPC(new Table(new Schema(fields)), "stream");
  const length = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return message = stream.slice(8, 8 + length);
}

/** The ids in a batch, 16 bytes each. */
export function readEventIds(stream: Uint8Array): Uint8Array {
  const batches = [...RecordBatchReader.from(stream)];
  const ids = new Uint8Array(16 * batches.reduce((sum, { numRows }) => sum + numRows, 0));
  let at = 0;
  for (const batch of batches) {
    const values: Uint8Array = batch.getChild("event_id")?.data[0]?.values ?? new Uint8Array();
    ids.set(values.subarray(0, 16 * batch.numRows), at);
    at += 16 * batch.numRows;
  }
  return ids;
}
