/** A server that outlived the program that started it. */

import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { programsPrefix } from "./postgres_binaries.ts";
import type { PostgresFolder } from "./postgres_folder.ts";

/**
 * Ends the server that a killed fraiseql left on this data, and clears the way where another
 * program has got its process number since. Called by the program that holds the folder's lock, so
 * no living fraiseql can be using the server.
 */
export async function endOrphan(
  { path, data }: Pick<PostgresFolder, "path" | "data">,
  log: Log,
): Promise<void> {
  const pidFile = join(data, "postmaster.pid");
  const text = await Deno.readTextFile(pidFile).catch(() => "");
  const pid = Number.parseInt(text, 10);
  const command = pid > 0 ? await commandOf(pid) : null;
  if (command === null) return; // PostgreSQL itself clears the file of a dead server

  if (!command.includes(data)) {
    await Deno.remove(pidFile);
    return;
  }
  if (!command.includes(join(path, programsPrefix))) {
    throw new AppError("UNAVAILABLE", `${data} is in use by process ${pid}: ${command}`, {
      hint: `stop process ${pid}, or name another folder with FRAISEQL_DATA_DIR`,
    });
  }
  log.warn("ending the PostgreSQL that an earlier run left", { pid });
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    try {
      Deno.kill(pid, signal);
    } catch {
      return; // it ended in between
    }
    if (await endsWithin(pid, orphanMsMax)) return;
  }
}

/** What a fast shutdown of an idle server may take on a busy disk. */
const orphanMsMax = 10_000;

/** Not our child, so nothing tells when it ends: it has to be looked at. */
async function endsWithin(pid: number, ms: number): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end;) {
    if (await commandOf(pid) === null) return true;
    await new Promise((done) => setTimeout(done, 20));
  }
  return false;
}

/** The command line of a living process, else null. */
async function commandOf(pid: number): Promise<string | null> {
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
