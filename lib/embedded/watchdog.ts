/**
 * Ends a service when this program was killed and could not do it itself.
 *
 * A shell waits on a pipe that only we hold. A line on it means that the service was stopped; its
 * end without a line means that we are gone, and then the service is asked to shut down. It runs in
 * a session of its own, so that Ctrl-C in a terminal reaches us alone and what is in flight can end.
 */

import type { Log } from "../log.ts";

export interface Watchdog {
  /** To be called once the service has ended. */
  release(): Promise<void>;
}

/**
 * The number in the file is compared, since another program may have got it in the meantime. Not
 * every service ends the file's line, for which `read` gives a number and fails.
 */
const script = `
trap '' HUP INT TERM
read -r _ && exit
pid=
read -r pid < "$2"
[ "$pid" = "$1" ] && kill -INT "$1"
`;

/** Watches over the process whose number stands in the first line of `pidFile`. */
export function startWatchdog(
  pid: number,
  pidFile: string,
  runAs: { uid: number; gid: number } | null,
  log: Log,
  service = "PostgreSQL",
): Watchdog {
  // Without a shell a service that was left is ended by the next start.
  if (Deno.build.os === "windows") return { release: () => Promise.resolve() };
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command("/bin/sh", {
      args: ["-c", script, "fraiseql-watchdog", String(pid), pidFile],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
      detached: true,
      clearEnv: true,
      cwd: "/",
      ...runAs,
    }).spawn();
  } catch (error) {
    log.warn(`no watchdog: a killed fraiseql will leave ${service} running`, { error });
    return { release: () => Promise.resolve() };
  }
  child.unref(); // it must not keep a program alive that has nothing else to do
  return {
    async release() {
      child.ref();
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("\n")).catch(() => {}); // it was killed: fine too
      await writer.close().catch(() => {}); // as above
      await child.status;
    },
  };
}
