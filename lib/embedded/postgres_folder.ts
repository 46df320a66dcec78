/** The folder of the embedded PostgreSQL: where it lies, whose it is, and that one program uses it. */

import { dirname, join, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { holdLock, unusableFolder } from "./folder_lock.ts";
import { giveTo, otherOwner, type Owner } from "./owner.ts";

/** Who runs PostgreSQL; it refuses to run as root. */
export type RunAs = Owner;

/** A folder that is held for this program until `close`. */
export interface PostgresFolder {
  readonly path: string;
  /** What it was asked for to be; another than `path` where PostgreSQL's user cannot enter it. */
  readonly asked: string;
  /** Who gets what root makes in the folder; null where nothing changes hands. */
  readonly owner: Owner | null;
  /** The database's files. */
  readonly data: string;
  /** Null: as the user who runs us. */
  readonly runAs: RunAs | null;
  /** Can be called twice. */
  close(): void;
}

/** Makes the folder where there is none and holds it; throws when another program keeps it. */
export async function openFolder(
  dataDir: string,
  inUseMsMax?: number,
): Promise<PostgresFolder> {
  const asked = resolve(dataDir);
  try {
    await Deno.mkdir(join(asked, "postgres"), { recursive: true });
    const home = join(await Deno.realPath(asked), "postgres");
    const owner = await otherOwner(asked);
    const lock = await holdLock(home, inUseMsMax);
    let isHeld = true;
    try {
      for (const made of owner ? [home, join(home, "lock")] : []) {
        await Deno.chown(made, owner?.uid ?? null, owner?.gid ?? null);
      }
      const runAs = await whoRuns(owner);
      const path = await reachablePath(home, runAs);
      if (owner && path !== home) await giveTo(owner, join(home, "location"));
      const data = join(path, "data");
      return {
        path,
        asked: home,
        owner,
        data,
        // Whose the data is that an earlier start made.
        runAs: runAs && (await otherOwner(data) ?? runAs),
        close: () => {
          if (isHeld) lock.close();
          isHeld = false;
        },
      };
    } catch (error) {
      lock.close();
      throw error;
    }
  } catch (error) {
    throw unusableFolder(asked, error);
  }
}

/**
 * For root who owns the folder, so that it stays that user's to start; in root's own folder the user
 * `postgres`, else `nobody`. Everyone else runs it themselves.
 */
async function whoRuns(owner: Owner | null): Promise<RunAs | null> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return null;
  const users = (await Deno.readTextFile("/etc/passwd")).split("\n").map((l) => l.split(":"));
  // PostgreSQL refuses a user without a name.
  if (owner && users.some(([_name, _password, uid]) => Number(uid) === owner.uid)) return owner;
  const user = users.find(([name]) => name === "postgres") ??
    users.find(([name]) => name === "nobody");
  if (user) return { uid: Number(user[2]) >>> 0, gid: Number(user[3]) >>> 0 };
  throw new AppError("UNSUPPORTED", "PostgreSQL does not run as root, and there is no other user", {
    hint: "add a user named postgres, or start fraiseql as an ordinary user",
  });
}

/** Lets everybody through our own two folders, to see nothing there but what is named and allowed. */
async function openWay(home: string): Promise<void> {
  for (const folder of [dirname(home), home]) {
    const { mode } = await Deno.stat(folder);
    await Deno.chmod(folder, (mode ?? 0o700) | 0o111);
  }
}

/**
 * The folder itself, or one below `/var/lib/fraiseql` where it lies in root's home or another
 * place that the user who runs PostgreSQL cannot enter. A file in the folder tells which, so that
 * whoever removes the folder starts anew.
 */
async function reachablePath(home: string, runAs: RunAs | null): Promise<string> {
  if (!runAs || await canEnter(home, runAs)) return home;
  await openWay(home);
  if (await canEnter(home, runAs)) return home;
  const pointer = join(home, "location");
  const known = await Deno.readTextFile(pointer).catch(() => "");
  const path = known.trim() || join("/var/lib/fraiseql", crypto.randomUUID());
  await Deno.mkdir(path, { recursive: true });
  if (!known) await Deno.writeTextFile(pointer, `${path}\n`);
  return path;
}

async function canEnter(path: string, { uid, gid }: RunAs): Promise<boolean> {
  for (let folder = path;; folder = dirname(folder)) {
    const info = await Deno.stat(folder);
    const bit = info.uid === uid ? 0o100 : info.gid === gid ? 0o010 : 0o001;
    if (((info.mode ?? 0) & bit) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
