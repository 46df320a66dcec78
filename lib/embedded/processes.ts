/** Looking at processes that are not our children. */

/** Ends a process by one signal after the other; each has so long to show its effect. */
export async function endProcess(
  pid: number,
  signals: readonly Deno.Signal[],
  eachMs: number,
): Promise<void> {
  for (const signal of signals) {
    try {
      Deno.kill(pid, signal);
    } catch {
      return; // it ended in between
    }
    if (await endsWithin(pid, eachMs)) return;
  }
}

/** Not our child, so nothing tells when it ends: it has to be looked at. */
export async function endsWithin(pid: number, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (await commandOf(pid) === null) return true;
    await new Promise((done) => setTimeout(done, 20));
  }
  return false;
}

/** The command line of a living process, else null. */
export async function commandOf(pid: number): Promise<string | null> {
  const [program, ...args] = Deno.build.os === "windows"
    ? [
      "powershell",
      "-Command",
      `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
    ]
    : Deno.build.os === "linux"
    // Small containers have no `ps`, and Deno itself may not read `/proc` without every permission.
    ? ["cat", `/proc/${pid}/cmdline`]
    : ["ps", "-p", String(pid), "-o", "command="];
  const { stdout } = await new Deno.Command(program ?? "", { args, stderr: "null" }).output();
  return new TextDecoder().decode(stdout).replaceAll("\0", " ").trim() || null;
}
