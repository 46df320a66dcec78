/** Reads a record batch of events by npm:apache-arrow, a reader that is not ours. */

import { type Data, type Dictionary, RecordBatchReader, type Vector } from "apache-arrow";

export interface BatchRow {
  readonly id: string;
  readonly eventType: string;
  readonly entityType: string;
  readonly entityId: string;
  readonly timestamp: bigint;
  readonly data: string;
  readonly userId: string | null;
  readonly orgId: string | null;
  readonly position: bigint;
}

/** The rows; throws where the stream has not exactly the columns that are wanted. */
export function readBatch(stream: Uint8Array): BatchRow[] {
  const reader = RecordBatchReader.from(stream).open();
  const columns = reader.schema.fields.map(({ name, type, nullable }) =>
    `${name}: ${type}${nullable ? "" : " not null"}`
  );
  if (columns.join("\n") !== COLUMNS.join("\n")) throw new Error(columns.join("\n"));
  const rows: BatchRow[] = [];
  for (const batch of reader) {
    const [ids, eventTypes, entityTypes, entityIds, times, data, users, orgs, positions] = batch
      .data.children as Data[];
    for (let i = 0; i < batch.numRows; i++) {
      const hex = (ids!.values as Uint8Array).subarray(16 * i, 16 * i + 16).toHex();
      rows.push({
        id: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
        eventType: label(eventTypes as Data<Dictionary>, i),
        entityType: label(entityTypes as Data<Dictionary>, i),
        entityId: text(entityIds!, i) ?? "",
        timestamp: (times!.values as unknown as BigInt64Array)[i]!,
        data: text(data!, i) ?? "",
        userId: text(users!, i),
        orgId: text(orgs!, i),
        position: (positions!.values as BigUint64Array)[i]!,
      });
    }
  }
  return rows;
}

const COLUMNS = [
  "event_id: FixedSizeBinary[16] not null",
  "event_type: Dictionary<Int32, Utf8> not null",
  "entity_type: Dictionary<Int32, Utf8> not null",
  "entity_id: Utf8 not null",
  "timestamp: Timestamp<MICROSECOND, UTC> not null",
  "data: Utf8 not null",
  "user_id: Utf8",
  "org_id: Utf8",
  "position: Uint64 not null",
];

function label(data: Data<Dictionary>, i: number): string {
  return (data.dictionary as Vector).get((data.values as Int32Array)[i]!) as string;
}

function text(data: Data, i: number): string | null {
  if (data.nullCount > 0 && !data.getValid(i)) return null;
  const [start, end] = [data.valueOffsets[i]!, data.valueOffsets[i + 1]!];
  return decoder.decode((data.values as Uint8Array).subarray(start, end));
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
