import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import type { Term } from "../../../lib/search/store.ts";
import { parseTerms } from "../../../lib/search/terms.ts";

const word = (word: string): Term => ({ kind: "word", word });
const prefix = (word: string): Term => ({ kind: "prefix", word });
const phrase = (...words: string[]): Term => ({ kind: "phrase", words });

const typed: [name: string, text: string, terms: Term[]][] = [
  ["no text as no term", "", []],
  ["spaces as no term", " \n", []],
  ["words", "Card declined", [word("card"), word("declined")]],
  ["a word with signs as its parts", "PAYMENT_DECLINED", [word("payment"), word("declined")]],
  ["a word that comes twice once", "a A", [word("a")]],
  ["a phrase", '"card declined" refund', [phrase("card", "declined"), word("refund")]],
  ["a phrase of one word as the word", '"card"', [word("card")]],
  ["an empty phrase as nothing", 'a "" b', [word("a"), word("b")]],
  ["a star in a phrase as a sign", '"ref* und"', [phrase("ref", "und")]],
  ["a prefix", "ref*", [prefix("ref")]],
  ["a prefix behind other words", "card-dec*", [word("card"), prefix("dec")]],
  ["a star between letters as the end of a prefix", "ref*und", [prefix("ref"), word("und")]],
  ["a star alone as a sign", "a *", [word("a")]],
  ["a star behind a sign as a sign", "a-* b", [word("a"), word("b")]],
  ["a prefix that ends with a mark", "e\u0301* क\u093f*", [prefix("é"), prefix("क")]],
  ["a quote right behind a word", 'a"b c"d', [word("a"), phrase("b", "c"), word("d")]],
];

for (const [name, text, terms] of typed) {
  Deno.test(`parseTerms() takes ${name}`, () => deepEqual(parseTerms(text, 10), terms));
}

const refused: [name: string, text: string, code: string][] = [
  ["an open quote", '"card declined', "BAD_INPUT"],
  ["signs without a word", "?!", "BAD_INPUT"],
  ["a phrase without a word", '"--"', "BAD_INPUT"],
  ["a word more than the limit", "a b c d", "TOO_LARGE"],
  ["a word more than the limit in phrases", 'a "b c d"', "TOO_LARGE"],
];

for (const [name, text, code] of refused) {
  Deno.test(`parseTerms() refuses ${name} as ${code}`, () => {
    throws(() => parseTerms(text, 3), { name: "AppError", code });
  });
}

Deno.test("parseTerms() takes just as many words as the limit", () => {
  deepEqual(parseTerms('a "b c"', 3), [word("a"), phrase("b", "c")]);
});
