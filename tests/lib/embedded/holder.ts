/** Starts `hold_postgres.ts` as a process of its own, where asked as another user. */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const script = "tests/lib/embedded/hold_postgres.ts";

/** The process, and its lines one by one. */
export interface Holder {
  readonly child: Deno.ChildProcess;
  /** The first line of that form; throws with all lines when it ends before. */
  line(form: RegExp): Promise<string>;
  /** Ends its input and waits for its end. */
  release(): Promise<void>;
  /** Ends it without its doing. */
  kill(): Promise<void>;
}

/** A process that starts an embedded PostgreSQL on the folder. */
export function hold(dataDir: string, options: Deno.CommandOptions = {}, from = root): Holder {
  const child = new Deno.Command(options.cwd ? join(from, "deno") : Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--no-check", "--no-config", "--no-lock"],
      ...[join(from, script), dataDir],
    ],
    stdin: "piped",
    stdout: "piped",
    ...options,
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const end = async () => {
    while (!(await reader.read()).done);
    await child.status;
  };
  return {
    child,
    async line(form) {
      for (;;) {
        const found = text.split("\n").slice(0, -1).find((line) => form.test(line));
        if (found !== undefined) return found;
        const { value, done } = await reader.read();
        if (done) throw new Error(`no line ${form} in: ${text}`);
        text += value;
      }
    },
    async release() {
      await child.stdin.close();
      await end();
    },
    async kill() {
      child.kill("SIGKILL");
      await end();
      await child.stdin.close().catch(() => {}); // the pipe is broken, as wanted
    },
  };
}

/** A temporary folder that every user can enter. */
export async function openTempDir(): Promise<string> {
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "fraiseql-" });
  await Deno.chmod(folder, 0o755);
  return folder;
}

/**
 * A copy of what the process needs, for a user who cannot enter this repository or root's caches:
 * the runtime, our files, and PostgreSQL's programs out of `dataDir`. Gives its folder.
 */
export async function copyForUser(uid: number, gid: number, dataDir: string): Promise<string> {
  const folder = await openTempDir();
  await Deno.copyFile(Deno.execPath(), join(folder, "deno"));
  for (
    const path of [
      "lib/errors.ts",
      "lib/log.ts",
      "lib/log_lines.ts",
      "lib/waiting.ts",
      "lib/embedded",
      script,
    ]
  ) {
    await copy(join(root, path), join(folder, path));
  }
  await copy(join(dataDir, "postgres"), join(folder, "data", "postgres"));
  await giveTo(folder, uid, gid);
  return folder;
}

async function copy(source: string, target: string): Promise<void> {
  await Deno.mkdir(dirname(target), { recursive: true });
  if (!(await Deno.stat(source)).isDirectory) return await Deno.copyFile(source, target);
  await Deno.mkdir(target, { recursive: true });
  for await (const { name } of Deno.readDir(source)) {
    if (name !== "data") await copy(join(source, name), join(target, name));
  }
}

async function giveTo(path: string, uid: number, gid: number): Promise<void> {
  await Deno.chown(path, uid, gid);
  if (!(await Deno.stat(path)).isDirectory) return;
  for await (const { name } of Deno.readDir(path)) await giveTo(join(path, name), uid, gid);
}
