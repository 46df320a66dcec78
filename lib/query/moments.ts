/** Moments in RFC 3339, in microseconds. */

import { AppError } from "../errors.ts";
import { short } from "./scalars.ts";

/** Microseconds since 1970 of a moment; null where the day does not exist. */
export function microsOf(text: string): bigint | null {
  const [, years = "", rest = "", fraction = "", sign = "+", hours = "0", minutes = "0"] =
    form.exec(text) ?? [];
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.split(/\D/).slice(1)
    .map(Number);
  const date = new Date(0);
  date.setUTCFullYear(Number(years), month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  date.setUTCHours(hour, minute - offset, second);
  return BigInt(date.getTime()) * 1000n + BigInt(fraction.padEnd(6, "0").slice(0, 6));
}

const form =
  /^([+-]?\d{4,7})(-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;

/**
 * The same of an input as a number; `BAD_INPUT` for a day that does not exist. What is too far away for
 * a number to tell its microseconds, some 285 years, is cut to the farthest that it can.
 */
export function momentMicros(text: string, place: string): number {
  const micros = microsOf(text);
  if (micros === null) {
    throw new AppError("BAD_INPUT", `${place}: ${short(text)} is no moment`, {
      hint: 'write it like "2026-01-31T13:45:00.123456Z"',
    });
  }
  return Math.max(-farthest, Math.min(farthest, Number(micros)));
}

/** One more can still be told from it. */
const farthest = Number.MAX_SAFE_INTEGER - 1;
