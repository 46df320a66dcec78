import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { FinalWords } from "../../flight/final_words.ts";

const said: [
  name: string,
  lines: string[],
  passed: string[],
  message: string,
  hint: string | null,
][] = [
  ["a refusal with its hint", ["a log", "fraiseql: no", "hint: yes"], ["a log"], "no", "yes"],
  [
    "a refusal of many lines",
    ["fraiseql: 2 faults:", "  a", "  b"],
    [],
    "2 faults:\n  a\n  b",
    null,
  ],
  [
    "what else it said",
    ["it broke", "hint: none"],
    ["it broke", "hint: none"],
    "it broke\nhint: none",
    null,
  ],
  ["nothing", [], [], "it said nothing", null],
];

for (const [name, lines, passed, message, hint] of said) {
  Deno.test(`FinalWords finds ${name}`, () => {
    const words = new FinalWords();
    deepEqual(lines.filter((line) => !words.take(line)), passed);
    deepEqual(words.refusal(), { message, hint });
  });
}
