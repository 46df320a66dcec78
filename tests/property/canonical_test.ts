import { notStrictEqual as notEqual, strictEqual as equal, throws } from "node:assert/strict";
import { canonical, WrongForm } from "./canonical.ts";
import { parseJson } from "./json.ts";
import type { LeafShape, Shape, Value } from "./shape.ts";

const leaf = (form: LeafShape["form"], more: Partial<LeafShape> = {}): LeafShape => ({
  kind: "leaf",
  form,
  arrow: "",
  nullable: false,
  ...more,
});
const list = (item: Shape, ordered: boolean): Shape => ({
  kind: "list",
  item,
  ordered,
  nullable: false,
});
const text = (shape: Shape, json: string) => canonical(shape, parseJson(json) as Value);

const alike: [name: string, shape: Shape, a: string, b: string][] = [
  ["rows in another order, where none is promised", list(leaf("number"), false), "[1,2]", "[2,1]"],
  [
    "objects in JSON with their keys in another order",
    leaf("json"),
    '{"a":1,"b":2}',
    '{"b":2,"a":1}',
  ],
  ["a float written otherwise", leaf("float"), "1e21", "1000000000000000000000.0"],
  [
    "averages that differ behind the twelfth digit",
    leaf("float", { near: true }),
    "0.1",
    "0.10000000000000002",
  ],
];
for (const [name, shape, a, b] of alike) {
  Deno.test(`canonical() takes for one: ${name}`, () => equal(text(shape, a), text(shape, b)));
}

const unlike: [name: string, shape: Shape, a: string, b: string][] = [
  ["rows in another order, where one is promised", list(leaf("number"), true), "[1,2]", "[2,1]"],
  ["a row twice, where it was once", list(leaf("number"), false), "[1,1,2]", "[1,2,2]"],
  [
    "a last digit that a double does not hold",
    leaf("json"),
    "12345678901234567890",
    "12345678901234567891",
  ],
  ["a decimal with other zeros", leaf("string"), '"1.50"', '"1.5"'],
  ["floats that are not the same double", leaf("float"), "0.1", "0.10000000000000002"],
  ["zero and minus zero", leaf("float"), "0", "-0"],
  ["null and the text of it", leaf("string", { nullable: true }), "null", '"null"'],
];
for (const [name, shape, a, b] of unlike) {
  Deno.test(`canonical() tells apart: ${name}`, () => notEqual(text(shape, a), text(shape, b)));
}

const row: Shape = {
  kind: "object",
  nullable: false,
  fields: [{ name: "a", shape: leaf("number") }, { name: "b", shape: leaf("string") }],
};
const refused: [name: string, shape: Shape, json: string][] = [
  ["null where the schema says !", leaf("number"), "null"],
  ["a number where a string is promised", leaf("string"), "1"],
  ["a string where a number is promised", leaf("number"), '"1"'],
  ["fields in another order than asked for", row, '{"b":"x","a":1}'],
  ["a field too many", row, '{"a":1,"b":"x","c":1}'],
  ["a field too few", row, '{"a":1}'],
  ["an object where a list is promised", list(row, true), "{}"],
];
for (const [name, shape, json] of refused) {
  Deno.test(`canonical() refuses ${name}`, () => void throws(() => text(shape, json), WrongForm));
}
