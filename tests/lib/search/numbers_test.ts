import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { numbersOf } from "../../../lib/search/numbers.ts";

const columns = [
  { name: "total", path: ["total"] },
  { name: "items_price", path: ["items", "price"] },
];

const documents: [name: string, data: string, numbers: Record<string, readonly number[]>][] = [
  ["a number as least and greatest", `{"total":12.5}`, { total: [12.5, 12.5] }],
  ["the ends of several numbers", `{"items":[{"price":3},{"price":-1e2},{"price":2}]}`, {
    items_price: [-100, 3],
  }],
  ["no text, boolean or null", `{"total":"12","items":{"price":null}}`, {}],
  ["nothing of another path", `{"x":{"total":1},"items":3}`, {}],
  ["no number that a double cannot hold", `{"total":1e999}`, {}],
];

for (const name of ["constructor", "__proto__", "toString"]) {
  Deno.test(`numbersOf() takes a column that is called ${name}`, () => {
    const numbers = numbersOf(`{"${name}":5}`, [{ name, path: [name] }]);
    deepEqual(Object.entries(numbers), [[name, [5, 5]]]);
  });
}

for (const [name, data, numbers] of documents) {
  Deno.test(`numbersOf() takes ${name}`, () => deepEqual(numbersOf(data, columns), numbers));
}
