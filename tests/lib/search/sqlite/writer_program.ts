/**
 * Writes events into the embedded store until it is killed, and says after each call how many are
 * stored: `writer_program.ts <folder> <from> <to> <events of a call>`. What the store throws it says
 * too, and goes on with the same events.
 */

import { setTimeout as delay } from "node:timers/promises";
import { sqliteIndex } from "../../../../lib/search/sqlite/sqlite_index.ts";
import { indexed } from "../../../contracts/search_events.ts";

const [folder = "", ...numbers] = Deno.args;
const [from = 0, to = 0, size = 1] = numbers.map(Number);
const index = sqliteIndex({ folder, columns: ["total"], retentionDays: 90 });
const signal = new AbortController().signal;

for (let n = from; n < to;) {
  const count = Math.min(size, to - n);
  const events = Array.from({ length: count }, (_, i) => storable(n + i));
  try {
    await index.write(events, signal);
    n += count;
    say(`stored ${n}`);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AppError") throw error;
    say(`failed ${JSON.stringify(error)} ${error.message}`);
    await delay(100);
  }
}
await index.close();

/** The event of a number, the same each time. */
function storable(n: number) {
  const note = `note ${n} of order ${n % 100} with words that take some room ${n * 7} ${n * 13}`;
  return indexed(n, { number: n, total: n / 100, status: n % 3 ? "paid" : "failed", note });
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
