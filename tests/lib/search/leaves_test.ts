import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { eachLeaf } from "../../../lib/search/leaves.ts";

function leaves(json: string): string[] {
  const found: string[] = [];
  eachLeaf(json, (path, kind, text) => found.push(`${path} ${kind} ${text}`));
  return found;
}

const cases: [name: string, json: string, leaves: string[]][] = [
  ["members in the order of the document", '{"b":"x","a":1}', ["b text x", "a number 1"]],
  ["the path through objects", '{"a":{"b":{"c":"x"}},"d":1}', ["a.b.c text x", "d number 1"]],
  ["the path through arrays, which add nothing to it", '{"a":[{"b":1},[2,{"b":3}]],"c":4}', [
    "a.b number 1",
    "a number 2",
    "a.b number 3",
    "c number 4",
  ]],
  ["a key with a point as a path", '{"a.b":1}', ["a.b number 1"]],
  ["a key that is empty", '{"":1,"a":{"":2}}', [" number 1", "a. number 2"]],
  ["all digits of a number", '{"a":19.90,"b":-12345678901234567890,"c":1e+400}', [
    "a number 19.90",
    "b number -12345678901234567890",
    "c number 1e+400",
  ]],
  ["booleans, and no null", '{"a":true,"b":false,"c":null}', ["a boolean true", "b boolean false"]],
  ["escapes in texts and keys", String.raw`{"a\"b":"x\\","c":"\u00e9\n\"","d":1}`, [
    'a"b text x\\',
    'c text é\n"',
    "d number 1",
  ]],
  ["what looks like JSON in a text as the text", String.raw`{"a":"{\"b\":1}, 2"}`, [
    'a text {"b":1}, 2',
  ]],
  ["nothing of empty objects and arrays", '{"a":{},"b":[],"c":[{}]}', []],
  ["a document that is one value, at the empty path", '"x"', [" text x"]],
  ["a document that is an array", '["x",{"a":1}]', [" text x", "a number 1"]],
  ["white space between", '\n{ "a" : [ 1 , "x" ] ,\t"b" : true }', [
    "a number 1",
    "a text x",
    "b boolean true",
  ]],
];

for (const [name, json, want] of cases) {
  Deno.test(`eachLeaf() gives ${name}`, () => deepEqual(leaves(json), want));
}

Deno.test("eachLeaf() comes to an end on what is cut anywhere", () => {
  const json = String.raw`{"a":["x\"y",{"b":-1.5e3}],"c":true,"d":null}`;
  for (let end = 0; end < json.length; end++) ok(leaves(json.slice(0, end)).length <= 3);
});

Deno.test("eachLeaf() follows brackets deeper than any stack", () => {
  const depth = 200_000;
  equal(leaves("[".repeat(depth) + "1" + "]".repeat(depth)).length, 1);
});
