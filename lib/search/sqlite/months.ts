/**
 * The files of the embedded store: one a month, so that what is too old is removed by removing
 * files, and the place of an event within its file.
 *
 * An event's row number begins with its millisecond, so that rows, and with them what FTS5 finds,
 * lie in the order of time. Those of one millisecond are numbered as they come.
 */

/** Whole milliseconds of a month take 32 bits, JavaScript counts with 53. */
const rowsPerMsMax = 2 ** 21;

export interface Month {
  /** Like `2026-01`. */
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** The month of a moment; null where it has no name: years have four digits. */
export function monthOf(micros: number): Month | null {
  const date = new Date(Math.floor(micros / 1000));
  const year = date.getUTCFullYear();
  return year >= 0 && year <= 9999 ? month(year, date.getUTCMonth()) : null;
}

/** `fraiseql-events-2026.01`. */
export function monthTitle({ name }: Month): string {
  return `fraiseql-events-${name.replace("-", ".")}`;
}

/** `fraiseql-events-2026.01.sqlite`. */
export function monthFile(month: Month): string {
  return `${monthTitle(month)}.sqlite`;
}

/** The month of a file by its name; null where it is another file. */
export function monthOfFile(file: string): Month | null {
  const [, year, number] = /^fraiseql-events-(\d{4})\.(0[1-9]|1[0-2])\.sqlite$/.exec(file) ?? [];
  return year === undefined ? null : month(Number(year), Number(number) - 1);
}

/** The first row number that an event of that moment can have; all of the month lie behind 0. */
export function firstRow(month: Month, micros: number): number {
  return (Math.floor(micros / 1000) - month.startMs) * rowsPerMsMax;
}

/** The last one. */
export function lastRow(month: Month, micros: number): number {
  return firstRow(month, micros) + rowsPerMsMax - 1;
}

/** The millisecond that a row is of. */
export function msOfRow(month: Month, row: number): number {
  return month.startMs + Math.floor(row / rowsPerMsMax);
}

function month(year: number, index: number): Month {
  const at = (months: number) => {
    const date = new Date(0);
    date.setUTCFullYear(year, months, 1); // unlike Date.UTC it takes the years before 100 as they are
    return date.getTime();
  };
  const name = `${String(year).padStart(4, "0")}-${String(index + 1).padStart(2, "0")}`;
  return { name, startMs: at(index), endMs: at(index + 1) };
}
