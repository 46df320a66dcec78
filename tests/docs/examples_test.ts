import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { columnExamples, fencedBlocks } from "./examples.ts";

Deno.test("fencedBlocks() finds every block with its language and line", () => {
  const text = "a\n```json\n{}\n[]\n```\n\n  ```python\nx\n  ```\n```\ny\n```\n";
  deepEqual(fencedBlocks(text), [
    { language: "json", text: "{}\n[]", line: 2 },
    { language: "python", text: "x", line: 7 },
    { language: "", text: "y", line: 10 },
  ]);
  throws(() => fencedBlocks("```json\n{}"), /line 1 has no end/);
});

Deno.test("columnExamples() finds what stands in backticks under a heading, in that table alone", () => {
  const text =
    "| form | example |\n| --- | --- |\n| a | `{ x }` |\n| b | below |\n\n| c | `no` |\n";
  deepEqual(columnExamples(text, "example"), [{ language: "ticket", text: "{ x }", line: 3 }]);
});
