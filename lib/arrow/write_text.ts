/**
 * Text of binary values, byte for byte as PostgreSQL writes it, without quotes.
 *
 * Hot: called once a value. Each function writes at `out[o]`, returns the offset behind, and relies
 * on the caller for room; `textBytesMax` says how much.
 */

/** Room that each writer may use; `numericTextBytes` says it for a numeric. */
export const textBytesMax = { integer: 24, uuid: 36, interval: 96 } as const;

/** Two decimal digits as two bytes, low byte first. */
const DIGITS2 = new Uint16Array(100);
for (let i = 0; i < 100; i++) DIGITS2[i] = (48 + Math.floor(i / 10)) | ((48 + i % 10) << 8);

/** Two hexadecimal digits as two bytes, low byte first. */
const HEX2 = new Uint16Array(256);
for (let i = 0; i < 256; i++) {
  const hex = i.toString(16).padStart(2, "0");
  HEX2[i] = hex.charCodeAt(0) | (hex.charCodeAt(1) << 8);
}

const two32 = 4294967296;

/** A whole number below 2^53 either way. */
export function writeInteger(out: Uint8Array, o: number, value: number): number {
  let x = value;
  if (x < 0) {
    out[o++] = 45;
    x = -x;
  }
  if (x < 1e9) return writeSmall(out, o, x | 0);
  const high = Math.floor(x / 1e9);
  return writeNine(out, writeSmall(out, o, high | 0), x - high * 1e9);
}

/** A whole number from 0 to 999,999,999. */
function writeSmall(out: Uint8Array, o: number, value: number): number {
  let x = value;
  if (x < 10) {
    out[o] = 48 + x;
    return o + 1;
  }
  const digits = x < 1e4
    ? (x < 100 ? 2 : x < 1000 ? 3 : 4)
    : x < 1e6
    ? (x < 1e5 ? 5 : 6)
    : x < 1e7
    ? 7
    : x < 1e8
    ? 8
    : 9;
  const end = o + digits;
  let at = end;
  while (at - 2 >= o) {
    const rest = (x / 100) | 0;
    const pair = DIGITS2[x - rest * 100]!;
    at -= 2;
    out[at] = pair;
    out[at + 1] = pair >> 8;
    x = rest;
  }
  if (at > o) out[o] = 48 + x;
  return end;
}

/** A fraction in `digits` digits, at most 9, without its trailing zeros; nothing when it is 0. */
function writeDigits(out: Uint8Array, o: number, value: number, digits: number): number {
  let rest = value | 0;
  if (rest === 0) return o;
  out[o] = 46;
  let count = digits;
  for (let next = (rest / 10) | 0; next * 10 === rest; next = (rest / 10) | 0) {
    rest = next;
    count--;
  }
  for (let at = o + count; at > o; at--) {
    const next = (rest / 10) | 0;
    out[at] = 48 + rest - next * 10;
    rest = next;
  }
  return o + count + 1;
}

/** `value / 10^digits` without trailing zeros, for up to 15 digits in all and 9 behind the point. */
export function writeScaled(out: Uint8Array, o: number, value: number, digits: number): number {
  const unit = POWERS[digits]!;
  const whole = Math.floor(value / unit);
  return writeDigits(out, writeInteger(out, o, whole), value - whole * unit, digits);
}

const POWERS = Array.from({ length: 10 }, (_, i) => 10 ** i);

/** Nine digits with leading zeros. */
function writeNine(out: Uint8Array, o: number, value: number): number {
  let x = value | 0;
  for (let at = o + 7; at > o; at -= 2) {
    const rest = (x / 100) | 0;
    const pair = DIGITS2[x - rest * 100]!;
    out[at] = pair;
    out[at + 1] = pair >> 8;
    x = rest;
  }
  out[o] = 48 + x;
  return o + 9;
}

/** Two digits with a leading zero. */
export function writeTwo(out: Uint8Array, o: number, value: number): number {
  const pair = DIGITS2[value]!;
  out[o] = pair;
  out[o + 1] = pair >> 8;
  return o + 2;
}

/** Four digits with leading zeros. */
export function writeFour(out: Uint8Array, o: number, value: number): number {
  const high = (value / 100) | 0;
  return writeTwo(out, writeTwo(out, o, high), value - high * 100);
}

/** An int8 from its two halves, without a BigInt. */
export function writeInt8(out: Uint8Array, o: number, high: number, low: number): number {
  // Within 2^53 either way one double holds it.
  if (high >= -2097152 && high < 2097152) {
    return writeInteger(out, o, high * two32 + (low >>> 0));
  }
  let h = high;
  let l = low >>> 0;
  if (h < 0) {
    out[o++] = 45;
    // The magnitude, in two's complement; -2^63 gives 2^63.
    l = (~low + 1) >>> 0;
    h = (~high + (l === 0 ? 1 : 0)) >>> 0;
  }
  // Long division by 10^9 in steps of 16 bits, so that every step stays below 2^53.
  const q1 = Math.floor(h / 1e9);
  let rest = (h - q1 * 1e9) * 65536 + (l >>> 16);
  const q2 = Math.floor(rest / 1e9);
  rest = (rest - q2 * 1e9) * 65536 + (l & 0xffff);
  const q3 = Math.floor(rest / 1e9);
  const low9 = rest - q3 * 1e9;
  return writeNine(out, writeInteger(out, o, q1 * two32 + q2 * 65536 + q3), low9);
}

/** Fraction of a second: a point and the microseconds without trailing zeros; nothing when 0. */
export function writeFraction(out: Uint8Array, o: number, microseconds: number): number {
  return writeDigits(out, o, microseconds, 6);
}

/** 36 characters of 16 bytes; four at a time take half the time of one by one. */
export function writeUuid(out: DataView, o: number, b: Uint8Array, q: number): number {
  out.setInt32(o, hex4(b, q), true);
  out.setInt32(o + 4, hex4(b, q + 2), true);
  out.setUint8(o + 8, 45);
  out.setInt32(o + 9, hex4(b, q + 4), true);
  out.setUint8(o + 13, 45);
  out.setInt32(o + 14, hex4(b, q + 6), true);
  out.setUint8(o + 18, 45);
  out.setInt32(o + 19, hex4(b, q + 8), true);
  out.setUint8(o + 23, 45);
  out.setInt32(o + 24, hex4(b, q + 10), true);
  out.setInt32(o + 28, hex4(b, q + 12), true);
  out.setInt32(o + 32, hex4(b, q + 14), true);
  return o + 36;
}

function hex4(b: Uint8Array, q: number): number {
  return HEX2[b[q]!]! | HEX2[b[q + 1]!]! << 16;
}

const NAN = Uint8Array.of(78, 97, 78);
const INFINITY = Uint8Array.of(73, 110, 102, 105, 110, 105, 116, 121);

/** Room that `writeNumeric` may use: 8 bytes can stand for 131,072 digits. */
export function numericTextBytes(b: Uint8Array, q: number): number {
  const weight = (b[q + 2]! << 24 >> 16) | b[q + 3]!;
  return (weight > 0 ? weight + 1 : 1) * 4 + (b[q + 6]! << 8 | b[q + 7]!) + 12;
}

/** A numeric with all digits of its scale; `NaN`, `Infinity`, `-Infinity`. */
export function writeNumeric(out: Uint8Array, o: number, b: Uint8Array, q: number): number {
  const groups = b[q]! << 8 | b[q + 1]!;
  const weight = (b[q + 2]! << 24 >> 16) | b[q + 3]!;
  const sign = b[q + 4]!;
  const scale = b[q + 6]! << 8 | b[q + 7]!;
  if (sign !== 0) {
    if (sign === 0xc0) {
      out.set(NAN, o);
      return o + 3;
    }
    if (sign !== 0xd0) out[o++] = 45;
    if (sign !== 0x40) {
      out.set(INFINITY, o);
      return o + 8;
    }
  }
  const digits = q + 8;
  let i = 0;
  if (weight < 0) {
    out[o++] = 48;
    i = weight + 1;
  } else {
    o = writeInteger(out, o, groups > 0 ? b[digits]! << 8 | b[digits + 1]! : 0);
    for (i = 1; i <= weight; i++) {
      const at = digits + 2 * i;
      o = writeFour(out, o, i < groups ? b[at]! << 8 | b[at + 1]! : 0);
    }
  }
  if (scale === 0) return o;
  out[o++] = 46;
  const end = o + scale;
  for (; o < end; i++) {
    const at = digits + 2 * i;
    o = writeFour(out, o, i >= 0 && i < groups ? b[at]! << 8 | b[at + 1]! : 0);
  }
  return end;
}

/** An interval as PostgreSQL writes it under `IntervalStyle = iso_8601`, e.g. `P1Y2M-3DT4H5M6.5S`. */
export function writeInterval(out: Uint8Array, o: number, b: Uint8Array, q: number): number {
  const high = b[q]! << 24 | b[q + 1]! << 16 | b[q + 2]! << 8 | b[q + 3]!;
  const low = b[q + 4]! << 24 | b[q + 5]! << 16 | b[q + 6]! << 8 | b[q + 7]!;
  const days = b[q + 8]! << 24 | b[q + 9]! << 16 | b[q + 10]! << 8 | b[q + 11]!;
  const allMonths = b[q + 12]! << 24 | b[q + 13]! << 16 | b[q + 14]! << 8 | b[q + 15]!;
  if (days === 0x7fffffff && allMonths === 0x7fffffff && high === 0x7fffffff && low === -1) {
    return writeAscii(out, o, "infinity");
  }
  if (days === -0x80000000 && allMonths === -0x80000000 && high === -0x80000000 && low === 0) {
    return writeAscii(out, o, "-infinity");
  }
  if (days === 0 && allMonths === 0 && high === 0 && low === 0) return writeAscii(out, o, "PT0S");

  const years = (allMonths / 12) | 0;
  out[o++] = 80;
  o = writePart(out, o, years, 89);
  o = writePart(out, o, allMonths - years * 12, 77);
  o = writePart(out, o, days, 68);
  if (high === 0 && low === 0) return o;
  out[o++] = 84;

  // Seconds below 10^13 are exact in a double, microseconds may not be.
  const negative = high < 0;
  const l = negative ? (~low + 1) >>> 0 : low >>> 0;
  const h = negative ? (~high + (l === 0 ? 1 : 0)) >>> 0 : high;
  const q1 = Math.floor(h / 1e6);
  let rest = (h - q1 * 1e6) * 65536 + (l >>> 16);
  const q2 = Math.floor(rest / 1e6);
  rest = (rest - q2 * 1e6) * 65536 + (l & 0xffff);
  const q3 = Math.floor(rest / 1e6);
  const microseconds = rest - q3 * 1e6;
  const total = q1 * two32 + q2 * 65536 + q3;
  const minutes = Math.floor(total / 60);
  const hours = Math.floor(minutes / 60);
  const seconds = total - minutes * 60;
  const minute = minutes - hours * 60;
  o = writePart(out, o, negative ? -hours : hours, 72);
  o = writePart(out, o, negative ? -minute : minute, 77);
  if (seconds === 0 && microseconds === 0) return o;
  if (negative) out[o++] = 45;
  o = writeFraction(out, writeInteger(out, o, seconds), microseconds);
  out[o++] = 83;
  return o;
}

function writePart(out: Uint8Array, o: number, value: number, unit: number): number {
  if (value === 0) return o;
  o = writeInteger(out, o, value);
  out[o++] = unit;
  return o;
}

/** A text of ASCII characters. */
export function writeAscii(out: Uint8Array, o: number, text: string): number {
  for (let k = 0; k < text.length; k++) out[o + k] = text.charCodeAt(k);
  return o + text.length;
}
