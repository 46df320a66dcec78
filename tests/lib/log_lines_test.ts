/** Lines that are held for a moment: none is lost, and urgent ones do not wait. */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { HeldLines } from "../../lib/log_lines.ts";

Deno.test("HeldLines writes what was pushed one after the other in one write", async () => {
  const written: string[] = [];
  const lines = new HeldLines((text) => written.push(text));
  lines.push("a\n", false);
  lines.push("b\n", false);
  deepEqual(written, []);
  while (written.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  deepEqual(written, ["a\nb\n"]);
});

Deno.test("HeldLines writes an urgent line at once, behind those before it", () => {
  const written: string[] = [];
  const lines = new HeldLines((text) => written.push(text));
  lines.push("a\n", false);
  lines.push("b\n", true);
  deepEqual(written, ["a\nb\n"]);
  lines.flush();
  equal(written.length, 1);
});

Deno.test("HeldLines does not hold more than 64 KiB", () => {
  const written: string[] = [];
  const lines = new HeldLines((text) => written.push(text));
  lines.push("x".repeat(70_000), false);
  equal(written.length, 1);
});

const endings: [name: string, code: string][] = [
  ["exits", "Deno.exit(3);"],
  ["ends by an error", "throw new Error('x');"],
  ["ends by a rejection", "Promise.reject(new Error('x'));"],
  ["runs out of work", ""],
];

for (const [name, code] of endings) {
  Deno.test(`createLog() has written every line when the program ${name}`, async () => {
    const module = new URL("../../lib/log.ts", import.meta.url);
    const program = `const { createLog } = await import(${JSON.stringify(module.href)});
      createLog("info").info("last words"); ${code}`;
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", program],
      stdout: "null",
      stderr: "piped",
    }).output();
    equal(new TextDecoder().decode(stderr).match(/"event":"last words"/g)?.length, 1);
  });
}
