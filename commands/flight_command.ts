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
    `--config=${fileURLToPath(new URL("deno.json", here))}`,
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-sys",
    fileURLToPath(new URL("main.ts", here)),
    "flight",
  ];
}
