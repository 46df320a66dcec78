/**
 * Searches the embedded store until its input ends, and says how often: `reader_program.ts <folder>
 * <column>`. Each answer is checked: events come in calls of a fixed size, the newest of what is
 * there are all there, and there are never fewer than before.
 */

import { limits } from "../../../../lib/limits.ts";
import { openSqliteSearch } from "../../../../lib/search/sqlite/sqlite_search.ts";
import { query } from "../../../contracts/search_events.ts";

const [folder = "", size = "1"] = Deno.args;
const store = openSqliteSearch({ folder, limits: limits() });
const options = { signal: new AbortController().signal, secondsMax: 60 };

let isEnding = false;
const ended = Deno.stdin.readable.pipeTo(new WritableStream()).then(() => isEnding = true);

let [searches, before] = [0, 0];
while (!isEnding) {
  const { hits, total } = await store.search(query("order", { first: 50 }), options);
  if (total === null || total % Number(size) !== 0) throw new Error(`${total} are no whole calls`);
  if (total < before) throw new Error(`${total} are fewer than ${before}`);
  const wanted = Array.from({ length: Math.min(50, total) }, (_, i) => String(total - 1 - i));
  const found = hits.map(({ event }) => event.entityId);
  if (found.join() !== wanted.join()) throw new Error(`${found} are not the newest of ${total}`);
  [searches, before] = [searches + 1, total];
}
await ended;
await store.close();
Deno.stdout.writeSync(new TextEncoder().encode(`${searches} searches, ${before} events\n`));
