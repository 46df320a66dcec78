import { ok, rejects, strictEqual } from "node:assert/strict";
import {
  childrenOf,
  cpuSeconds,
  familyCpuSeconds,
  memoryOf,
  runProgram,
  startProgram,
} from "../../bench/processes.ts";

const deno = Deno.execPath();
const start = (code: string) =>
  startProgram(deno, {
    args: ["eval", code],
    find: (line) => line.startsWith("ready") ? line : null,
  });

Deno.test("startProgram() gives the line that was looked for", async () => {
  const program = await start(
    "console.log('no'); console.log('ready 1'); setInterval(() => {}, 1e6)",
  );
  strictEqual(program.found, "ready 1");
  await program.stop();
});

Deno.test("startProgram() throws what a program said that ended before it was ready", async () => {
  await rejects(start("console.error('out of luck')"), /out of luck/);
});

Deno.test("runProgram() throws what a failing program said", async () => {
  await rejects(runProgram(deno, ["eval", "console.error('no'); Deno.exit(3)"]), /no/);
});

Deno.test({
  name: "childrenOf() finds a program that was started, and the kernel counts for it",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const program = await start(
      "for (const end = Date.now() + 100; Date.now() < end;); console.log('ready'); setInterval(() => {}, 1e6)",
    );
    ok(childrenOf(Deno.pid).includes(program.pid));
    ok(cpuSeconds(program.pid) > 0);
    const { now, peak } = memoryOf(program.pid);
    ok(now > 0 && peak >= now);
    const before = familyCpuSeconds(Deno.pid);
    await program.stop();
    ok(familyCpuSeconds(Deno.pid) >= before - 0.01, "what an ended child used is still counted");
  },
});
