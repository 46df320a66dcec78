import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  median,
  megabytes,
  ratios,
  ratioText,
  seconds,
  short,
  spread,
  toMarkdown,
} from "../../bench/figures.ts";

Deno.test("median() of an odd count is the middle sample, whatever the order", () => {
  strictEqual(median([9, 1, 5]), 5);
});

Deno.test("median() of an even count lies between the two in the middle", () => {
  strictEqual(median([4, 1, 2, 100]), 3);
});

Deno.test("median() of nothing is no number", () => {
  strictEqual(median([]), NaN);
});

Deno.test("spread() shows the least and the most beside the median", () => {
  strictEqual(spread([3, 1, 2], String), "2 [1..3]");
});

Deno.test("spread() of one sample is that sample, and of none a dash", () => {
  strictEqual(spread([7], String), "7");
  strictEqual(spread([], String), "-");
});

Deno.test("ratios() compares within a round, so that a slow round is no win", () => {
  deepStrictEqual(ratios([1, 10], [2, 20]), [0.5, 0.5]);
});

Deno.test("ratios() leaves out rounds that only one side ran", () => {
  deepStrictEqual(ratios([1, 10, 100], [2]), [0.5]);
});

Deno.test("ratioText() keeps two decimals", () => {
  strictEqual(ratioText([1.005, 2, 3]), "2.00 [1.00..3.00]");
});

const texts: [name: string, text: string, want: string][] = [
  ["short() keeps three digits below a thousand", short(12.345), "12.3"],
  ["short() counts in thousands", short(1300), "1.30k"],
  ["short() counts in millions", short(231_000_000), "231M"],
  ["short() shows what was not measured as a dash", short(NaN), "-"],
  ["seconds() is milliseconds below one second", seconds(0.0421), "42.1 ms"],
  ["seconds() is seconds from one on", seconds(1.5), "1.50 s"],
  ["megabytes() counts in millions of bytes", megabytes(2_590_000), "2.59 MB"],
];

for (const [name, text, want] of texts) {
  Deno.test(name, () => strictEqual(text, want));
}

Deno.test("toMarkdown() aligns columns and puts notes below", () => {
  const table = {
    title: "T",
    columns: ["a", "long"],
    rows: [["wide cell", "1"]],
    notes: ["Because."],
  };
  strictEqual(
    toMarkdown(table),
    "### T\n\n| a         | long |\n| --------- | ---- |\n| wide cell | 1    |\n\nBecause.\n",
  );
});
