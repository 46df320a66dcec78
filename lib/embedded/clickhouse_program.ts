/**
 * The process of the embedded ClickHouse: the engine, and its HTTP interface on one port of this
 * machine. `clickhouse.ts` starts it; what it shall do comes on its standard input as one JSON
 * object, since a password does not belong among a process's arguments.
 */

import { clickhouseHandler } from "./clickhouse_http.ts";
import { openEngine } from "./clickhouse_library.ts";
import { portTakenLine, type ProgramSettings, readyLine } from "./clickhouse_settings.ts";

async function main(): Promise<void> {
  const settings: ProgramSettings = JSON.parse(await new Response(Deno.stdin.readable).text());
  const { port, user, password, limits } = settings;
  const engine = await openEngine(settings.library, [
    "clickhouse",
    `--path=${settings.data}`,
    `--config-file=${settings.config}`,
  ], settings.owner);

  let server: Deno.HttpServer;
  try {
    server = Deno.serve({
      hostname: "127.0.0.1",
      port,
      onListen: () => say(readyLine),
      onError(error) {
        say(`answering failed: ${error}`);
        return new Response("Code: 1001. DB::Exception: answering failed\n", { status: 500 });
      },
    }, clickhouseHandler(engine, { user, password, limits }));
  } catch (error) {
    say(error instanceof Deno.errors.AddrInUse ? portTakenLine : String(error));
    await engine.close();
    Deno.exit(1);
  }
  const stop = async () => {
    // What runs may end; what does not is repeated by who asked for it.
    const end = setTimeout(() => void server.shutdown().catch(() => {}), 0); // it may have ended
    await Promise.race([server.finished, new Promise((done) => setTimeout(done, drainMsMax))]);
    clearTimeout(end);
    await Promise.race([engine.close(), new Promise((done) => setTimeout(done, closeMsMax))]);
    Deno.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => void stop());
  }
}

const drainMsMax = 2000;
/** Closing waits for statements that cannot be ended; what was acknowledged is written already. */
const closeMsMax = 5000;

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) {
  await main().catch((error) => {
    say(String(error));
    Deno.exit(1);
  });
}
