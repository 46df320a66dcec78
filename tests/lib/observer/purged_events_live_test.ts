import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { EventSums } from "../../../lib/events/event_sums.ts";
import { forgetPurged, readPurged, writePurged } from "../../../lib/observer/purged_events.ts";
import { testPostgres } from "../../services/postgres.ts";
import { testNats } from "../../services/nats.ts";
import { Observed } from "./observed.ts";

const server = await testPostgres();
await testNats();

const table = { sql: "create table t (id int primary key)", tables: ["t"] };
const hashMax = 2n ** 64n - 1n;

/** Sums of a purge: two hours that every purge has, and one of its own. */
function sumsOf(n: number): EventSums {
  const sums = new EventSums();
  sums.add("Order", "2026-01-01T00", n, hashMax - BigInt(n));
  sums.add("Order line", "2026-01-01T00", 1, BigInt(n));
  sums.add("Order", `2026-02-${String(n % 28 + 1).padStart(2, "0")}T00`, 1, 7n);
  return sums;
}

const rowsOf = async ({ connection }: Observed) =>
  Number((await connection.query("select count(*) from fraiseql.purged_events"))[0]?.[0]);

const plain = (sums: EventSums) => sums.keys().sort().map((key) => [key, sums.get(key)]);

Deno.test("writePurged() keeps no more rows than hours and a day of purges have, with the same sums", async () => {
  await Observed.run(server, table, async (observed) => {
    const { connection } = observed;
    const wanted = new EventSums();
    for (let n = 1; n <= 200; n++) {
      const sums = sumsOf(n);
      await writePurged(connection, "a", 10 * n, sums);
      for (const key of sums.keys()) {
        const { count, hash } = sums.get(key);
        wanted.add(key.slice(14), key.slice(0, 13), count, hash);
      }
    }
    const { sequence, sums } = await readPurged(connection, "a", null);
    equal(sequence, 2000);
    deepEqual(plain(sums), plain(wanted));
    equal(await rowsOf(observed), 2 + 28 + 24 * 3);
    // Counted already, by another publisher.
    await writePurged(connection, "a", 1990, sumsOf(199));
    equal((await readPurged(connection, "a", null)).sums.events, wanted.events);
  });
});

Deno.test("forgetPurged() takes the last purges alone, where the stream lost its end", async () => {
  await Observed.run(server, table, async (observed) => {
    const { connection } = observed;
    const kept = new EventSums();
    for (let n = 1; n <= 100; n++) {
      const sums = sumsOf(n);
      await writePurged(connection, "a", 10 * n, sums);
      if (n > 80) continue;
      for (const key of sums.keys()) {
        const { count, hash } = sums.get(key);
        kept.add(key.slice(14), key.slice(0, 13), count, hash);
      }
    }
    await forgetPurged(connection, "a", 805);
    const { sequence, sums } = await readPurged(connection, "a", null);
    equal(sequence, 800);
    deepEqual(plain(sums), plain(kept));
    await forgetPurged(connection, "b", 805);
    equal(await rowsOf(observed), 0);
  });
});
