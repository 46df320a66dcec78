/** Starts the embedded NATS and waits to be killed: run by a test. */

import { startNats } from "../../../lib/embedded/nats.ts";
import { createLog } from "../../../lib/log.ts";

const [dataDir = "", programs = ""] = Deno.args;
const server = await startNats({
  dataDir,
  programs,
  log: createLog("error"),
  storeBytesMax: 2 ** 30,
  messageBytesMax: 2 ** 20,
});
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ pid: server.pid })}\n`));
await new Promise(() => {});
