/** Whose files are: what root makes in another user's folder stays that user's. */

import { join } from "node:path";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The owner of a folder that is not root's, where we are root; else null, and nothing is to do. */
export async function otherOwner(path: string): Promise<Owner | null> {
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return null;
  const info = await Deno.stat(path).catch(() => null); // not there: nobody's
  return info?.uid ? { uid: info.uid, gid: info.gid ?? info.uid } : null;
}

/** Gives a file, or a folder with all that is in it, to the owner. */
export async function giveTo({ uid, gid }: Owner, path: string): Promise<void> {
  const info = await Deno.lstat(path);
  if (info.isSymlink) return; // it would be what it points to, which may be anybody's
  await Deno.chown(path, uid, gid);
  if (!info.isDirectory) return;
  for await (const { name } of Deno.readDir(path)) await giveTo({ uid, gid }, join(path, name));
}
