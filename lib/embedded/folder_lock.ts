/** The folder of an embedded service: one program at a time. */

import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../errors.ts";

/**
 * Holds `<home>/lock` until the file is closed. The kernel ends the lock with the program, however
 * that ends, so a lock left behind does not exist. The file's text only tells people who holds it.
 */
export async function holdLock(
  home: string,
  inUseMsMax = defaultInUseMsMax,
): Promise<Deno.FsFile> {
  const path = join(home, "lock");
  const file = await Deno.open(path, { read: true, write: true, create: true });
  if (!await lockSoon(file, inUseMsMax)) {
    file.close();
    const holder = (await Deno.readTextFile(path)).trim();
    throw new AppError("UNAVAILABLE", `${dirname(home)} is in use by process ${holder}`, {
      hint: `stop process ${holder}, or name another folder with FRAISEQL_DATA_DIR`,
    });
  }
  await file.truncate(0);
  await file.write(new TextEncoder().encode(`${Deno.pid}\n`));
  return file;
}

/** Why no data can be kept in a folder; what says so already stays as it is. */
export function unusableFolder(folder: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError("BAD_INPUT", `cannot keep data in ${folder}: ${reason}`, {
    hint: "name a folder that can be written with FRAISEQL_DATA_DIR",
    cause,
  });
}

/** Waits a while, because the program before us may be about to end: a restart is common. */
async function lockSoon(file: Deno.FsFile, inUseMsMax: number): Promise<boolean> {
  const end = Date.now() + inUseMsMax;
  for (;;) {
    if (await file.tryLock(true)) return true;
    if (Date.now() >= end) return false;
    await delay(lockPollMs);
  }
}

const defaultInUseMsMax = 3000;
const lockPollMs = 100;
