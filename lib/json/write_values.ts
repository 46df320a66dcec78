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
  writeScaled,
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

/**
 * UTF-8 bytes as a quoted text; `s` and `v` are views of `out` and `b`. Looks at eight bytes at once
 * where none of them wants escaping: half the time of byte by byte (`bench/encoders_bench.ts`).
 */
export function writeString(
  out: Uint8Array,
  s: DataView,
  o: number,
  b: Uint8Array,
  v: DataView,
  q: number,
  l: number,
): number {
  out[o++] = quote;
  const end = q + l;
  while (q < end) {
    while (q + 8 <= end) {
      const x = v.getInt32(q);
      const y = v.getInt32(q + 4);
      if (((wanting(x) | wanting(y)) & 0x80808080) !== 0) break;
      s.setInt32(o, x);
      s.setInt32(o + 4, y);
      q += 8;
      o += 8;
    }
    for (const next = q + 8 < end ? q + 8 : end; q < next; q++) {
      const byte = b[q]!;
      if (ESCAPED[byte] === 0) out[o++] = byte;
      else o = writeEscape(out, o, byte);
    }
  }
  out[o] = quote;
  return o + 1;
}

/**
 * The highest bit of a byte is set where four bytes hold a control character, a quote or a backslash
 * (or, seldom, beside such a one): https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord
 */
function wanting(x: number): number {
  const quotes = x ^ 0x22222222;
  const slashes = x ^ 0x5c5c5c5c;
  return ((x - 0x20202020) & ~x) | ((quotes - 0x01010101) & ~quotes) |
    ((slashes - 0x01010101) & ~slashes);
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

export function writeQuotedUuid(out: DataView, o: number, b: Uint8Array, q: number): number {
  out.setUint8(o, quote);
  o = writeUuid(out, o + 1, b, q);
  out.setUint8(o, quote);
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
  const size = x < 0 ? -x : x;
  // Here 6 to 9 digits have at most 9 of them behind the point, and doubles compute them exactly.
  if (size >= 1 && size < 1e6) {
    const whole = size < 1e3
      ? (size < 10 ? 1 : size < 100 ? 2 : 3)
      : size < 1e4
      ? 4
      : size < 1e5
      ? 5
      : 6;
    for (let behind = 6 - whole; behind <= 9 - whole; behind++) {
      const scaled = Math.round(size * POWERS[behind]!);
      if (readsBack(scaled / POWERS[behind]!, size)) {
        if (x < 0) out[o++] = 45;
        return writeScaled(out, o, scaled, behind);
      }
    }
  }
  return writeNumber(out, o, Number.isFinite(x) && size > 0 ? shortestFloat4(x, bits) : x);
}

const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/**
 * The double whose shortest text is the shortest that reads back as the float; as in PostgreSQL not
 * one that lies half way to the next float, since readers may round that otherwise.
 */
function shortestFloat4(x: number, bits: number): number {
  const isPowerOfTwo = (bits & 0x7fffff) === 0;
  // Below 1.2e-38 a float has less than 6 digits.
  for (let digits = Math.abs(x) < 1.2e-38 ? 1 : 6; digits < 9; digits++) {
    const near = Number(x.toPrecision(digits));
    if (readsBack(near, x)) return near;
    if (!isPowerOfTwo) continue;
    // The next float above is twice as far as the one below: a farther decimal may be inside.
    const unit = 10 ** (Math.floor(Math.log10(Math.abs(x))) - digits + 1);
    const far = Number((near + (near < x ? unit : -unit)).toPrecision(digits));
    if (readsBack(far, x)) return far;
  }
  return Number(x.toPrecision(9));
}

function readsBack(decimal: number, x: number): boolean {
  return Math.fround(x + (decimal - x) * 1.0000002) === x;
}

function writeNumber(out: Uint8Array, o: number, x: number): number {
  const size = x < 0 ? -x : x;
  if (size < 1e9) {
    // A decimal of up to 15 digits is the shortest text of the double that it reads as.
    let scaled = Math.round(size * 1000);
    let digits = 3;
    if (scaled / 1000 !== size) {
      scaled = Math.round(size * 1e6);
      digits = 6;
    }
    if (scaled / POWERS[digits]! === size) {
      if (x < 0 || Object.is(x, -0)) out[o++] = 45;
      return writeScaled(out, o, scaled, digits);
    }
  } else if (size < 1e15 && Math.floor(size) === size) return writeInteger(out, o, x);
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
  // Days from 0000-03-01, in eras of 400 years that begin in March; all of it fits in int32.
  const z = (days + 730425) | 0;
  const era = ((z >= 0 ? z : z - 146096) / 146097) | 0;
  const day = (z - era * 146097) | 0;
  const year = ((day - ((day / 1460) | 0) + ((day / 36524) | 0) - ((day / 146096) | 0)) / 365) | 0;
  const ofYear = (day - (365 * year + (year >> 2) - ((year / 100) | 0))) | 0;
  const march = ((5 * ofYear + 2) / 153) | 0;
  const month = march < 10 ? march + 3 : march - 9;
  const y = (year + era * 400 + (month <= 2 ? 1 : 0)) | 0;
  if (y >= 1 && y <= 9999) o = writeFour(out, o, y);
  else {
    out[o] = y < 0 ? 45 : 43;
    const size = y < 0 ? -y : y;
    if (size > 999_999) o = writeInteger(out, o + 1, size);
    else {
      const high = (size / 10000) | 0;
      o = writeFour(out, writeTwo(out, o + 1, high), size - high * 10000);
    }
  }
  out[o] = 45;
  o = writeTwo(out, o + 1, month);
  out[o] = 45;
  return writeTwo(out, o + 1, ofYear - (((153 * march + 2) / 5) | 0) + 1);
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
  o = writeClock(out, o + 1, second | 0, (microseconds - second * 1e6) | 0);
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
  const l = low >>> 0;
  let days = 0;
  let rest = 0;
  if (high >= -2097152 && high < 2097152) {
    // Within 2^53 microseconds, from 1714 to 2285, one double holds it.
    const whole = high * two32 + l;
    days = Math.floor(whole / 86400e6);
    rest = whole - days * 86400e6;
    // The quotient may have been rounded up to the next day.
    if (rest < 0) {
      days--;
      rest += 86400e6;
    }
  } else {
    // Long division in steps of 16 bits, so that every step stays below 2^53.
    const q1 = Math.floor(high / 86400e6);
    rest = (high - q1 * 86400e6) * 65536 + (l >>> 16);
    const q2 = Math.floor(rest / 86400e6);
    rest = (rest - q2 * 86400e6) * 65536 + (l & 0xffff);
    const q3 = Math.floor(rest / 86400e6);
    days = q1 * two32 + q2 * 65536 + q3;
    rest -= q3 * 86400e6;
  }
  const second = Math.floor(rest / 1e6);
  out[o] = quote;
  o = writeDay(out, o + 1, days | 0);
  out[o] = 84;
  o = writeClock(out, o + 1, second | 0, (rest - second * 1e6) | 0);
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
