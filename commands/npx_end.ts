/**
 * Notices that the `npx` we were started by has ended.
 *
 * npm passes a SIGTERM on to a shell between it and Deno, and the shell keeps it to itself: without
 * this, `npx -y deno@... task serve` that was killed would leave the server running, with its ports
 * and its data folder.
 */

/** Waits until the process has gone; the first argument is our parent, whose parent it looks up. */
const script = `
npm=$(ps -o ppid= -p "$1") || exit 1
while kill -0 $npm 2>/dev/null; do sleep 0.25; done
`;

/** Calls `ended` once npx has gone; does nothing where npx did not start us. */
export function watchNpx(ended: () => void, signal: AbortSignal): void {
  if (Deno.build.os === "windows" || Deno.env.get("npm_command") !== "exec") return;
  try {
    const watcher = new Deno.Command("/bin/sh", {
      args: ["-c", script, "fraiseql-npx-watch", String(Deno.ppid)],
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
