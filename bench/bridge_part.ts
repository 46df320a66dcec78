/** JSON lines to Arrow, without sockets: `bench/bridge_bench.ts`, in a process of its own. */

import { fileURLToPath } from "node:url";
import type { Report } from "./main.ts";
import { runProgram } from "./processes.ts";

/** Runs it and gives what it prints. */
export async function benchBridge(): Promise<Report> {
  const script = fileURLToPath(new URL("bridge_bench.ts", import.meta.url));
  const config = fileURLToPath(new URL("../deno.json", import.meta.url));
  const args = ["run", "--allow-all", "--config", config, script];
  const text = (await runProgram(Deno.execPath(), args)).trim();
  return { tables: [], text: `### Events to Arrow\n\n\`\`\`\n${text}\n\`\`\`\n`, samples: text };
}
