/** How `serve` starts the Flight process: this program again, with only what Flight needs. */

import { fileURLToPath } from "node:url";

/** Command and arguments; of the compiled program, or of Deno with computed permissions. */
export function flightCommand(): string[] {
  if (Deno.build.standalone) return [Deno.execPath(), "flight"];
  const here = new URL("../", import.meta.url);
  return [
    Deno.execPath(),
    "run",
    "--no-prompt",
    "--quiet",
    // V8 would rather let garbage lie: without these, streaming takes a third more memory and bursts
    // of small calls twice as much, at the same speed.
    "--v8-flags=--max-semi-space-size=1,--heap-growing-percent=70",
    `--config=${fileURLToPath(new URL("deno.json", here))}`,
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-sys",
    fileURLToPath(new URL("main.ts", here)),
    "flight",
  ];
}
