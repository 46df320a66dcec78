import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { eachValue } from "../../../lib/search/data_values.ts";
import { textsOf } from "../../../lib/search/texts.ts";

Deno.test("textsOf() gives the words of each text and number at any depth, in the document's order", () => {
  const data = `{"b":"Card declined","10":{"x":[1.50,["two three"],{"y":"Four"}]},"2":"five"}`;
  deepEqual(textsOf(data), ["card declined", "1 50", "two three", "four", "five"]);
});

Deno.test("textsOf() leaves out keys, booleans, null and texts without a word", () => {
  deepEqual(textsOf(`{"key":true,"other":null,"empty":"","signs":"--","f":false}`), []);
});

Deno.test("textsOf() keeps all digits of a number", () => {
  deepEqual(textsOf("[12345678901234567890, -1e400]"), ["12345678901234567890", "1e400"]);
});

Deno.test("textsOf() takes data that is a single value", () => {
  deepEqual(textsOf(`"one word"`), ["one word"]);
  deepEqual(textsOf(" 42 "), ["42"]);
});

Deno.test("textsOf() reads escapes", () => {
  deepEqual(textsOf(String.raw`{"a\"b":"x\"y\u00e9\\","c":"\ud835\udcb3"}`), ["x yé", "𝒳"]);
});

const documents: [data: string, values: string[]][] = [
  [`{}`, []],
  [`{"a":{},"b":1}`, ["b 1"]],
  [`{"a":[],"b":1}`, ["b 1"]],
  [`{"a":[{},[]],"b":{"c":[{"d":"x"},{"d":true}],"e":-0.5e+3}}`, [
    "b.c.d x",
    "b.c.d true",
    "b.e -0.5e+3",
  ]],
  [`{"a" : "1" , "b" : [ 2 , { "c" : 3 } ] }`, ["a 1", "b 2", "b.c 3"]],
  [`[[1],{"a":[{"b":2},3]},4]`, [" 1", "a.b 2", "a 3", " 4"]],
  [String.raw`{"":"a","x\n":{"__proto__":"b"}}`, [" a", "x\n.__proto__ b"]],
  [`{"a":1,"a":2}`, ["a 1", "a 2"]],
];

for (const [data, values] of documents) {
  Deno.test(`eachValue() tells the paths of ${data}`, () => {
    const told: string[] = [];
    eachValue(data, ({ text }, path) => told.push(`${path.join(".")} ${text}`));
    deepEqual(told, values);
  });
}

Deno.test("eachValue() goes as deep as data does", () => {
  const depth = 100_000;
  const told: number[] = [];
  eachValue("[".repeat(depth) + `{"a":1}` + "]".repeat(depth), (_, path) => told.push(path.length));
  deepEqual(told, [1]);
});
