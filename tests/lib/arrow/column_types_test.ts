import { ok, strictEqual as equal } from "node:assert/strict";
import { RecordBatchReader } from "apache-arrow";
import { COLUMN_TYPES, KIND_BYTES, type ScalarType } from "../../../lib/arrow/column_types.ts";
import { arrowSchemaMessage, encapsulated } from "../../../lib/arrow/record_batches.ts";
import { scalar } from "./encode.ts";
import { labels, refused, VALUES } from "./values.ts";

/** How npm:apache-arrow writes the types that the table names. */
const ARROW: Readonly<Record<string, string>> = {
  "Decimal128(p,s)": "Decimal[12e+2]",
  "Utf8 (arrow.json)": "Utf8",
  "Date32": "Date32<DAY>",
  "Time64(us)": "Time64<MICROSECOND>",
  "Timestamp(us)": "Timestamp<MICROSECOND>",
  "Timestamp(us, UTC)": "Timestamp<MICROSECOND, UTC>",
  "Dictionary<Int16, Utf8>": "Dictionary<Int16, Utf8>",
};

for (const { kind, oid, arrow, json, partial } of COLUMN_TYPES) {
  Deno.test(`COLUMN_TYPES names the Arrow type of ${kind} ${oid} as the schema has it`, () => {
    const type: ScalarType = kind === "decimal"
      ? { kind, precision: 12, scale: 2 }
      : kind === "enum"
      ? { kind, labels }
      : { kind };
    const message = encapsulated(arrowSchemaMessage([scalar("x", type)]));
    const { schema } = RecordBatchReader.from(message).open();
    equal(String(schema.fields[0]!.type), ARROW[arrow] ?? arrow);
  });

  Deno.test(`COLUMN_TYPES says of ${kind} ${oid} which JSON it gives and whether it can be refused`, () => {
    const cases = VALUES.filter(({ type }) => type.kind === kind);
    ok(cases.length > 1);
    equal(cases.some((one) => one.json === refused), partial === true);
    const word = /^(boolean|number|string|the value itself)/.exec(json)?.[1];
    for (const one of cases.filter((value) => value.json !== refused)) {
      const value = JSON.parse(one.json) as unknown;
      ok(word === "the value itself" || value === null || typeof value === word, one.name);
    }
  });
}

Deno.test("KIND_BYTES has the length of every value that the server sends", () => {
  for (const { type, hex, name } of VALUES) {
    const bytes = KIND_BYTES[type.kind];
    if (bytes > 0) equal(hex.length / 2, bytes, `${type.kind} ${name}`);
  }
});
