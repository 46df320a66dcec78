/** Starts the embedded ClickHouse and waits to be killed: run by a test. */

import { startClickhouse } from "../../../lib/embedded/clickhouse.ts";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";

const [dataDir = ""] = Deno.args;
const engine = await startClickhouse({ dataDir, log: createLog("error"), limits: limits() });
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify({ pid: engine.pid })}\n`));
await new Promise(() => {});
