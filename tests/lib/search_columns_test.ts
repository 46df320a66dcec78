import { deepStrictEqual as deepEqual, match } from "node:assert/strict";
import { parseSearchColumns, searchColumnsMax } from "../../lib/search_columns.ts";

Deno.test("parseSearchColumns() names a path by its keys", () => {
  deepEqual(parseSearchColumns("total, items.price"), [
    { name: "total", path: ["total"] },
    { name: "items_price", path: ["items", "price"] },
  ]);
});

Deno.test("parseSearchColumns() takes an empty text as no column", () => {
  deepEqual(parseSearchColumns(" "), []);
});

const many = Array.from({ length: searchColumnsMax + 1 }, (_, i) => `c${i}`);

const refused: [name: string, text: string, why: RegExp][] = [
  ["an empty path", "total,,price", /"" is no path/],
  ["an empty key", "items..price", /"items\.\.price" is no path/],
  ["a key with other letters", "grand total", /"grand total" is no path/],
  ["a name that begins with a digit", "0.price", /"0\.price" is no path/],
  ["a path twice", "total,total", /total is named twice/],
  ["two paths of one name", "items.price,items_price", /items\.price and items_price are both/],
  ["more paths than the limit", many.join(","), /51 paths are more than 50/],
];

for (const [name, text, why] of refused) {
  Deno.test(`parseSearchColumns() refuses ${name}`, () => {
    match(String(parseSearchColumns(text)), why);
  });
}

Deno.test("parseSearchColumns() takes just as many paths as the limit", () => {
  deepEqual(parseSearchColumns(many.slice(1).join(",")).length, searchColumnsMax);
});
