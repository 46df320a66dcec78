import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import {
  highlightsOf,
  searchFragmentCharsMax,
  searchHighlightsMax,
} from "../../../lib/search/highlights.ts";
import { parseTerms } from "../../../lib/search/terms.ts";

const found = (data: unknown, text: string) =>
  highlightsOf(typeof data === "string" ? data : JSON.stringify(data), parseTerms(text, 100));

const texts: [name: string, text: string, asked: string, marked: string][] = [
  ["a word", "Card Declined.", "declined", "Card <em>Declined</em>."],
  ["each time that a word is there", "a b A", "a", "<em>a</em> b <em>A</em>"],
  ["the words that are there", "the card", "card refund", "the <em>card</em>"],
  ["a prefix's whole word", "Refunded", "ref*", "<em>Refunded</em>"],
  [
    "a phrase's words",
    "was card declined",
    '"card declined"',
    "was <em>card</em> <em>declined</em>",
  ],
  [
    "a phrase's words where they follow each other alone",
    "a b, a c",
    '"a c"',
    "a b, <em>a</em> <em>c</em>",
  ],
  ["a phrase that lies upon itself", "x x x y", '"x x"', "<em>x</em> <em>x</em> <em>x</em> y"],
  ["a part of a code", "PAYMENT_DECLINED", "declined", "PAYMENT_<em>DECLINED</em>"],
  ["what was decomposed", "cafe\u0301!", "CAFÉ", "<em>café</em>!"],
  ["words behind a letter that becomes longer", "İİ Paris İ", "paris", "İİ <em>Paris</em> İ"],
  ["words in such letters", "aİb", "b", "aİ<em>b</em>"],
  ["either sigma", "ΟΔΟΣ", "οδος", "<em>ΟΔΟΣ</em>"],
  ["text that looks like HTML", "<b>&card</b>", "card", "&lt;b&gt;&amp;<em>card</em>&lt;/b&gt;"],
];

for (const [name, text, asked, marked] of texts) {
  Deno.test(`highlightsOf() marks ${name}`, () => {
    deepEqual(found([text], asked), [{ path: [], text: marked }]);
  });
}

Deno.test("highlightsOf() tells the path of each text and number that has a word of the terms", () => {
  const data = {
    items: [{ sku: "a" }, { sku: "b" }],
    note: "A",
    count: 12,
    flag: true,
    other: "c",
  };
  deepEqual(found(data, "a"), [
    { path: ["items", "sku"], text: "<em>a</em>" },
    { path: ["note"], text: "<em>A</em>" },
  ]);
  deepEqual(found(data, "12"), [{ path: ["count"], text: "<em>12</em>" }]);
});

Deno.test("highlightsOf() has none of keys, booleans and phrases across texts", () => {
  deepEqual(found({ card: true, a: "x", b: "y" }, "card"), []);
  deepEqual(found({ a: true }, "true"), []);
  deepEqual(found({ a: "x", b: "y" }, '"x y"'), []);
});

Deno.test("highlightsOf() has none without terms", () => deepEqual(found({ a: "x" }, ""), []));

Deno.test("highlightsOf() gives as many texts as the limit, and not one more", () => {
  const many = (count: number) => Array.from({ length: count }, () => "word");
  equal(found(many(searchHighlightsMax), "word").length, searchHighlightsMax);
  equal(found(many(searchHighlightsMax + 1), "word").length, searchHighlightsMax);
});

Deno.test("highlightsOf() cuts a long text around the first word that was found", () => {
  const [highlight] = found(
    ["x ".repeat(1000) + "needle" + " y".repeat(1000) + " needle"],
    "needle",
  );
  match(highlight?.text ?? "", /^…(x )+<em>needle<\/em>( y)+…$/);
  const plain = (highlight?.text ?? "").replaceAll(/<\/?em>|…/g, "");
  ok(plain.length <= searchFragmentCharsMax, `${plain.length}`);
});

Deno.test("highlightsOf() cuts nothing of a text that is as long as the limit", () => {
  const text = "needle " + "x".repeat(searchFragmentCharsMax - 7);
  equal(found([text], "needle")[0]?.text, `<em>needle</em> ${text.slice(7)}`);
  equal(found([`${text}y`], "needle")[0]?.text.endsWith("x…"), true);
});

Deno.test("highlightsOf() shows a word whole that is longer than a fragment", () => {
  const text = "x".repeat(searchFragmentCharsMax + 50);
  equal(found([`a ${text} b`], `${text.slice(0, 10)}*`)[0]?.text, `…<em>${text}</em>…`);
});

Deno.test("highlightsOf() cuts no pair in two", () => {
  for (let before = 190; before < 210; before++) {
    const [highlight] = found(["𝒳".repeat(before) + " needle " + "𝒳".repeat(before)], "needle");
    equal(highlight?.text.isWellFormed(), true);
  }
});
