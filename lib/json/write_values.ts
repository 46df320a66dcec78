/**
 * JSON of binary values. Hot: called once a value; each function writes at `out[o]`, returns the
 * offset behind, and relies on the caller for room.
 */

import {
  writeAscii,
  writeFour,
  writeFraction,
  writeInt8,
  writeInteger,
  writeInterval,
  writeNumeric,
  writeTwo,
  writeUuid,
} from "../arrow/write_text.ts";

const quote = 34;
const two32 = 4294967296;

/** Bytes that JSON wants escaped in a text. */
const ESCAPED = new Uint8Array(256);
for (let i = 0; i < 32; i++) ESCAPED[i] = 1;
ESCAPED[34] = ESCAPED[92] = 1;

/** The letter behind the backslash, where JSON has a short form. */
const SHORT = new Uint8Array(256);
for (const [character, letter] of ["\bb", "\tt", "\nn", "\ff", "\rr", '""', "\\\\"]) {
  SHORT[character!.charCodeAt(0)] = letter!.charCodeAt(0);
}

/** Longer texts are looked through first, so that no six-fold room is made for them. */
const lookedThroughBytesMin = 1024;

/** Room that `writeString` may use for a text of `l` bytes. */
export function stringBytesMax(b: Uint8Array, q: number, l: number): number {
  if (l < lookedThroughBytesMin) return 6 * l + 2;
  let escaped = 0;
  for (let k = q; k < q + l; k++) escaped += ESCAPED[b[k]!]!;
  return l + 5 * escaped + 2;
}

/** UTF-8 bytes as a quoted text. */
export function writeString(
  out: Uint8Array,
  o: number,
  b: Uint8Array,
  q: number,
  l: number,
): number {
  out[o++] = quote;
  for (const end = q + l; q < end; q++) {
    const byte = b[q]!;
    if (ESCAPED[byte] === 0) out[o++] = byte;
    else o = writeEscape(out, o, byte);
  }
  out[o] = quote;
  return o + 1;
}

function writeEscape(out: Uint8Array, o: number, byte: number): number {
  const short = SHORT[byte]!;
  out[o] = 92;
  if (short !== 0) {
    out[o + 1] = short;
    return o + 2;
  }
  return writeAscii(out, o + 1, `u00${byte < 16 ? "0" : ""}${byte.toString(16)}`);
}

/** An int8 as a quoted text. */
export function writeQuotedInt8(out: Uint8Array, o: number, high: number, low: number): number {
  out[o] = quote;
  o = writeInt8(out, o + 1, high, low);
  out[o] = quote;
  return o + 1;
}

export function writeQuotedNumeric(
  out: Uint8Array,
  o: number,
  b: Uint8Array,
  q: number,
): number {
  out[o] = quote;
  o = writeNumeric(out, o + 1, b, q);
  out[o] = quote;
  return o + 1;
}

export function writeQuotedUuid(out: Uint8Array, o: number, b: Uint8Array, q: number): number {
  out[o] = quote;
  o = writeUuid(out, o + 1, b, q);
  out[o] = quote;
  return o + 1;
}

export function writeQuotedInterval(
  out: Uint8Array,
  o: number,
  b: Uint8Array,
  q: number,
): number {
  out[o] = quote;
  o = writeInterval(out, o + 1, b, q);
  out[o] = quote;
  return o + 1;
}

const float64 = new Float64Array(1);
const float64Words = new Int32Array(float64.buffer);
const float32 = new Float32Array(1);
const float32Words = new Int32Array(float32.buffer);

/** A double by its halves: the shortest text that reads back; NaN and infinities are null. */
export function writeFloat8(out: Uint8Array, o: number, high: number, low: number): number {
  float64Words[0] = low;
  float64Words[1] = high;
  return writeNumber(out, o, float64[0]!);
}

/** A float by its bits: the shortest text that reads back as a float; NaN and infinities are null. */
export function writeFloat4(out: Uint8Array, o: number, bits: number): number {
  float32Words[0] = bits;
  const x = float32[0]!;
  if (Number.isInteger(x) && x < 1e7 && x > -1e7) return writeNumber(out, o, x);
  // Up to 6 digits are found without making text of them.
  if (x < 1000 && x > -1000) {
    const rounded = Math.round(x * 1000) / 1000;
    if (rounded !== 0 && Math.fround(rounded) === x) return writeNumber(out, o, rounded);
  }
  return writeNumber(out, o, shortestFloat4(x));
}

/** The double whose shortest text is the shortest that reads back as the float. */
function shortestFloat4(x: number): number {
  // Below 1.2e-38 a float has less than 6 digits.
  for (let digits = Math.abs(x) < 1.2e-38 ? 1 : 6; digits < 9; digits++) {
    const near = Number(x.toPrecision(digits));
    if (Math.fround(near) === x) return near;
  }
  return Number(x.toPrecision(9));
}

function writeNumber(out: Uint8Array, o: number, x: number): number {
  if (x < 1e15 && x > -1e15 && Math.floor(x) === x) {
    if (x === 0 && Object.is(x, -0)) return writeAscii(out, o, "-0");
    return writeInteger(out, o, x);
  }
  return writeAscii(out, o, Number.isFinite(x) ? String(x) : "null");
}

/** Days from 2000-01-01 as a quoted date. */
export function writeDate(out: Uint8Array, o: number, days: number): number {
  out[o] = quote;
  o = writeDay(out, o + 1, days);
  out[o] = quote;
  return o + 1;
}

/**
 * Year, month and day. Years outside 0001-9999 are ISO 8601's expanded ones: a sign and six digits
 * or more; the year 0 is 1 BC.
 */
function writeDay(out: Uint8Array, o: number, days: number): number {
  // Days from 0000-03-01, in eras of 400 years that begin in March.
  const z = days + 730425;
  const era = Math.floor(z / 146097);
  const day = z - era * 146097;
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36524) - Math.floor(day / 146096)) / 365,
  );
  const ofYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const march = Math.floor((5 * ofYear + 2) / 153);
  const month = march < 10 ? march + 3 : march - 9;
  const y = year + era * 400 + (month <= 2 ? 1 : 0);
  if (y >= 1 && y <= 9999) o = writeFour(out, o, y);
  else {
    out[o] = y < 0 ? 45 : 43;
    const size = Math.abs(y);
    if (size > 999_999) o = writeInteger(out, o + 1, size);
    else {
      const high = Math.floor(size / 10000);
      o = writeFour(out, writeTwo(out, o + 1, high), size - high * 10000);
    }
  }
  out[o] = 45;
  o = writeTwo(out, o + 1, month);
  out[o] = 45;
  return writeTwo(out, o + 1, ofYear - Math.floor((153 * march + 2) / 5) + 1);
}

function writeClock(out: Uint8Array, o: number, second: number, microsecond: number): number {
  const minutes = (second / 60) | 0;
  const hour = (minutes / 60) | 0;
  o = writeTwo(out, o, hour);
  out[o] = 58;
  o = writeTwo(out, o + 1, minutes - hour * 60);
  out[o] = 58;
  return writeFraction(out, writeTwo(out, o + 1, second - minutes * 60), microsecond);
}

/** Microseconds since midnight as a quoted time. */
export function writeTime(out: Uint8Array, o: number, high: number, low: number): number {
  const microseconds = high * two32 + (low >>> 0);
  const second = Math.floor(microseconds / 1e6);
  out[o] = quote;
  o = writeClock(out, o + 1, second, microseconds - second * 1e6);
  out[o] = quote;
  return o + 1;
}

/** Microseconds from 2000-01-01 as a quoted date and time; `utc` adds the Z. */
export function writeTimestamp(
  out: Uint8Array,
  o: number,
  high: number,
  low: number,
  utc: boolean,
): number {
  // Long division by 10^6 in steps of 16 bits: the whole is not exact in a double.
  const l = low >>> 0;
  const q1 = Math.floor(high / 1e6);
  let rest = (high - q1 * 1e6) * 65536 + (l >>> 16);
  const q2 = Math.floor(rest / 1e6);
  rest = (rest - q2 * 1e6) * 65536 + (l & 0xffff);
  const q3 = Math.floor(rest / 1e6);
  const seconds = q1 * two32 + q2 * 65536 + q3;
  const days = Math.floor(seconds / 86400);
  out[o] = quote;
  o = writeDay(out, o + 1, days);
  out[o] = 84;
  o = writeClock(out, o + 1, seconds - days * 86400, rest - q3 * 1e6);
  if (utc) out[o++] = 90;
  out[o] = quote;
  return o + 1;
}

const BASE64 = new TextEncoder().encode(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
);

/** Bytes as quoted base64 with padding. */
export function writeBase64(
  out: Uint8Array,
  o: number,
  b: Uint8Array,
  q: number,
  l: number,
): number {
  out[o++] = quote;
  const end = q + l;
  for (; q + 2 < end; q += 3) {
    const x = b[q]! << 16 | b[q + 1]! << 8 | b[q + 2]!;
    out[o] = BASE64[x >> 18]!;
    out[o + 1] = BASE64[x >> 12 & 63]!;
    out[o + 2] = BASE64[x >> 6 & 63]!;
    out[o + 3] = BASE64[x & 63]!;
    o += 4;
  }
  if (q < end) {
    const two = q + 1 < end;
    const x = b[q]! << 16 | (two ? b[q + 1]! << 8 : 0);
    out[o] = BASE64[x >> 18]!;
    out[o + 1] = BASE64[x >> 12 & 63]!;
    out[o + 2] = two ? BASE64[x >> 6 & 63]! : 61;
    out[o + 3] = 61;
    o += 4;
  }
  out[o] = quote;
  return o + 1;
}
