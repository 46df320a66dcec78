/** The files of the months in a folder: which there are, and removing those that are too old. */

import { join } from "node:path";
import { unusableFolder } from "../../embedded/folder_lock.ts";
import { AppError } from "../../errors.ts";
import { sqliteFault } from "./faults.ts";
import { type Month, monthFile, monthOfFile, monthTitle } from "./months.ts";

const dayMs = 86_400_000;

/** Those whose last moment is so long ago; gives their names. */
export async function removeMonths(
  folder: string,
  now: Date,
  retentionDays: number,
): Promise<string[]> {
  const months = await monthsIn(folder);
  const old = months.filter(({ endMs }) => endMs <= now.getTime() - retentionDays * dayMs);
  for (const month of old) {
    const path = join(folder, monthFile(month));
    try {
      // First, since SQLite drops a log that is left without its file, and never takes it for
      // another's. Who reads the file meanwhile reads on in what has no name any more.
      await Deno.remove(path);
      await removeLogs(path);
    } catch (error) {
      throw sqliteFault(error, path);
    }
  }
  return old.map(monthTitle);
}

/** The months that there are files of, oldest first. */
export async function monthsIn(folder: string): Promise<Month[]> {
  const months: Month[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const month = monthOfFile(name);
    if (month !== null) months.push(month);
  }
  return months.sort((a, b) => a.startMs - b.startMs);
}

/** As `monthsIn`; throws where nothing was stored ever. */
export async function monthsThere(folder: string): Promise<Month[]> {
  try {
    return await monthsIn(folder);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw unusableFolder(folder, cause);
    throw new AppError("UNAVAILABLE", `there is no search store in ${folder} yet`, {
      hint: "fraiseql serve, or fraiseql sink elasticsearch, makes it and fills it",
      cause,
    });
  }
}

/** What a sweep left that was cut. */
export async function removeLeftovers(folder: string): Promise<void> {
  const there = new Set((await monthsIn(folder)).map(monthFile));
  for await (const { name } of Deno.readDir(folder)) {
    const file = /^(.+\.sqlite)-(?:wal|shm)$/.exec(name)?.[1];
    if (file === undefined || there.has(file) || monthOfFile(file) === null) continue;
    await removeLogs(join(folder, file));
  }
}

async function removeLogs(path: string): Promise<void> {
  for (const end of ["-wal", "-shm"]) {
    await Deno.remove(path + end).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
