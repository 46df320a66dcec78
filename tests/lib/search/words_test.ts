import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { randomOf } from "../random.ts";
import { joinedWords, searchWordCharsMax, wordsOf } from "../../../lib/search/words.ts";

const texts: [name: string, text: string, words: string[]][] = [
  ["nothing in an empty text", "", []],
  ["nothing in signs and spaces", " -- ?! \n\u00a0", []],
  ["lower case words", "Card DECLINED", ["card", "declined"]],
  ["letters and digits together", "order42 a1b2", ["order42", "a1b2"]],
  ["parts of an address", "ann@example.com", ["ann", "example", "com"]],
  ["parts of a code with underscores", "PAYMENT_DECLINED", ["payment", "declined"]],
  ["both sides of a number's point", "-12.50e+7", ["12", "50e", "7"]],
  ["the same of composed and decomposed letters", "é e\u0301", ["é", "é"]],
  ["letters of any script", "Straße 東京 Привет", ["straße", "東京", "привет"]],
  ["one sigma, wherever it stands", "ΟΔΟΣ οδος ΟΔΟΣ.Α", ["οδοσ", "οδοσ", "οδοσ", "α"]],
  ["letters beyond 16 bits", "𝒳𐐀", ["𝒳𐐨"]],
  ["nothing of half a pair", "a\ud800b", ["a", "b"]],
  ["digits of other scripts", "٤٢", ["٤٢"]],
  ["nothing of marks that stand alone", "\u0301\u093f", []],
];

for (const [name, text, words] of texts) {
  Deno.test(`wordsOf() gives ${name}`, () => deepEqual(wordsOf(text), words));
}

Deno.test("wordsOf() cuts a word at the limit, and not one that has just as many letters", () => {
  const whole = "a".repeat(searchWordCharsMax);
  deepEqual(wordsOf(whole), [whole]);
  deepEqual(wordsOf(`${whole}b c`), [whole, "c"]);
});

Deno.test("wordsOf() cuts no pair in two", () => {
  const [word = ""] = wordsOf("a" + "𝒳".repeat(searchWordCharsMax));
  equal(word.length, searchWordCharsMax - 1);
  equal(word.isWellFormed(), true);
});

Deno.test("joinedWords() gives what wordsOf() gives, with a space between", () => {
  const letters = [
    "a",
    "Z",
    "0",
    " ",
    "_",
    "-",
    "\n",
    "\u0000",
    "\u007f",
    "\u0080",
    "é",
    "İ",
    "𝒳",
    "東",
  ];
  const random = randomOf(5);
  for (let n = 0; n < 5000; n++) {
    const length = Math.floor(random() * 12);
    const text = Array.from({ length }, () => letters[Math.floor(random() ** 2 * letters.length)])
      .join("");
    equal(joinedWords(text), wordsOf(text).join(" "), JSON.stringify(text));
  }
  for (const length of [searchWordCharsMax, searchWordCharsMax + 1]) {
    equal(joinedWords("A".repeat(length)), "a".repeat(searchWordCharsMax));
  }
});
