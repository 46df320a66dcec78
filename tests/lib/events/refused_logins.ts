/** Logs in with a wrong password, many times: run by a test, which looks at how it ends. */

import { connectNats } from "../../../lib/events/connect.ts";
import { readNatsUrl } from "../../../lib/events/nats_url.ts";
import { createLog } from "../../../lib/log.ts";

const settings = readNatsUrl(Deno.args[0] ?? "");
let refused = 0;
for (let n = 0; n < 200; n++) {
  try {
    await connectNats({ settings, name: "test", log: createLog("error"), wait: false });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "UNAUTHENTICATED") refused++;
    else throw error;
  }
}
Deno.stdout.writeSync(new TextEncoder().encode(`${refused} refused\n`));
