/** That a program ends with the npx that started it. */

import { strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { lines } from "../../flight/control.ts";

const program = fileURLToPath(new URL("./npx_child.ts", import.meta.url));

Deno.test("watchNpx() notices that npx has gone, on a machine without ps too", async () => {
  // The one program that it needs from the machine; `sh` is named by its path.
  const path = await Deno.makeTempDir();
  const sleep = ["/bin/sleep", "/usr/bin/sleep"].find((file) => exists(file)) ?? "";
  await Deno.symlink(sleep, `${path}/sleep`);
  // As npm's shell, `deno task` and the program; a command after it keeps each shell in its place.
  const permissions = "--allow-env --allow-read --allow-run --allow-sys --no-prompt";
  const inner = `"${Deno.execPath()}" run --quiet ${permissions} "${program}"; :`;
  const shell = new Deno.Command("/bin/sh", {
    args: ["-c", `echo $$; /bin/sh -c '${inner}'; :`],
    env: { PATH: path, npm_command: "exec" },
    stdout: "piped",
  }).spawn();
  const said = lines(shell.stdout);
  const next = async () => (await said.next()).value;
  equal(await next(), String(shell.pid));
  equal(await next(), "watching");
  shell.kill("SIGKILL");
  equal(await next(), "ended");
  await shell.status;
  await said.return(undefined);
  await Deno.remove(path, { recursive: true });
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
