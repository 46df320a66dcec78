import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import type { Clickhouse } from "../../../lib/clickhouse/client.ts";
import { eventStore } from "../../../lib/clickhouse/event_store.ts";

/** A `DataRow` of one text. */
function row(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(11 + text.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 68;
  view.setInt32(1, bytes.length - 1);
  view.setInt16(5, 1);
  view.setInt32(7, text.length);
  bytes.set(new TextEncoder().encode(text), 11);
  return bytes;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

/** A ClickHouse that gives these pieces, the last of which it asks about. */
function giving(pieces: readonly Uint8Array<ArrayBuffer>[], rowBytesMax = 1000) {
  const told: { whole?: boolean; settings?: unknown } = {};
  const clickhouse = {
    async *blob(_sql, isWhole, options) {
      told.settings = options?.settings;
      yield* pieces.slice(0, -1);
      told.whole = isWhole(pieces.at(-1) ?? new Uint8Array());
      yield* pieces.slice(-1);
      return undefined;
    },
  } as Partial<Clickhouse> as Clickhouse;
  const store = eventStore(() => clickhouse, { rowBytesMax, clickhouseQuerySecondsMax: 20 });
  const read = async (secondsMax = 300) => {
    const rows: string[] = [];
    const { signal } = new AbortController();
    const asked = { source: "events", text: "SELECT 1" } as const;
    for await (const { bytes, start, end } of store.rows(asked, { signal, secondsMax })) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) {
        rows.push(
          new TextDecoder().decode(bytes.subarray(at + 11, at + 1 + view.getInt32(at + 1))),
        );
      }
    }
    return rows;
  };
  return { told, read };
}

const texts = ["", "a", "bcd".repeat(9), "D\0\0\0D", "x".repeat(200)];
const all = joined(texts.map(row));

for (const size of [1, 2, 5, 7, 64, all.length]) {
  Deno.test(`eventStore() gives whole rows of pieces of ${size} bytes`, async () => {
    const pieces = Array.from(
      { length: Math.ceil(all.length / size) },
      (_, i) => all.slice(i * size, (i + 1) * size),
    );
    const { told, read } = giving(pieces);
    deepEqual(await read(), texts);
    equal(told.whole, true);
  });
}

const tails: [name: string, tail: Uint8Array<ArrayBuffer>][] = [
  ["cut within a row", all.slice(0, -1)],
  ["cut within a head", joined([all, all.slice(0, 3)])],
  ["ended by an error's text", joined([all, new TextEncoder().encode("Code: 159. DB::")])],
];

for (const [name, tail] of tails) {
  Deno.test(`eventStore() knows an answer that is ${name} from a whole one`, async () => {
    const { told, read } = giving([row("first"), tail]);
    await read();
    equal(told.whole, false);
  });
}

Deno.test("eventStore() takes an answer without rows for whole", async () => {
  const { told, read } = giving([]);
  deepEqual(await read(), []);
  equal(told.whole, true);
});

Deno.test("eventStore() refuses a row above rowBytesMax when its head has come", async () => {
  const { read } = giving([row("x".repeat(100)).slice(0, 20), new Uint8Array()], 100);
  await rejects(read(), { code: "TOO_LARGE" });
});

Deno.test("eventStore() gives ClickHouse the lesser of both limits on seconds", async () => {
  const { told, read } = giving([]);
  const seconds = () => (told.settings as Record<string, unknown>)["max_execution_time"];
  await read(300);
  equal(seconds(), 20);
  await read(5);
  equal(seconds(), 5);
});

Deno.test("eventStore() is UNAVAILABLE as long as there is no ClickHouse", async () => {
  const store = eventStore(() => null, { rowBytesMax: 1, clickhouseQuerySecondsMax: 1 });
  const { signal } = new AbortController();
  const rows = store.rows({ source: "events", text: "" }, { signal, secondsMax: 1 });
  await rejects(Array.fromAsync(rows), { code: "UNAVAILABLE" });
});
