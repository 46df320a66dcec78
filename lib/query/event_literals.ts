/** Values of a query as literals of ClickHouse. They stand in the text, since a URL has no room for lists. */

import { AppError } from "../errors.ts";
import { parameterText, short } from "./scalars.ts";
import type { LeafType } from "./schema.ts";

/** Any text as a literal. */
export function textLiteral(text: string): string {
  return `'${text.replaceAll(/[\\']/g, "\\$&").replaceAll("\0", "\\0")}'`;
}

/** A coerced input as a literal of the column's type; `BAD_INPUT` where the type cannot hold it. */
export function literal(type: LeafType, value: unknown, place: string): string {
  const text = parameterText(type.scalar, value, place);
  switch (type.scalar.kind) {
    case "uuid":
      return `toUUID(${textLiteral(text)})`;
    case "int8":
      return `toInt64(${textLiteral(text)})`;
    case "float8":
      return `toFloat64(${textLiteral(text)})`;
    case "date":
      return `toDate32('${dateText(String(value), place)}')`;
    case "decimal":
      return `toInt256('${halfMillionths(text, place)}')`;
    case "timestamptz":
      return `fromUnixTimestamp64Micro(toInt64('${microseconds(String(value), place)}'), 'UTC')`;
    default:
      return textLiteral(text);
  }
}

const least = -(2n ** 63n);
const most = 2n ** 63n - 1n;

/** Of a DateTime, since 1970; what no Int64 holds is as far as that goes. */
function microseconds(value: string, place: string): bigint {
  const match =
    /^([+-]?\d+)-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d):?(\d\d))$/
      .exec(value);
  if (!match) throw new Error(`the scalar let ${short(value)} pass`);
  const [, year, month, day, hour, minute, second = "0", fraction = "", sign, hours, minutes] =
    match;
  const days = daysOf(Number(year), Number(month), Number(day), value, place);
  const offset = sign === undefined
    ? 0
    : (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  const seconds = BigInt(Number(hour) * 3600 + (Number(minute) - offset) * 60 + Number(second));
  const all = (BigInt(days) * 86_400n + seconds) * 1_000_000n +
    BigInt(fraction.slice(0, 6).padEnd(6, "0"));
  return all < least ? least : all > most ? most : all;
}

/** The years of Date32; those of events are well within. */
const years: readonly [number, number] = [1900, 2299];

function dateText(value: string, place: string): string {
  const match = /^([+-]?\d+)-(\d\d)-(\d\d)$/.exec(value);
  if (!match) throw new Error(`the scalar let ${short(value)} pass`);
  const [, year, month, day] = match;
  daysOf(Number(year), Number(month), Number(day), value, place);
  if (Number(year) < years[0]) return `${years[0]}-01-01`;
  if (Number(year) > years[1]) return `${years[1]}-12-31`;
  return `${String(Number(year)).padStart(4, "0")}-${month}-${day}`;
}

/** Days since 1970 by the calendar of today, whatever the year. */
function daysOf(year: number, month: number, day: number, value: string, place: string): number {
  const shown = new Date(0);
  // Years repeat after 400; Date itself ends at 275,760.
  const cycles = Math.floor(year / 400);
  shown.setUTCFullYear(year - cycles * 400, month - 1, day);
  if (shown.getUTCMonth() !== month - 1) {
    throw new AppError("BAD_INPUT", `${place}: ${short(value)} is no date of the calendar`);
  }
  return Math.round(shown.getTime() / 86_400_000) + cycles * 146_097;
}

/**
 * A Decimal in half millionths: what lies between two millionths is the half between them, equal to
 * neither.
 */
function halfMillionths(text: string, place: string): bigint {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text);
  if (!match) {
    throw new AppError("BAD_INPUT", `${place}: ${short(text)} is no number that has an end`);
  }
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const digits = whole + fraction;
  const shift = Number(exponent) - fraction.length + 6;
  // Beyond what a result can be, so that it only matters on which side.
  if (digits.replace(/^0+/, "").length + shift > 60) return (sign === "-" ? -1n : 1n) * 10n ** 60n;
  let doubled: bigint;
  if (shift >= 0) doubled = 2n * BigInt(digits) * 10n ** BigInt(shift);
  else {
    const unit = 10n ** BigInt(Math.min(-shift, digits.length + 1));
    const all = BigInt(digits);
    doubled = 2n * (all / unit) + (all % unit === 0n ? 0n : 1n);
  }
  return sign === "-" ? -doubled : doubled;
}
