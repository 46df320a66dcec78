/** Rows of events -> the record batches that readers over Flight are promised. */

import {
  type DataType,
  Dictionary,
  Field,
  Int32,
  Schema,
  Table,
  tableToIPC,
  TimestampMicrosecond,
  Utf8,
} from "apache-arrow";
import { AppError } from "../errors.ts";
import { BodyCompressor, type Compression } from "./compression.ts";
import type { EventRows, TextValues } from "./event_rows.ts";
import { type IpcMessage, MessageBuilder } from "./ipc.ts";

export interface EventBatchOptions {
  readonly batchRowsMax: number;
  /** A batch is closed before its body would pass this; a larger single event goes alone. */
  readonly batchBytesMax: number;
  /** An event above that is `TOO_LARGE`. */
  readonly rowBytesMax: number;
  readonly compression: Compression | null;
}

/** A message, and the position of a batch's last row. */
export interface EventMessageBatch extends IpcMessage {
  readonly position: bigint | null;
}

const [EVENT_TYPE, ENTITY_TYPE] = [0, 1];

const COLUMNS: readonly [name: string, type: DataType, nullable: boolean][] = [
  ["event_id", new Utf8(), false],
  ["event_type", new Dictionary(new Utf8(), new Int32(), EVENT_TYPE), false],
  ["entity_type", new Dictionary(new Utf8(), new Int32(), ENTITY_TYPE), false],
  ["entity_id", new Utf8(), false],
  ["timestamp", new TimestampMicrosecond("UTC"), false],
  ["data", new Utf8(), false],
  ["user_id", new Utf8(), true],
  ["org_id", new Utf8(), true],
];

let schema: Uint8Array<ArrayBuffer> | undefined;

/** The eight columns as the flatbuffer `Message`; shared, not to be written to. */
export function eventTableSchema(): Uint8Array<ArrayBuffer> {
  if (schema) return schema;
  const fields = COLUMNS.map(([name, type, nullable]) => new Field(name, type, nullable));
  const stream = tableToIPC(new Table(new Schema(fields)), "stream");
  const length = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return schema = stream.slice(8, 8 + length);
}

/**
 * Makes the messages of one stream. Types are numbered in the order in which they come, so a number
 * means the same in the whole stream; where one is added, the longer dictionary is sent in place of
 * the last. A message's bytes are valid until the next one is asked for.
 */
export class EventBatches {
  private readonly compressor: BodyCompressor | null;
  private readonly eventTypes = new Labels(EVENT_TYPE, ["Created", "Updated", "Deleted"]);
  private readonly entityTypes = new Labels(ENTITY_TYPE, []);

  constructor(private readonly options: EventBatchOptions) {
    this.compressor = options.compression ? new BodyCompressor(options.compression) : null;
  }

  /** The batches of some rows, and before them the dictionaries that they need. */
  *of(rows: EventRows): Generator<EventMessageBatch, undefined> {
    const eventTypes = this.eventTypes.numbers(rows.eventTypes);
    const entityTypes = this.entityTypes.numbers(rows.entityTypes);
    yield* this.dictionaries();
    for (let from = 0; from < rows.rows;) {
      const to = this.end(rows, from);
      yield this.batch(rows, from, to, eventTypes, entityTypes);
      from = to;
    }
    return undefined;
  }

  /** A batch without rows, which says how far the stream is. */
  *empty(position: bigint): Generator<EventMessageBatch, undefined> {
    yield* this.dictionaries();
    yield this.batch({ ...NO_ROWS, position: BigUint64Array.of(position) }, 0, 0, [], []);
    return undefined;
  }

  /** Those that are not sent yet; a stream without rows needs them too. */
  *dictionaries(): Generator<EventMessageBatch, undefined> {
    for (const labels of [this.eventTypes, this.entityTypes]) {
      const message = labels.message(this.compressor);
      if (message) yield { ...message, position: null };
    }
    return undefined;
  }

  /** Where the batch that begins at `from` ends: found by halving, as bytes only grow. */
  private end(rows: EventRows, from: number): number {
    const { batchRowsMax, batchBytesMax, rowBytesMax } = this.options;
    let [low, high] = [from + 1, Math.min(rows.rows, from + batchRowsMax)];
    if (bodyBytes(rows, from, high) <= batchBytesMax) return high;
    const one = bodyBytes(rows, from, low);
    if (one > Math.max(batchBytesMax, rowBytesMax)) {
      throw new AppError("TOO_LARGE", `an event of ${one} bytes, at most ${rowBytesMax} are sent`, {
        hint: `it is the one behind the last position; go on behind it with ` +
          `"after": "${rows.position[from]}", or raise flightRowBytesMax`,
      });
    }
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (bodyBytes(rows, from, middle) <= batchBytesMax) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private batch(
    rows: EventRows,
    from: number,
    to: number,
    eventTypes: readonly number[],
    entityTypes: readonly number[],
  ): EventMessageBatch {
    const message = new MessageBuilder(this.compressor);
    const count = to - from;
    const fixed = (values: Int32Array | BigInt64Array) => {
      message.node(count, 0);
      message.buffer(values, 0);
      message.buffer(values, values.BYTES_PER_ELEMENT * count);
    };
    texts(message, rows.eventId, from, to);
    fixed(renumbered(rows.eventType, from, to, eventTypes));
    fixed(renumbered(rows.entityType, from, to, entityTypes));
    texts(message, rows.entityId, from, to);
    fixed(rows.timestamp.slice(from, to));
    texts(message, rows.data, from, to);
    texts(message, rows.userId, from, to);
    texts(message, rows.orgId, from, to);
    return { ...message.batch(count), position: rows.position[Math.max(from, to - 1)] ?? null };
  }
}

const noText: TextValues = { offsets: new Int32Array(2), bytes: new Uint8Array(0), validity: null };
const NO_ROWS: EventRows = {
  rows: 0,
  eventId: noText,
  eventType: new Int32Array(0),
  entityType: new Int32Array(0),
  entityId: noText,
  timestamp: new BigInt64Array(0),
  data: noText,
  userId: noText,
  orgId: noText,
  position: new BigUint64Array(1),
  eventTypes: [],
  entityTypes: [],
};

/** One dictionary of the stream. */
class Labels {
  private readonly all: string[];
  private sent = -1;

  constructor(private readonly id: number, known: readonly string[]) {
    this.all = [...known];
  }

  /** The stream's numbers of names. */
  numbers(names: readonly string[]): number[] {
    return names.map((name) => {
      const known = this.all.indexOf(name);
      return known >= 0 ? known : this.all.push(name) - 1;
    });
  }

  /** Null where it has been sent as it is. */
  message(compressor: BodyCompressor | null): IpcMessage | null {
    if (this.sent === this.all.length) return null;
    this.sent = this.all.length;
    const encoded = this.all.map((text) => new TextEncoder().encode(text));
    const offsets = new Int32Array((encoded.length + 2) & ~1);
    encoded.forEach((text, i) => offsets[i + 1] = offsets[i]! + text.length);
    const length = offsets[encoded.length]!;
    const bytes = new Uint8Array((length + 7) & ~7);
    encoded.forEach((text, i) => bytes.set(text, offsets[i]));
    const message = new MessageBuilder(compressor);
    message.node(encoded.length, 0);
    message.buffer(offsets, 0);
    message.buffer(offsets, 4 * (encoded.length + 1));
    message.buffer(bytes, length);
    return message.dictionary(this.id, encoded.length);
  }
}

/** No less than the body of the rows takes, before it is compressed. */
function bodyBytes(rows: EventRows, from: number, to: number): number {
  const { eventId, entityId, data, userId, orgId } = rows;
  const texts = [eventId, entityId, data, userId, orgId];
  const bytes = texts.reduce((sum, { offsets }) => sum + offsets[to]! - offsets[from]!, 0);
  return bytes + rowBytes * (to - from) + paddingBytes;
}

/** Two numbers of types, a time, five offsets, two bits. */
const rowBytes = 4 + 4 + 8 + 5 * 4 + 1;
/** Of fifteen buffers at most, and the offset behind the last text. */
const paddingBytes = 15 * 8 + 5 * 4;

function renumbered(
  values: Int32Array,
  from: number,
  to: number,
  numbers: readonly number[],
): Int32Array {
  const out = new Int32Array((to - from + 1) & ~1);
  for (let row = from; row < to; row++) {
    const number = numbers[values[row]!];
    if (number !== undefined) {
      out[row - from] = number;
      continue;
    }
    throw new AppError("UNAVAILABLE", "an event of a new type came among those that are read", {
      hint: "read on with `after`",
    });
  }
  return out;
}

function texts(message: MessageBuilder, values: TextValues, from: number, to: number): void {
  const count = to - from;
  const first = values.offsets[from]!;
  const offsets = new Int32Array((count + 2) & ~1);
  for (let i = 0; i <= count; i++) offsets[i] = values.offsets[from + i]! - first;
  const length = offsets[count]!;
  const bytes = new Uint8Array((length + 7) & ~7);
  bytes.set(values.bytes.subarray(first, first + length));
  const validity = new Uint8Array(((count + 63) >> 6) << 3);
  const nulls = values.validity === null ? 0 : copyBits(values.validity, from, to, validity);
  message.node(count, nulls);
  message.buffer(validity, nulls === 0 ? 0 : (count + 7) >> 3);
  message.buffer(offsets, 4 * (count + 1));
  message.buffer(bytes, length);
}

/** Gives how many of them are 0. */
function copyBits(bits: Uint8Array, from: number, to: number, out: Uint8Array): number {
  let nulls = to - from;
  for (let row = from; row < to; row++) {
    const bit = bits[row >> 3]! >> (row & 7) & 1;
    out[(row - from) >> 3]! |= bit << ((row - from) & 7);
    nulls -= bit;
  }
  return nulls;
}
