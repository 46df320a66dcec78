import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import {
  eventMonths,
  readEventBatch,
  someRows,
  toEventStream,
} from "../../../lib/arrow/joined_batches.ts";
import { batchBytes, batchOf } from "../../sinks/clickhouse_stored.ts";
import { event, events } from "../events/events.ts";
import { readBatch } from "./read_batch.ts";

const good = batchBytes(events(0, 3));
const changed = (at: number, value: number) => {
  const bytes = good.slice();
  bytes[at] = value;
  return bytes;
};

const refused: [name: string, bytes: Uint8Array, told: RegExp][] = [
  ["no bytes", new Uint8Array(), /no record batch of the bridge/],
  ["a text", new TextEncoder().encode("no batch at all"), /no message at byte 0/],
  ["a batch without its end", good.subarray(0, good.length - 8), /it goes on behind its batch/],
  ["a batch that is cut", good.subarray(0, good.length - 100), /it ends at byte/],
  ["two batches", Uint8Array.of(...good, ...good), /it goes on behind its batch/],
  ["other columns", changed(good.indexOf(101), 102), /./],
];

for (const [name, bytes, told] of refused) {
  Deno.test(`readEventBatch() refuses ${name}`, () => {
    throws(() => readEventBatch(bytes), { name: "AppError", code: "BAD_INPUT", message: told });
  });
}

Deno.test("toEventStream() of one batch gives its bytes back", () => {
  deepEqual(joined(toEventStream([readEventBatch(good)])), good);
});

Deno.test("toEventStream() makes one stream of many, a reader of others sees every row", () => {
  const some = [
    events(0, 5).map((one, i) => ({ ...one, entityType: i % 2 ? "Order" : "User" })),
    events(5, 9).map((one) => ({ ...one, entityType: "User" })),
    events(9, 12).map((one, i) => ({ ...one, entityType: ["Item", "Order", "User"][i]! })),
  ];
  const rows = readBatch(joined(toEventStream(some.map((all) => batchOf(all)))));
  deepEqual(
    rows.map(({ id, entityType }) => [id, entityType]),
    some.flat().map(({ id, entityType }) => [id, entityType]),
  );
});

Deno.test("someRows() keeps those rows whole, nulls and positions among them", () => {
  const all = events(0, 20).map((one, i) => ({
    ...one,
    entityId: "x".repeat(i + 1),
    userId: i % 3 ? null : `u${i}`,
    orgId: i % 2 ? "o" : null,
  }));
  const batch = batchOf(all);
  const kept = [1, 2, 9, 18, 19];
  const rows = readBatch(joined(toEventStream([someRows(batch, kept)])));
  const whole = readBatch(joined(toEventStream([batch])));
  deepEqual(rows, kept.map((row) => whole[row]));
});

const months: [timestamp: string, month: number][] = [
  ["1970-01-01T00:00:00.000000Z", 12 * 1970],
  ["1969-12-31T23:59:59.999999Z", 12 * 1969 + 11],
  ["2026-02-28T23:59:59.999999Z", 12 * 2026 + 1],
  ["2026-03-01T00:00:00.000000Z", 12 * 2026 + 2],
  ["0099-05-01T00:00:00.000000Z", 12 * 99 + 4],
];

Deno.test("eventMonths() gives the month of each row in UTC", () => {
  const batch = batchOf(months.map(([timestamp], n) => event(n, { timestamp })));
  equal(eventMonths(batch).join(), months.map(([, month]) => month).join());
});

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}
