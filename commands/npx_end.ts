/**
 * Notices that the `npx` we were started by has ended.
 *
 * npm passes a SIGTERM on to a shell between it and Deno, and the shell keeps it to itself: without
 * this, `npx -y deno@... task serve` that was killed would leave the server running, with its ports
 * and its data folder.
 */

/** Waits until the process has gone. */
const script = `while kill -0 "$1" 2>/dev/null; do sleep 0.25; done`;

/** Calls `ended` once npx has gone; does nothing where npx did not start us. */
export function watchNpx(ended: () => void, signal: AbortSignal): void {
  if (Deno.build.os === "windows" || Deno.env.get("npm_command") !== "exec") return;
  try {
    // Our parent is `deno task`; its own is npm's shell, which ends with npm.
    const shell = parentOf(Deno.ppid);
    if (shell === null) return;
    const watcher = new Deno.Command("/bin/sh", {
      args: ["-c", script, "fraiseql-npx-watch", String(shell)],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      signal,
    }).spawn();
    watcher.unref();
    void watcher.status.then(({ code }) => {
      if (code === 0 && !signal.aborted) ended();
    });
  } catch {
    // Without a shell there is nothing to wait with, and the server runs until it is stopped itself.
  }
}

/** Small containers have no `ps`, and Deno itself may not read `/proc`. A name can hold anything. */
const parentScript = `
if read -r stat < "/proc/$1/stat"; then
  set -- \${stat##*) }
  echo "$2"
else
  ps -o ppid= -p "$1"
fi
`;

/** The number of a process's parent; null where it cannot be told. */
function parentOf(pid: number): number | null {
  const args = ["-c", parentScript, "fraiseql-parent", String(pid)];
  const { stdout } = new Deno.Command("/bin/sh", { args, stderr: "null" }).outputSync();
  return Number(new TextDecoder().decode(stdout).trim()) || null;
}
