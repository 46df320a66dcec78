import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { judge, readSummary, type Summary, testArguments } from "./run.ts";

const endings: [name: string, output: string, summary: Summary | null][] = [
  ["all passed", "ok | 12 passed | 0 failed (3ms)\n", { passed: 12, failed: 0, skipped: 0 }],
  [
    "steps and ignored tests",
    "FAILED | 1 passed (1 step) | 2 failed (1 step) | 1 ignored (7ms)\n",
    { passed: 1, failed: 2, skipped: 1 },
  ],
  ["colours", "\x1b[0m\x1b[32mok\x1b[0m | 2 passed | 0 failed \x1b[0m(216ms)", {
    passed: 2,
    failed: 0,
    skipped: 0,
  }],
  ["filtered tests", "ok | 1 passed | 0 failed | 4 filtered out (4ms)", {
    passed: 1,
    failed: 0,
    skipped: 0,
  }],
  ["an end in the middle", "a ... ok (1ms)\nb ...", null],
];

for (const [name, output, summary] of endings) {
  Deno.test(`readSummary() reads ${name}`, () => deepEqual(readSummary(output), summary));
}

const runs: [name: string, summary: Summary | null, code: number, line: string, good: boolean][] = [
  ["a good run", { passed: 3, failed: 0, skipped: 0 }, 0, "3 passed, 0 failed", true],
  ["skipped tests", { passed: 3, failed: 0, skipped: 2 }, 0, "3 passed, 0 failed, 2 skipped", true],
  ["a failed test", { passed: 3, failed: 1, skipped: 0 }, 1, "3 passed, 1 failed", false],
  ["no test at all", { passed: 0, failed: 0, skipped: 0 }, 0, "0 passed, 0 failed", false],
  ["a run that was cut", null, 134, "0 passed, 1 failed", false],
  [
    "a fault outside of tests",
    { passed: 3, failed: 0, skipped: 0 },
    1,
    "3 passed, 1 failed",
    false,
  ],
];

for (const [name, summary, code, line, good] of runs) {
  Deno.test(`judge() calls ${name} ${good ? "good" : "bad"}`, () => {
    deepEqual(judge(summary, code), { line, good });
  });
}

Deno.test("testArguments() takes all tests where none is named", () => {
  const { places } = testArguments(["--filter", "shop"], () => false);
  deepEqual(places, ["tests"]);
});

Deno.test("testArguments() tells folders from the values of flags", () => {
  const { flags, places } = testArguments(["tests/lib", "--filter", "x"], (path) => path !== "x");
  equal(flags.join(" "), "--filter x");
  deepEqual(places, ["tests/lib"]);
});
