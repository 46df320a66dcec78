/**
 * EntityEvents as readers get them: rows in columns, wherever they come from, and which of them are
 * asked for.
 */

import type { ReadMessage } from "./ipc_reader.ts";

/** Rows of events. Their types are numbers here, by the place in a list of names. */
export interface EventRows {
  readonly rows: number;
  readonly eventId: TextValues;
  readonly eventType: Int32Array;
  readonly entityType: Int32Array;
  readonly entityId: TextValues;
  /** Microseconds since 1970. */
  readonly timestamp: BigInt64Array;
  readonly data: TextValues;
  readonly userId: TextValues;
  readonly orgId: TextValues;
  /** Ascending. */
  readonly position: BigUint64Array;
  /** What the numbers in `eventType` and `entityType` mean. */
  readonly eventTypes: readonly string[];
  readonly entityTypes: readonly string[];
}

/** Texts one behind the other in UTF-8, each from its offset to the next. */
export interface TextValues {
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
  /** A bit for each, 0 where there is none; null: there is every one. */
  readonly validity: Uint8Array | null;
}

/** The buffers of a batch, taken in the order of its columns: validity, offsets of texts, values. */
export class ColumnBuffers {
  #next = 0;

  constructor(private readonly message: ReadMessage) {}

  take(): Uint8Array<ArrayBuffer> {
    const buffer = this.message.buffers[this.#next++];
    if (!buffer) throw new Error("a batch without all of its buffers");
    return buffer;
  }

  /** Of a column that has no nulls. */
  numbers<Numbers>(kind: NumbersOf<Numbers>): Numbers {
    this.take();
    const { buffer, byteOffset } = this.take();
    return new kind(buffer, byteOffset, this.message.rows);
  }

  texts(column: number): TextValues {
    const validity = this.take();
    const { buffer, byteOffset } = this.take();
    const offsets = new Int32Array(buffer, byteOffset, this.message.rows + 1);
    const hasNulls = this.message.nodes[column]?.nulls;
    return { offsets, bytes: this.take(), validity: hasNulls ? validity : null };
  }
}

type NumbersOf<Numbers> = new (buffer: ArrayBuffer, at: number, length: number) => Numbers;

/** Which events are asked for. */
export interface EventFilter {
  readonly entityType: string | null;
  /** Inclusive, in microseconds since 1970. */
  readonly start: bigint | null;
  /** Exclusive. */
  readonly end: bigint | null;
}

export function isThere({ validity }: TextValues, row: number): boolean {
  return validity === null || (validity[row >> 3]! >> (row & 7) & 1) === 1;
}

/** The rows behind a position that are asked for; the same where that is all of them. */
export function pickRows(all: EventRows, filter: EventFilter, after: bigint): EventRows {
  const wantedType = filter.entityType === null ? -1 : all.entityTypes.indexOf(filter.entityType);
  const picked: number[] = [];
  for (let row = 0; row < all.rows; row++) {
    if (all.position[row]! <= after) continue;
    if (filter.entityType !== null && all.entityType[row] !== wantedType) continue;
    const at = all.timestamp[row]!;
    if (filter.start !== null && at < filter.start) continue;
    if (filter.end !== null && at >= filter.end) continue;
    picked.push(row);
  }
  if (picked.length === all.rows) return all;
  return {
    ...all,
    rows: picked.length,
    eventId: pickTexts(all.eventId, picked),
    eventType: Int32Array.from(picked, (row) => all.eventType[row]!),
    entityType: Int32Array.from(picked, (row) => all.entityType[row]!),
    entityId: pickTexts(all.entityId, picked),
    timestamp: BigInt64Array.from(picked, (row) => all.timestamp[row]!),
    data: pickTexts(all.data, picked),
    userId: pickTexts(all.userId, picked),
    orgId: pickTexts(all.orgId, picked),
    position: BigUint64Array.from(picked, (row) => all.position[row]!),
  };
}

/** The first rows. */
export function firstRows(all: EventRows, rows: number): EventRows {
  return rows >= all.rows ? all : { ...all, rows };
}

function pickTexts(values: TextValues, picked: readonly number[]): TextValues {
  const { offsets, bytes } = values;
  const length = picked.reduce((sum, row) => sum + offsets[row + 1]! - offsets[row]!, 0);
  const to = { offsets: new Int32Array(picked.length + 1), bytes: new Uint8Array(length) };
  const validity = values.validity === null ? null : new Uint8Array((picked.length + 7) >> 3);
  picked.forEach((row, i) => {
    const text = bytes.subarray(offsets[row], offsets[row + 1]);
    to.bytes.set(text, to.offsets[i]);
    to.offsets[i + 1] = to.offsets[i]! + text.length;
    if (validity && isThere(values, row)) validity[i >> 3]! |= 1 << (i & 7);
  });
  return { ...to, validity };
}
