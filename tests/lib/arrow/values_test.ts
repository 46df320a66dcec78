import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { dataRow, hex } from "./data_rows.ts";
import { scalar, toArrow } from "./encode.ts";
import { readArrow } from "./read_arrow.ts";
import { refused, VALUES } from "./values.ts";

for (const { name, type, hex: bytes, arrow } of VALUES) {
  const fields = [scalar("x", type)];
  const row = dataRow(hex(bytes));
  if (arrow === refused) {
    Deno.test(`recordBatches() refuses the ${type.kind} ${name}`, async () => {
      await rejects(toArrow(fields, [row]), { name: "AppError", code: "UNREPRESENTABLE" });
    });
    Deno.test(`recordBatches() makes the ${type.kind} ${name} null when told so`, async () => {
      const { rows } = readArrow(await toArrow(fields, [row], { unrepresentable: "null" }));
      deepEqual(rows, [{ x: null }]);
    });
  } else {
    Deno.test(`recordBatches() keeps the ${type.kind} ${name}`, async () => {
      const { rows } = readArrow(await toArrow(fields, [row, dataRow(null)]));
      equal(rows.length, 2);
      deepEqual(rows[0], { x: arrow });
      deepEqual(rows[1], { x: null });
    });
  }
}
