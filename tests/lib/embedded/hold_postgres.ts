/**
 * A program that holds an embedded PostgreSQL, for tests that kill it: says each step, then
 * `ready <url>` or `failed <message> | <hint>`, and stops at the end of its input.
 */

import { AppError } from "../../../lib/errors.ts";
import { startPostgres } from "../../../lib/embedded/postgres.ts";
import { createLog } from "../../../lib/log.ts";

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

try {
  const server = await startPostgres({
    dataDir: Deno.args[0] ?? "",
    log: createLog("error"),
    durable: false,
    onProgress: say,
  });
  say(`ready ${server.url}`);
  while (await Deno.stdin.read(new Uint8Array(1024)) !== null);
  await server.stop();
} catch (error) {
  if (!(error instanceof AppError)) throw error;
  say(`failed ${error.message} | ${error.hint}`);
}
