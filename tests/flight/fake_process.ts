/**
 * A Flight process with a scripted engine, for tests of the supervisor. Its argument says how it
 * behaves: `serve`, or one of the ways to fail.
 */

import { runFlightProcess, tellStarved } from "../../flight/process.ts";
import { serveFlight } from "../../flight/server.ts";
import { AppError } from "../../lib/errors.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { createMetrics } from "../../lib/metrics.ts";
import { endlessPeople, FakeEngine, people, root } from "./fake_engine.ts";
import { NO_EVENTS } from "./serve.ts";

const [behaviour = "serve", port = "0"] = Deno.args;

switch (behaviour) {
  case "misconfigured":
    await Deno.stderr.write(new TextEncoder().encode("FRAISEQL_COLOUR: no such variable\n"));
    Deno.exit(2);
    break;
  case "crashing":
    await Deno.stderr.write(new TextEncoder().encode("it broke\n"));
    Deno.exit(1);
    break;
  case "waiting":
    await Deno.stderr.write(new TextEncoder().encode("it waits\n"));
    await new Promise((resolve) => setTimeout(resolve, 600_000));
    break;
  case "starved":
    tellStarved();
    break;
  case "noisy":
    await Deno.stdout.write(new TextEncoder().encode("hello\n{not json\n[1]\nnull\n\n"));
    break;
  default:
}

const engine = new FakeEngine({
  "{ people { id name } }": [root("people")],
  "{ empty { id name } }": [root("empty")],
  "{ endless { id name } }": [root("endless")],
}, ({ name }, signal) => {
  if (name === "endless") return endlessPeople(signal);
  return people(name === "empty" ? 0 : 3);
});
const log = createLog("warn");
const metrics = createMetrics();

/** As `main.ts` does: the message alone, and 2 for what is a matter of configuration. */
function refuse(error: unknown): never {
  if (!(error instanceof AppError)) throw error;
  Deno.stderr.writeSync(new TextEncoder().encode(`${error.message}\n`));
  Deno.exit(2);
}

await runFlightProcess({
  address: { hostname: "127.0.0.1", port: Number(port) },
  log,
  metrics,
  drainSeconds: 5,
  ...(behaviour === "impatient" && { parentMsMax: 50 }),
  refresh: async () => {
    if (behaviour === "stale") throw new Error("no catalog");
    await engine.refresh();
  },
  // As a sign that it was asked.
  giveBack: tellStarved,
  serve: (address, refreshed) =>
    serveFlight({
      events: NO_EVENTS,
      engine,
      address,
      limits: limits(),
      log,
      metrics,
      unrepresentable: "error",
      refresh: async () => {
        await engine.refresh();
        await refreshed();
      },
    }),
}).catch(refuse);
Deno.exit(0);
