/**
 * A row of the change log -> the event's line: from the bytes that PostgreSQL sent straight to those
 * that are published, without a string or an object in between. This is what the publisher does most
 * of the time; bench/publisher.ts measures it.
 */

/** What is read of a row, in this order, in PostgreSQL's binary form; `l` is the change log. */
export const EVENT_COLUMNS =
  `l.position, l.event_id, l.event_type, l.entity_type, l.entity_id, l.recorded_at, l.data,
    l.user_id, l.org_id, l.changes, l.traceparent, l.origin`;

/** Their places. */
export const COLUMN = {
  position: 0,
  eventId: 1,
  eventType: 2,
  entityType: 3,
  entityId: 4,
  recordedAt: 5,
  data: 6,
  userId: 7,
  orgId: 8,
  changes: 9,
  traceparent: 10,
  origin: 11,
} as const;

const columnCount = 12;

/** One row at a time, where it lies in the buffer; the same object for all rows. */
export class EventRow {
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of each column's value. */
  readonly at = new Int32Array(columnCount);
  /** Bytes of each column's value; -1 for null. */
  readonly sizes = new Int32Array(columnCount);
  /** The time that was written last, as text: most events share its second, many all of it. */
  readonly #time = new Uint8Array("2026-01-01T00:00:00.000000Z".length);
  #second = NaN;
  #timeHigh = NaN;
  #timeLow = NaN;

  /** `databaseBits` stand in the ids that are computed; see `fraiseql.event_id`. */
  constructor(readonly databaseBits: number) {}

  /** Looks at the row whose message begins there; gives the message's end. */
  read(bytes: Uint8Array, start: number): number {
    this.bytes = bytes;
    const { at, sizes } = this;
    let next = start + rowHeaderBytes;
    for (let column = 0; column < columnCount; column++) {
      const size = int32(bytes, next);
      next += 4;
      at[column] = next;
      sizes[column] = size;
      if (size > 0) next += size;
    }
    return next;
  }

  /** No line of the row is longer, its end included. */
  get lineBytesMax(): number {
    const { sizes } = this;
    let bytes = fixedBytesMax + sizes[COLUMN.data]!;
    if (sizes[COLUMN.changes]! > 0) bytes += sizes[COLUMN.changes]!;
    bytes += escapedBytesMax * (sizes[COLUMN.entityType]! + sizes[COLUMN.entityId]!);
    if (sizes[COLUMN.userId]! > 0) bytes += escapedBytesMax * sizes[COLUMN.userId]!;
    if (sizes[COLUMN.orgId]! > 0) bytes += escapedBytesMax * sizes[COLUMN.orgId]!;
    return bytes;
  }

  /** No line of the row is shorter. */
  get lineBytesMin(): number {
    return this.sizes[COLUMN.data]! + Math.max(0, this.sizes[COLUMN.changes]!);
  }

  /** Ids have 48 bits for it, so a number holds it. */
  get position(): number {
    const { bytes, at } = this;
    const from = at[COLUMN.position]!;
    return int32(bytes, from) * 4294967296 + (int32(bytes, from + 4) >>> 0);
  }

  /** A text column; null where it is null. */
  text(column: number): string | null {
    const size = this.sizes[column]!;
    if (size < 0) return null;
    return decoder.decode(this.bytes.subarray(this.at[column]!, this.at[column]! + size));
  }

  /** Whether a text column is these bytes; null is null's. */
  is(column: number, value: Uint8Array | null): boolean {
    const size = this.sizes[column]!;
    if (value === null || size < 0) return value === null && size < 0;
    if (size !== value.length) return false;
    const { bytes } = this;
    const from = this.at[column]!;
    for (let i = 0; i < size; i++) if (bytes[from + i] !== value[i]) return false;
    return true;
  }

  /** A copy of a text column's bytes. */
  copy(column: number): Uint8Array | null {
    const size = this.sizes[column]!;
    return size < 0 ? null : this.bytes.slice(this.at[column]!, this.at[column]! + size);
  }

  /** Writes the line and its end; gives the offset behind it. There must be `lineBytesMax` room. */
  writeLine(into: Uint8Array, start: number): number {
    let to = putText(into, start, ID);
    to = this.#putId(into, to);
    to = putText(into, to, EVENT_TYPE);
    to = this.#putRaw(into, to, COLUMN.eventType);
    to = putText(into, to, ENTITY_TYPE);
    to = this.#putString(into, to, COLUMN.entityType);
    to = putText(into, to, ENTITY_ID);
    to = this.#putString(into, to, COLUMN.entityId);
    to = putText(into, to, TIMESTAMP);
    to = this.#putTime(into, to);
    to = putText(into, to, DATA);
    to = this.#putRaw(into, to, COLUMN.data);
    to = putText(into, to, USER_ID);
    to = this.#putString(into, to, COLUMN.userId);
    to = putText(into, to, ORG_ID);
    to = this.#putString(into, to, COLUMN.orgId);
    if (this.sizes[COLUMN.changes]! >= 0) {
      to = putText(into, to, CHANGES);
      to = this.#putRaw(into, to, COLUMN.changes);
    }
    into[to++] = 0x7d; // }
    into[to++] = 0x0a;
    return to;
  }

  #putRaw(into: Uint8Array, to: number, column: number): number {
    const size = this.sizes[column]!;
    const from = this.at[column]!;
    return putBytes(into, to, this.bytes, from, from + size);
  }

  /** A text as JSON, or null. */
  #putString(into: Uint8Array, to: number, column: number): number {
    const size = this.sizes[column]!;
    if (size < 0) return putText(into, to, NULL);
    const { bytes } = this;
    const from = this.at[column]!;
    into[to++] = 0x22; // "
    for (let i = from; i < from + size; i++) {
      const byte = bytes[i]!;
      if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) into[to++] = byte;
      else to = putEscape(into, to, byte);
    }
    into[to++] = 0x22;
    return to;
  }

  #putId(into: Uint8Array, to: number): number {
    const { bytes, at, sizes } = this;
    let from = at[COLUMN.eventId]!;
    let id = bytes;
    if (sizes[COLUMN.eventId]! < 0) [id, from] = [this.#computeId(), 0];
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) into[to++] = 0x2d; // -
      const byte = id[from + i]!;
      into[to++] = HEX[byte >> 4]!;
      into[to++] = HEX[byte & 15]!;
    }
    return to;
  }

  /**
   * As `fraiseql.event_id` makes it: milliseconds in 48 bits, version 7, their fraction in 12 bits,
   * the database's bits in 16, the position in 48.
   */
  #computeId(): Uint8Array {
    const { bytes, at } = this;
    const id = ID_BYTES;
    const from = at[COLUMN.recordedAt]!;
    const high = int32(bytes, from);
    const micros = high * 4294967296 + (int32(bytes, from + 4) >>> 0) + epochSeconds * 1e6;
    if (micros >= 0 && micros <= Number.MAX_SAFE_INTEGER) {
      const millis = Math.floor(micros / 1000);
      const part = Math.floor((micros - millis * 1000) * 512 / 125);
      const [upper, lower] = [Math.floor(millis / 4294967296), millis | 0];
      id[0] = upper >> 8;
      id[1] = upper;
      id[2] = lower >> 24;
      id[3] = lower >> 16;
      id[4] = lower >> 8;
      id[5] = lower;
      id[6] = 0x70 | part >> 8;
      id[7] = part;
    } else this.#computeOddTime(id);
    const bits = 0x8000 | this.databaseBits;
    id[8] = bits >> 8;
    id[9] = bits;
    for (let i = 0; i < 6; i++) id[10 + i] = bytes[at[COLUMN.position]! + 2 + i]!;
    return id;
  }

  /** Of a time that no milliseconds of 48 bits hold: what `event_id` leaves of it. */
  #computeOddTime(id: Uint8Array): void {
    const parts = (this.#micros() + epochMicros) * 512n / 125n;
    const hex = BigInt.asUintN(64, parts).toString(16).padStart(15, "0").slice(0, 15);
    id.set(Uint8Array.fromHex(`${hex.slice(0, 12)}7${hex.slice(12)}`));
  }

  /** Since 2000. */
  #micros(): bigint {
    const from = this.at[COLUMN.recordedAt]!;
    const high = int32(this.bytes, from);
    return (BigInt(high) << 32n) + BigInt(int32(this.bytes, from + 4) >>> 0);
  }

  #putTime(into: Uint8Array, to: number): number {
    const from = this.at[COLUMN.recordedAt]!;
    const high = int32(this.bytes, from);
    // Beyond, a double cannot hold the microseconds; those are times of no event of ours.
    if (high < -timeHighMax || high > timeHighMax) {
      return putText(into, to, encoder.encode(oddTime(this.#micros())));
    }
    const low = int32(this.bytes, from + 4);
    if (high !== this.#timeHigh || low !== this.#timeLow) this.#writeTime(high, low);
    return putText(into, to, this.#time);
  }

  /** The time as text, for this event and those of the same microsecond. */
  #writeTime(high: number, low: number): void {
    this.#timeHigh = high;
    this.#timeLow = low;
    const text = this.#time;
    const micros = high * 4294967296 + (low >>> 0);
    const second = Math.floor(micros / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      const iso = new Date((second + epochSeconds) * 1000).toISOString();
      encoder.encodeInto(iso, text); // "...:00.000Z", of which all behind the point is written below
    }
    // Whole numbers of 32 bits: dividing others takes longer than all else here.
    let rest = (micros - second * 1e6) | 0;
    for (let i = lastDigitAt; i > lastDigitAt - 6; i--) {
      const tenth = (rest / 10) | 0;
      text[i] = 0x30 + rest - tenth * 10;
      rest = tenth;
    }
    text[lastDigitAt + 1] = 0x5a; // Z
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

const ID = encoder.encode('{"id":"');
/** Bytes of a line before its id, and of an id. */
export const idAt = ID.length;
export const idBytes = 36;
const EVENT_TYPE = encoder.encode('","event_type":"');
const ENTITY_TYPE = encoder.encode('","entity_type":');
const ENTITY_ID = encoder.encode(',"entity_id":');
const TIMESTAMP = encoder.encode(',"timestamp":"');
const DATA = encoder.encode('","data":');
const USER_ID = encoder.encode(',"user_id":');
const ORG_ID = encoder.encode(',"org_id":');
const CHANGES = encoder.encode(',"changes":');
const NULL = encoder.encode("null");

const HEX = encoder.encode("0123456789abcdef");
const ID_BYTES = new Uint8Array(16);

/** All names of keys, the id, the time of a year of six digits, two quotes for each text. */
const fixedBytesMax = 256;
/** A control character becomes six. */
const escapedBytesMax = 6;

/** The letter, the length and the number of columns. */
const rowHeaderBytes = 7;

const lastDigitAt = "2026-01-01T00:00:00.00000".length;

/** PostgreSQL counts time from 2000. */
const epochSeconds = 946_684_800;
const epochMicros = 946_684_800_000_000n;
/** About the years 1727 to 2272. */
const timeHighMax = 2 ** 21 - 1;

/** A time far away as `to_char` writes it: no text for infinities, years without sign or era. */
function oddTime(micros: bigint): string {
  if (micros === infinity || micros === -infinity - 1n) return "";
  const all = micros + epochMicros;
  const second = all >= 0n ? all / 1_000_000n : (all - 999_999n) / 1_000_000n;
  const days = Number(second >= 0n ? second / 86_400n : (second - 86_399n) / 86_400n);
  const [year, month, day] = civil(days);
  const ofDay = Number(second) - days * 86_400;
  const two = (value: number) => String(value).padStart(2, "0");
  const written = String(year > 0 ? year : 1 - year).padStart(4, "0");
  const clock = `${two(Math.floor(ofDay / 3600))}:${two(Math.floor(ofDay / 60) % 60)}:` +
    two(ofDay % 60);
  const fraction = String(all - second * 1_000_000n).padStart(6, "0");
  return `${written}-${two(month)}-${two(day)}T${clock}.${fraction}Z`;
}

const infinity = 2n ** 63n - 1n;

/** Year, month and day of a day since 1970, beyond the years that a Date holds. */
function civil(days: number): [year: number, month: number, day: number] {
  // Eras of 400 years have one length; years that begin in March have their leap day last.
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const ofEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) /
      365,
  );
  const ofYear = ofEra -
    (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * ofYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const day = ofYear - Math.floor((153 * shifted + 2) / 5) + 1;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}

function int32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function putText(into: Uint8Array, to: number, text: Uint8Array): number {
  for (let i = 0; i < text.length; i++) into[to + i] = text[i]!;
  return to + text.length;
}

/** Up to some length a loop is quicker than making a view of the part and copying that. */
function putBytes(
  into: Uint8Array,
  to: number,
  bytes: Uint8Array,
  from: number,
  end: number,
): number {
  if (end - from > loopBytesMax) {
    into.set(bytes.subarray(from, end), to);
    return to + end - from;
  }
  while (from < end) into[to++] = bytes[from++]!;
  return to;
}

const loopBytesMax = 128;

/** As `to_json` writes it. */
function putEscape(into: Uint8Array, to: number, byte: number): number {
  into[to++] = 0x5c; // \
  const short = SHORT_ESCAPES.indexOf(byte);
  if (short >= 0) {
    into[to++] = SHORT_LETTERS[short]!;
    return to;
  }
  into[to++] = 0x75; // u
  into[to++] = 0x30;
  into[to++] = 0x30;
  into[to++] = HEX[byte >> 4]!;
  into[to++] = HEX[byte & 15]!;
  return to;
}

const SHORT_ESCAPES = encoder.encode('"\\\b\f\n\r\t');
const SHORT_LETTERS = encoder.encode('"\\bfnrt');
