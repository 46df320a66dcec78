/** The encoders alone, without sockets: `bench/encoders.ts`, in a process of its own. */

import { fileURLToPath } from "node:url";
import type { Report } from "./main.ts";
import { runProgram } from "./processes.ts";

/** Runs it and shows what it prints. */
export async function benchEncoders(): Promise<Report> {
  const script = fileURLToPath(new URL("encoders.ts", import.meta.url));
  const text = await runProgram(Deno.execPath(), ["run", "--allow-all", script]);
  return { tables: [], samples: text };
}
