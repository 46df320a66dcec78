/** Moments as events carry them: RFC 3339 in UTC with microseconds. */

const form =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,12}))?(?:([Zz])|([+-])(\d{2}):(\d{2}))$/;

/** `2026-01-01T00:00:00.123456Z` of any RFC 3339 text; null where it is none, or no moment. */
export function toUtcTimestamp(text: string): string | null {
  const match = form.exec(text);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [, , , , , , , fraction = "", , sign, offsetHour = "0", offsetMinute = "0"] = match;
  if (minute > 59 || second > 59 || hour > 23 || Number(offsetHour) > 23) return null;
  if (Number(offsetMinute) > 59 || year === 0) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC takes years below 100 for 19xx
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === "-" ? -1 : 1);
  date.setUTCHours(hour, minute - offset, second);
  const utcYear = date.getUTCFullYear();
  if (utcYear < 1 || utcYear > 9999) return null;
  // Microseconds are what the stores hold; what is finer is cut off, as PostgreSQL's clock does.
  const micros = fraction.padEnd(6, "0").slice(0, 6);
  return `${date.toISOString().slice(0, 19)}.${micros}Z`;
}

/**
 * Microseconds since 1970 of a text in the form that `toUtcTimestamp` gives; null where there is no
 * such moment. Exact up to the year 2255, which is as far as whole numbers go.
 */
export function microsOf(timestamp: string): number | null {
  const ms = Date.parse(`${timestamp.slice(0, 19)}Z`);
  // Of the 31st of a shorter month another day would come.
  const isDay = new Date(ms).getUTCDate() === Number(timestamp.slice(8, 10));
  return isDay ? ms * 1000 + Number(timestamp.slice(20, 26)) : null;
}
