/** Pages and their messages, from rows as PostgreSQL sends them. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Buffers } from "../../../lib/observer/buffers.ts";
import { PageBuilder, type PageMax } from "../../../lib/observer/page.ts";
import { EventRow } from "../../../lib/postgres/change_log/event_row.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Row {
  readonly position: number;
  readonly entityType?: string;
  readonly data?: string;
  readonly traceparent?: string | null;
  readonly origin?: string | null;
}

/** A DataRow message in the binary form. */
function encodeRow({ position, entityType = "A", data = "{}", traceparent, origin }: Row) {
  const number = (value: number) => {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(value));
    return bytes;
  };
  const text = (value?: string | null) => value ? encoder.encode(value) : null;
  const values: (Uint8Array | null)[] = [
    number(position),
    encoder.encode(`id of ${String(position).padStart(10, "0")}`),
    text("Created"),
    text(entityType),
    text("1"),
    number(0),
    text(data),
    null,
    null,
    null,
    text(traceparent),
    text(origin),
  ];
  const bytes = [0x44, 0, 0, 0, 0, 0, values.length];
  for (const value of values) {
    const size = value === null ? -1 : value.length;
    bytes.push(size >> 24 & 255, size >> 16 & 255, size >> 8 & 255, size & 255, ...value ?? []);
  }
  return Uint8Array.from(bytes);
}

const row = new EventRow(0);
const nothing: ReadonlySet<string> = new Set();
/** Of a plain line and its end. */
const lineBytes = (() => {
  row.read(encodeRow({ position: 1 }), 0);
  return row.writeLine(new Uint8Array(row.lineBytesMax), 0);
})();

/** Puts rows into pages, and gives each page's messages as `A 1 2`. */
function pages(rows: readonly Row[], max: Partial<PageMax> = {}, torn = nothing) {
  const buffers = new Buffers(1 << 16, 1 << 20);
  const all = { pageBytes: 1 << 20, messageBytes: 1 << 16, ...max };
  const found: string[][] = [];
  let page = new PageBuilder(all, buffers);
  const end = () => {
    found.push(
      page.messages().map(({ subject, data, headers = {} }) => {
        const lines = decoder.decode(data).trimEnd().split("\n").map((line) => JSON.parse(line));
        const positions = lines.map(({ id }) =>
          parseInt(id.slice(-10).replaceAll(/3(.)/g, "$1"), 10)
        );
        const { traceparent, "Fraiseql-Backfill": backfill } = headers;
        return [
          subject.split(".").at(-1),
          ...traceparent ? [traceparent] : [],
          ...backfill ? [`backfill=${backfill}`] : [],
          ...positions,
        ].join(" ");
      }),
    );
    page.free();
    page = new PageBuilder(all, buffers);
  };
  for (const one of rows) {
    row.read(encodeRow(one), 0);
    if (page.add(row, torn)) continue;
    end();
    row.read(encodeRow(one), 0);
    equal(page.add(row, torn), true);
  }
  end();
  return found;
}

const plain = (count: number, some: Omit<Row, "position"> = {}): Row[] =>
  Array.from({ length: count }, (_, n) => ({ position: n + 1, ...some }));

Deno.test("PageBuilder puts the events of a type into one message, in order", () => {
  const rows = plain(6).map((one) => ({ ...one, entityType: one.position % 3 === 0 ? "B" : "A" }));
  deepEqual(pages(rows), [["A 1 2 4 5", "B 3 6"]]);
});

Deno.test("PageBuilder begins another message for another traceparent, and never goes back", () => {
  const of = [null, "t", "t", null, "u"];
  const rows = plain(5).map((one, n) => ({ ...one, traceparent: of[n]! }));
  deepEqual(pages(rows), [["A 1", "A t 2 3", "A 4", "A u 5"]]);
});

Deno.test("PageBuilder marks messages of back-filled rows, which hold no others", () => {
  const of = [null, "backfill", "backfill", "ingest", null];
  const rows = plain(5).map((one, n) => ({ ...one, origin: of[n]! }));
  deepEqual(pages(rows), [["A 1", "A backfill=1 2 3", "A 4 5"]]);
});

Deno.test("PageBuilder begins another message at messageBytes, and a larger event goes alone", () => {
  const max = { messageBytes: 2 * lineBytes };
  deepEqual(pages(plain(5), max), [["A 1 2", "A 3 4", "A 5"]]);
  deepEqual(pages(plain(5), { messageBytes: 2 * lineBytes - 1 }), [[
    "A 1",
    "A 2",
    "A 3",
    "A 4",
    "A 5",
  ]]);
  const half = JSON.stringify({ v: "x".repeat(40_000) });
  deepEqual(pages(plain(3, { data: half })), [["A 1", "A 2", "A 3"]]);
  const large = { position: 2, data: JSON.stringify({ v: "x".repeat(100_000) }) };
  deepEqual(pages([{ position: 1 }, large, { position: 3 }]), [["A 1", "A 2", "A 3"]]);
});

Deno.test("PageBuilder is full at pageBytes, and a larger event is a page of its own", () => {
  deepEqual(pages(plain(5), { pageBytes: 2 * lineBytes }), [["A 1 2"], ["A 3 4"], ["A 5"]]);
  deepEqual(pages(plain(2), { pageBytes: 1 }), [["A 1"], ["A 2"]]);
});

Deno.test("PageBuilder is full at 999 messages, since the checkpoint is one too", () => {
  const rows = plain(1000).map((one) => ({ ...one, traceparent: `t${one.position}` }));
  deepEqual(pages(rows).map((messages) => messages.length), [999, 1]);
});

Deno.test("PageBuilder leaves torn events out, and goes on behind them", () => {
  const ids = new Map<number, string>();
  for (const one of plain(3)) {
    row.read(encodeRow(one), 0);
    const into = new Uint8Array(row.lineBytesMax);
    const line = decoder.decode(into.subarray(0, row.writeLine(into, 0)));
    ids.set(one.position, JSON.parse(line).id);
  }
  deepEqual(pages(plain(3), {}, new Set([ids.get(2)!])), [["A 1 3"]]);
  const page = new PageBuilder({ pageBytes: 1000, messageBytes: 1000 }, new Buffers(1000, 1000));
  equal(page.last, null);
  for (const one of plain(3)) {
    row.read(encodeRow(one), 0);
    page.add(row, new Set([ids.get(2)!, ids.get(3)!]));
    deepEqual(page.last, { position: BigInt(one.position), id: ids.get(one.position) });
  }
  equal(page.count, 1);
});

Deno.test("Buffers gives what it was given back, of the size that is asked for", () => {
  const buffers = new Buffers(100_000, 150_000);
  const [large, small] = [buffers.take(100_000), buffers.take(10)];
  equal(large.length, 100_000);
  equal(small.length < 10_000, true);
  buffers.give(large);
  buffers.give(small);
  equal(buffers.take(50_000), large);
  equal(buffers.take(10), small);
});

Deno.test("Buffers keeps so many bytes and no more, and none that is larger than its largest", () => {
  const buffers = new Buffers(100_000, 150_000);
  const [a, b, huge] = [buffers.take(100_000), buffers.take(100_000), buffers.take(100_001)];
  equal(huge.length, 100_001);
  for (const buffer of [a, b, huge]) buffers.give(buffer);
  equal(buffers.take(100_000), a);
  equal([b, huge].includes(buffers.take(100_000)), false);
});
