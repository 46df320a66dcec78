/** Compressed bodies, read by pyarrow. */

import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { COMPRESSIONS } from "../../../lib/arrow/compression.ts";
import type { ResultField } from "../../../lib/arrow/result_field.ts";
import { python } from "../../clients/python.ts";
import { dataRow } from "./data_rows.ts";
import { scalar, toArrow } from "./encode.ts";
import { type Plain, readArrow } from "./read_arrow.ts";
import { randomOf, RandomShape } from "./shapes.ts";

async function readByPython(stream: Uint8Array): Promise<{ rows: { [name: string]: Plain }[] }> {
  return JSON.parse(await python(new URL("./read_stream.py", import.meta.url), [], stream));
}

const MiB = 1024 * 1024;
const random = randomOf(7);

function made(length: number, byte: (i: number) => number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => byte(i));
}

/** What a compressor can get wrong: its block's ends, long literals, long matches, far ones. */
const bytes: [name: string, value: Uint8Array][] = [
  ["nothing", made(0, () => 0)],
  ...[1, 11, 12, 13, 14, 63, 64, 65, 270, 271, 65_535, 65_536].map((
    length,
  ): [string, Uint8Array] => [`${length} equal bytes`, made(length, () => 7)]),
  ["bytes without order", made(100_000, () => Math.floor(random() * 256))],
  ["few letters without order", made(100_000, () => Math.floor(random() * 3))],
  ["a pattern of 3", made(1000, (i) => i % 3)],
  ["a repetition farther than an offset reaches", made(200_000, (i) => i % 70_001 % 251)],
  ["zeros behind bytes without order", made(5000, (i) => i < 3000 ? random() * 256 : 0)],
  ["more than one block of 4 MiB", made(9 * MiB, (i) => i >> 5 & 255)],
  ["more than one block without order", made(5 * MiB, () => random() * 256)],
];

for (const compression of COMPRESSIONS) {
  Deno.test(`recordBatches() compresses by ${compression} so that pyarrow reads the same bytes`, async () => {
    const fields = [scalar("value", "bytea", false)];
    for (const [name, value] of bytes) {
      const stream = await toArrow(fields, [dataRow(value)], { compression });
      const { rows } = await readByPython(stream);
      ok(rows[0]?.value === value.toHex(), name);
    }
  });

  Deno.test(`recordBatches() compresses by ${compression} every kind of column, nested and null`, async () => {
    for (let seed = 1; seed <= 8; seed++) {
      const shape = new RandomShape(randomOf(seed));
      const { fields } = shape;
      const rows = Array.from({ length: 500 }, () => shape.row());
      const plain = await readByPython(await toArrow(fields, rows, { batchRowsMax: 200 }));
      const stream = await toArrow(fields, rows, { batchRowsMax: 200, compression });
      deepEqual(await readByPython(stream), plain, `seed ${seed}`);
    }
  });
}

Deno.test("recordBatches() compresses a dictionary too, and what has order to less", async () => {
  const labels = Array.from({ length: 300 }, (_, i) => `a label that is long enough ${i}`);
  const fields: ResultField[] = [scalar("label", { kind: "enum", labels })];
  const plain = await toArrow(fields, []);
  for (const compression of COMPRESSIONS) {
    const stream = await toArrow(fields, [], { compression });
    ok(stream.length < plain.length / 2, `${compression}: ${stream.length} of ${plain.length}`);
  }
  deepEqual(readArrow(plain).rows, []);
});
