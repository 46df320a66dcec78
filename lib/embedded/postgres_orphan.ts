/** A server that outlived the program that started it. */

import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { programsPrefix } from "./postgres_binaries.ts";
import type { PostgresFolder } from "./postgres_folder.ts";
import { commandOf, endProcess } from "./processes.ts";

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
  await endProcess(pid, ["SIGINT", "SIGQUIT", "SIGKILL"], orphanMsMax);
}

/** What a fast shutdown of an idle server may take on a busy disk. */
const orphanMsMax = 10_000;
