import { strictEqual as equal } from "node:assert/strict";
import { dataAt } from "../../../lib/search/data_path.ts";

const data = String.raw` { "a" : { "b" : [ 1.50 , { "c" : "x\"}" } , [ ] ] , "" : null } , ` +
  String
    .raw`"big":12345678901234567890,"é\n":true,"a":{"b":[1.50,{"c":"x\"}"},[]],"":null,"0":"key"}} `;

const paths: [path: string[], json: string | null][] = [
  [[], data.trim()],
  [["big"], "12345678901234567890"],
  [["é\n"], "true"],
  [["a", "b", "0"], "1.50"],
  [["a", "b", "1", "c"], String.raw`"x\"}"`],
  [["a", "b", "2"], "[]"],
  [["a", "b", "-1"], "[]"],
  [["a", "b", "-3"], "1.50"],
  [["a", "b", "3"], null],
  [["a", "b", "-4"], null],
  [["a", "b", "c"], null],
  [["a", ""], "null"],
  [["a", "0"], `"key"`],
  [["a", "b", "0", "x"], null],
  [["big", "0"], null],
  [["none"], null],
];

for (const [path, json] of paths) {
  Deno.test(`dataAt() gives ${json} at ${JSON.stringify(path)}`, () =>
    equal(dataAt(data, path), json));
}

Deno.test("dataAt() finds nothing in what is empty", () => {
  equal(dataAt("{}", ["a"]), null);
  equal(dataAt("[]", ["0"]), null);
  equal(dataAt("[]", ["-1"]), null);
});
