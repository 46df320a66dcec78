import { rejects, strictEqual as equal } from "node:assert/strict";
import { join } from "node:path";
import { endOrphan } from "../../../lib/embedded/postgres_orphan.ts";
import { createLog } from "../../../lib/log.ts";

const log = createLog("error", () => {});

/** A folder whose lock names a process with that command line; the process ends with the test. */
async function withProcess(
  name: (data: string) => string,
  use: (data: string, child: Deno.ChildProcess) => Promise<void>,
): Promise<void> {
  const data = await Deno.makeTempDir();
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", "read -r _", name(data)],
    stdin: "piped",
  }).spawn();
  try {
    await Deno.writeTextFile(join(data, "postmaster.pid"), `${child.pid}\n${data}\n`);
    await use(data, child);
  } finally {
    await child.stdin.close().catch(() => {}); // it may have been ended
    await child.status;
    await Deno.remove(data, { recursive: true });
  }
}

Deno.test("endOrphan() ends our own server on this data, of whatever version", () =>
  withProcess((data) => `/ours/programs-1.0/bin/postgres -D ${data}`, async (data, child) => {
    const [, { signal }] = await Promise.all([
      endOrphan({ path: "/ours", data }, log),
      child.status,
    ]);
    equal(signal, "SIGINT");
  }));

Deno.test("endOrphan() refuses to end another server on this data, and names it", () =>
  withProcess((data) => `/theirs/bin/postgres -D ${data}`, async (data, child) => {
    await rejects(endOrphan({ path: "/ours", data }, log), {
      code: "UNAVAILABLE",
      message: new RegExp(`^${data} is in use by process ${child.pid}: .*/theirs/bin/postgres`),
    });
  }));

Deno.test("endOrphan() leaves another program alone and takes the stale lock away", () =>
  withProcess(() => "something else", async (data) => {
    await endOrphan({ path: "/ours", data }, log);
    await rejects(Deno.stat(join(data, "postmaster.pid")), Deno.errors.NotFound);
  }));

const locks: [name: string, text: string][] = [
  ["a dead server's lock", "999999999\n"],
  ["an empty lock", ""],
  ["a lock without a number", "postgres\n"],
  ["a negative number, as single-user mode writes it", "-17\n"],
];

for (const [name, text] of locks) {
  Deno.test(`endOrphan() leaves ${name} to PostgreSQL`, async () => {
    const data = await Deno.makeTempDir();
    await Deno.writeTextFile(join(data, "postmaster.pid"), text);
    await endOrphan({ path: "/ours", data }, log);
    equal(await Deno.readTextFile(join(data, "postmaster.pid")), text);
    await Deno.remove(data, { recursive: true });
  });
}
