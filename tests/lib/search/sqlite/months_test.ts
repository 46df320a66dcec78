import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import {
  firstRow,
  lastRow,
  type Month,
  monthFile,
  monthOf,
  monthOfFile,
  msOfRow,
} from "../../../../lib/search/sqlite/months.ts";

const micros = (time: string) => Date.parse(time) * 1000;

function monthAt(time: string): Month {
  const month = monthOf(micros(time));
  ok(month);
  return month;
}

const files: [time: string, file: string][] = [
  ["2026-01-01T00:00:00Z", "fraiseql-events-2026.01.sqlite"],
  ["2026-01-31T23:59:59.999Z", "fraiseql-events-2026.01.sqlite"],
  ["2026-02-01T00:00:00Z", "fraiseql-events-2026.02.sqlite"],
  ["1969-12-31T23:59:59.999Z", "fraiseql-events-1969.12.sqlite"],
  ["0001-01-01T00:00:00Z", "fraiseql-events-0001.01.sqlite"],
  ["9999-12-31T23:59:59.999Z", "fraiseql-events-9999.12.sqlite"],
];

for (const [time, file] of files) {
  Deno.test(`monthFile() of ${time} is ${file}, and its name tells the month`, () => {
    equal(monthFile(monthAt(time)), file);
    deepEqual(monthOfFile(file), monthAt(time));
  });
}

Deno.test("monthOf() gives none for a year of more than four digits", () => {
  equal(monthOf(micros("+010000-01-01T00:00:00Z")), null);
  equal(monthOf(micros("-000001-12-31T00:00:00Z")), null);
});

Deno.test("monthOfFile() gives none for other files", () => {
  for (const end of ["2026.1.sqlite", "2026.13.sqlite", "2026.00.sqlite", "2026.01.sqlite-wal"]) {
    equal(monthOfFile(`fraiseql-events-${end}`), null);
  }
  equal(monthOfFile("lock"), null);
});

Deno.test("row numbers are in the order of time, and whole to JavaScript at a month's end", () => {
  const month = monthAt("2026-01-01T00:00:00Z");
  equal(firstRow(month, micros("2026-01-01T00:00:00Z")), 0);
  const end = micros("2026-01-31T23:59:59.999Z");
  ok(Number.isSafeInteger(lastRow(month, end)));
  equal(lastRow(month, end - 1000) + 1, firstRow(month, end));
  equal(firstRow(month, end), firstRow(month, end + 999));
  equal(msOfRow(month, lastRow(month, end)), end / 1000);
});
