import {
  deepStrictEqual as deepEqual,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import type { ListField, ObjectField, ResultField } from "../../../lib/arrow/result_field.ts";
import * as data from "./data_rows.ts";
import { scalar, toArrow, toJson } from "./encode.ts";

const [int8, float8, record, records] = [20, 701, 2249, 2287];
/** Above what a signed integer of 32 bits holds. */
const late = 4_000_000_000;

const value = (name: string, oid: number) => ({ ...scalar(name, "int8"), oid });
const object = (...fields: ResultField[]): ObjectField => {
  return { kind: "object", name: "o", nullable: true, fields, oid: record };
};
const list = (item: ListField["item"], oid: number): ListField => {
  return { kind: "list", name: "l", nullable: true, item, oid };
};
const one = data.int64(1n);

/** Shapes and rows with the type `oid` at one place, where the plan says int8. */
const nestings: [name: string, field: ResultField, value: (oid: number) => data.Value][] = [
  ["an attribute", object(value("a", int8)), (oid) => data.recordOf([oid, one])],
  ["an attribute that is null", object(value("a", int8)), (oid) => data.recordOf([oid, null])],
  [
    "the last of several attributes",
    object(value("a", int8), value("b", int8)),
    (oid) => data.recordOf([int8, one], [oid, one]),
  ],
  [
    "an attribute two records down",
    object(object(value("a", int8))),
    (oid) => data.recordOf([record, data.recordOf([oid, one])]),
  ],
  [
    "an attribute behind a constant",
    object({ kind: "constant", name: "__typename", value: "T" }, value("a", int8)),
    (oid) => data.recordOf([oid, one]),
  ],
  ["an element", list(value("item", int8), 1016), (oid) => data.arrayOf(oid, [one])],
  [
    "an element of no array of elements",
    list(value("item", int8), 1016),
    (oid) => data.arrayOf(oid, []),
  ],
  [
    "an attribute of records in an array",
    list(object(value("a", int8)), records),
    (oid) => data.arrayOf(record, [data.recordOf([int8, one]), data.recordOf([oid, one])]),
  ],
  [
    "an element of an array in a record",
    object(list(value("item", int8), 1016)),
    (oid) => data.recordOf([1016, data.arrayOf(oid, [one])]),
  ],
];

for (const [name, field, valueOf] of nestings) {
  Deno.test(`rowCode() refuses ${name} of another type in both encoders`, async () => {
    const good = data.dataRow(valueOf(int8));
    const changed = data.dataRow(valueOf(float8));
    toJson([field], [good]);
    await toArrow([field], [good]);
    const fault = {
      name: "AppError",
      code: "UNAVAILABLE",
      message: /of row 2 is not of the planned type/,
      hint: /refresh the schema/,
    };
    throws(() => toJson([field], [good, changed]), fault);
    await rejects(toArrow([field], [good, changed]), fault);
  });
}

const instead: [name: string, field: ResultField, value: data.Value][] = [
  ["a record in place of a list", object(list(object(), records)), data.recordOf([record, null])],
  ["a list in place of a record", object(object()), data.recordOf([records, null])],
  ["texts in place of records", list(object(), records), data.arrayOf(25, [])],
];

for (const [name, field, value] of instead) {
  Deno.test(`rowCode() refuses ${name}, though no value stands there`, () => {
    throws(() => toJson([field], [data.dataRow(value)]), { code: "UNAVAILABLE" });
  });
}

Deno.test("rowCode() compares oids that a signed integer does not hold", () => {
  const fields = [object(value("a", late), list(value("item", late + 1), late + 2))];
  const row = data.recordOf([late, one], [late + 2, data.arrayOf(late + 1, [one])]);
  equal(toJson(fields, [data.dataRow(row)]), '{"o":{"a":"1","l":["1"]}}');
});

Deno.test("rowCode() checks no type of a column of the row, and none where the shape has no oid", () => {
  equal(toJson([value("a", float8)], [data.dataRow(one)]), '{"a":"1"}');
  for (const bare of [scalar("a", "int8"), value("a", 0)]) {
    equal(toJson([object(bare)], [data.dataRow(data.recordOf([late, one]))]), '{"o":{"a":"1"}}');
  }
});

Deno.test("compiled() tells shapes apart that differ in a nested oid alone", () => {
  const row = data.dataRow(data.recordOf([int8, one]));
  const shapes = [int8, float8, int8].map((oid) => [object(value("a", oid))]);
  deepEqual(
    shapes.map((fields) => {
      try {
        return toJson(fields, [row]);
      } catch {
        return "refused";
      }
    }),
    ['{"o":{"a":"1"}}', "refused", '{"o":{"a":"1"}}'],
  );
});
