/** Deadlines that share a timer: each passes for itself, and none that was taken back. */

import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { deadline } from "../../lib/deadlines.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("deadline() calls in the order in which they were set", async () => {
  const passed: string[] = [];
  deadline(30, () => passed.push("a"));
  await pause(5);
  deadline(30, () => passed.push("b"));
  const taken = deadline(30, () => passed.push("never"));
  taken();
  while (passed.length < 2) await pause(5);
  await pause(50);
  deepEqual(passed, ["a", "b"]);
});

Deno.test("deadline() goes on when the first of several is taken back", async () => {
  const passed: string[] = [];
  const first = deadline(20, () => passed.push("first"));
  deadline(20, () => passed.push("second"));
  first();
  while (passed.length < 1) await pause(5);
  deepEqual(passed, ["second"]);
});

Deno.test("deadline() leaves no timer behind when all are taken back, and starts anew", async () => {
  // The test would fail for a timer that is left.
  deadline(3_600_000, () => {})();
  let passed = false;
  deadline(1, () => passed = true);
  while (!passed) await pause(1);
});

Deno.test("deadline() takes lengths that no timer can hold", () => {
  deadline(Number.MAX_SAFE_INTEGER, () => {
    throw new Error("too early");
  })();
});

Deno.test("deadline() lets one set a further one when it passes", async () => {
  const passed: number[] = [];
  const again = (n: number) => () => {
    passed.push(n);
    if (n < 3) deadline(2, again(n + 1));
  };
  deadline(2, again(1));
  while (passed.length < 3) await pause(2);
  deepEqual(passed, [1, 2, 3]);
});
