/** Moments that were given as `DateTime`, in microseconds. */

import { AppError } from "../errors.ts";
import { short } from "./scalars.ts";

/**
 * Microseconds since 1970; `BAD_INPUT` for a day that does not exist. What is too far away for a
 * number to tell its microseconds is cut to the farthest that it can.
 */
export function momentMicros(text: string, place: string): number {
  const [, years = "", rest = "", fraction = "", sign = "+", hours = "0", minutes = "0"] =
    form.exec(text) ?? [];
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = rest.split(/\D/).slice(1)
    .map(Number);
  const date = new Date(0);
  date.setUTCFullYear(Number(years), month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) {
    throw new AppError("BAD_INPUT", `${place}: ${short(text)} is no moment`, {
      hint: 'write it like "2026-01-31T13:45:00.123456Z"',
    });
  }
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -1 : 1);
  date.setUTCHours(hour, minute - offset, second);
  const micros = date.getTime() * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
  return Math.max(-farthest, Math.min(farthest, micros));
}

const form =
  /^([+-]?\d{4,7})(-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))$/;

/** One less can still be told from it. */
const farthest = Number.MAX_SAFE_INTEGER - 1;
