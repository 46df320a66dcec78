import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import type { ResultField } from "../../../lib/arrow/result_field.ts";
import { chunk } from "./data_rows.ts";
import { toArrow, toJson } from "./encode.ts";
import { readArrow } from "./read_arrow.ts";
import { jsonOf } from "./same_value.ts";
import { randomOf, RandomShape } from "./shapes.ts";

/** Decimals of a fixed scale, and floats by their nearest float4, so that texts can be compared. */
function leveled(field: ResultField, value: unknown): unknown {
  if (value === null) return null;
  if (field.kind === "object") return leveledRow(field.fields, value as Record<string, unknown>);
  if (field.kind === "list") return (value as unknown[]).map((item) => leveled(field.item, item));
  if (field.kind === "constant") return value;
  if (field.type.kind === "float4") return Math.fround(value as number);
  if (field.type.kind !== "decimal" || field.type.scale === 0) return value;
  const [whole, fraction = ""] = (value as string).split(".");
  const scale = field.type.scale;
  return `${whole}.${fraction.padEnd(scale, "0").slice(0, scale)}`;
}

function leveledRow(fields: readonly ResultField[], row: Record<string, unknown>): unknown {
  return Object.fromEntries(fields.map((field) => [field.name, leveled(field, row[field.name])]));
}

Deno.test("both encoders give the same values, whatever the shape, the chunks and the batches", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomOf(seed);
    const shape = new RandomShape(random);
    const rows = Array.from({ length: Math.floor(random() * 200) }, () => shape.row());
    // Cut at random between rows.
    const pieces = [];
    for (let at = 0; at < rows.length;) {
      const next = at + 1 + Math.floor(random() * 60);
      pieces.push(chunk(...rows.slice(at, next)));
      at = next;
    }
    const batchRowsMax = 1 + Math.floor(random() * 150);
    const batchBytesMax = 200 + Math.floor(random() * 5000);
    const stream = await toArrow(shape.fields, pieces, { batchRowsMax, batchBytesMax });
    const read = readArrow(stream);
    const json = JSON.parse(`[${toJson(shape.fields, pieces)}]`) as Record<string, unknown>[];
    equal(json.length, rows.length, `seed ${seed}`);
    equal(read.rows.length, rows.length, `seed ${seed}`);
    for (const [i, row] of read.rows.entries()) {
      deepEqual(
        leveledRow(shape.fields, json[i]!),
        leveledRow(shape.fields, jsonOf(shape.fields, row) as Record<string, unknown>),
        `seed ${seed}, row ${i}`,
      );
    }
  }
});
