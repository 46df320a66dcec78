/** What is refused of aggregates before any SQL, and what their columns are called over Flight. */

import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { flatFields } from "../../../lib/arrow/result_field.ts";
import { engineFor } from "./catalogs.ts";

const engine = await engineFor();

const refused: [name: string, text: string, message: RegExp, hint: RegExp][] = [
  [
    "a group's field that is not grouped by",
    "{ ordersAggregate { group { status } } }",
    /group\.status: rows are not grouped by status/,
    /add \{ field: status \} to groupBy/,
  ],
  [
    "an order by what is not grouped by",
    "{ ordersAggregate(orderBy: [{ group: { status: ASC } }]) { count } }",
    /orderBy\[0\]\.group\.status/,
    /groupBy/,
  ],
  [
    "a field grouped by twice",
    "{ ordersAggregate(groupBy: [{ field: at, by: DAY }, { field: at, by: YEAR }]) { count } }",
    /groupBy\[1\]: at is there already/,
    /query of its own/,
  ],
  [
    "a period of what is no time",
    "{ ordersAggregate(groupBy: [{ field: status, by: DAY }]) { count } }",
    /type Status have no day/,
    /leave it out/,
  ],
  [
    "hours of a date",
    "{ thingsAggregate(groupBy: [{ field: d, by: HOUR }]) { count } }",
    /a date has no hours/,
    /DAY or longer/,
  ],
  [
    "a zone of what has none",
    '{ thingsAggregate(groupBy: [{ field: ts, by: DAY, timeZone: "UTC" }]) { count } }',
    /in no time zone/,
    /DateTime/,
  ],
  [
    "a zone without a period",
    '{ thingsAggregate(groupBy: [{ field: tz, timeZone: "UTC" }]) { count } }',
    /means nothing without by/,
    /by: DAY/,
  ],
  [
    "a zone that is none",
    '{ thingsAggregate(groupBy: [{ field: tz, by: DAY, timeZone: "Mars/Olympus" }]) { count } }',
    /"Mars\/Olympus" is no time zone/,
    /Europe\/Paris/,
  ],
  [
    "an offset as a zone, whose sign PostgreSQL reads the other way round",
    '{ thingsAggregate(groupBy: [{ field: tz, by: DAY, timeZone: "+02:00" }]) { count } }',
    /is no time zone/,
    /Europe\/Paris/,
  ],
  [
    "a null condition on an aggregate",
    "{ ordersAggregate(having: { sum: { total: { gt: null } } }) { count } }",
    /having\.sum\.total\.gt is null/,
    /leave it out/,
  ],
];

for (const [name, text, message, hint] of refused) {
  Deno.test(`plan() refuses ${name}`, () => {
    throws(() => engine.plan({ text }), { code: "BAD_INPUT", message, hint });
  });
}

/** Names of a query's columns in a record batch. */
function columns(text: string): string[] {
  const [root] = engine.plan({ text }).roots;
  return root?.kind === "rows" ? flatFields(root.fields).map(({ name }) => name) : [];
}

Deno.test("flatFields() gives aggregates' columns in the order of the selection, by function and field", () => {
  const text = `{ ordersAggregate(groupBy: [{ field: status }, { field: at, by: DAY }]) {
    count sum { total } group { at s: status } most: max { at id } countDistinct { userId } } }`;
  deepEqual(columns(text), [
    "count",
    "sum_total",
    "at",
    "s",
    "most_at",
    "most_id",
    "countDistinct_userId",
  ]);
});

Deno.test("flatFields() numbers columns that would have one name", () => {
  const text = `{ ordersAggregate(groupBy: [{ field: status }]) {
    count group { count: status } } }`;
  deepEqual(columns(text), ["count", "count_2"]);
});
