import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Table, tableFromIPC, tableToIPC, Utf8, vectorFromArray } from "apache-arrow";
import { canStream, oneDocument } from "../../../lib/embedded/clickhouse_pieces.ts";

async function* each(pieces: Uint8Array[]) {
  for (const piece of pieces) yield new Uint8Array(piece);
}

async function joined(pieces: Uint8Array[], format: string): Promise<Uint8Array> {
  return await new Response(ReadableStream.from(oneDocument(each(pieces), format))).bytes();
}

const arrow = (values: number[], words: string[]) =>
  tableToIPC(
    new Table({
      a: vectorFromArray(Int32Array.from(values)),
      b: vectorFromArray(words, new Utf8()),
    }),
    "stream",
  );

for (const count of [1, 2, 5]) {
  Deno.test(`oneDocument() makes one Arrow stream of ${count}`, async () => {
    const parts = Array.from({ length: count }, (_, i) => arrow([i, i + 1], [`x${i}`, `y${i}`]));
    const table = tableFromIPC(await joined(parts, "ArrowStream"));
    equal(table.batches.length, count);
    deepEqual(
      table.toArray().map((row) => [row.a, row.b]),
      parts.flatMap((_, i) => [[i, `x${i}`], [i + 1, `y${i}`]]),
    );
  });
}

Deno.test("oneDocument() gives nothing for nothing", async () => {
  equal((await joined([], "ArrowStream")).length, 0);
});

Deno.test("oneDocument() puts lines one after the other", async () => {
  const lines = ["1\n", "2\n"].map((line) => new TextEncoder().encode(line));
  equal(new TextDecoder().decode(await joined(lines, "CSV")), "1\n2\n");
});

Deno.test("canStream() leaves out formats with a head or a foot", () => {
  const formats = [
    "ArrowStream",
    "JSONEachRow",
    "CSV",
    "RowBinary",
    "JSON",
    "CSVWithNames",
    "Parquet",
  ];
  deepEqual(formats.filter(canStream), ["ArrowStream", "JSONEachRow", "CSV", "RowBinary"]);
});
