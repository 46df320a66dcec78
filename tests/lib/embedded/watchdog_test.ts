import { strictEqual as equal } from "node:assert/strict";
import { startWatchdog } from "../../../lib/embedded/watchdog.ts";
import { createLog } from "../../../lib/log.ts";

const log = createLog("error", () => {});

Deno.test("release() ends the watchdog and leaves the service alone", async () => {
  const service = new Deno.Command("/bin/sh", { args: ["-c", "read -r _"], stdin: "piped" })
    .spawn();
  const pidFile = await Deno.makeTempFile();
  await Deno.writeTextFile(pidFile, `${service.pid}\n`);
  await startWatchdog(service.pid, pidFile, null, log).release();
  await service.stdin.close();
  equal((await service.status).signal, null);
  await Deno.remove(pidFile);
});
