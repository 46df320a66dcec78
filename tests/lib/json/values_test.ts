import { strictEqual as equal, throws } from "node:assert/strict";
import { dataRow, hex } from "../arrow/data_rows.ts";
import { scalar, toJson } from "../arrow/encode.ts";
import { refused, VALUES } from "../arrow/values.ts";

for (const { name, type, hex: bytes, json } of VALUES) {
  const fields = [scalar("x", type)];
  const row = dataRow(hex(bytes));
  if (json === refused) {
    Deno.test(`JsonRows refuses the ${type.kind} ${name}`, () => {
      throws(() => toJson(fields, [row]), { name: "AppError", code: "UNREPRESENTABLE" });
    });
    Deno.test(`JsonRows makes the ${type.kind} ${name} null when told so`, () => {
      equal(toJson(fields, [row], "null"), '{"x":null}');
    });
  } else {
    Deno.test(`JsonRows writes the ${type.kind} ${name}`, () => {
      const text = toJson(fields, [row, dataRow(null)]);
      equal(text, `{"x":${json}},{"x":null}`);
      JSON.parse(`[${text}]`);
    });
  }
}
