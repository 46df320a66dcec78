import { rejects, strictEqual as equal } from "node:assert/strict";
import { eventStore } from "../../../lib/clickhouse/event_store.ts";
import { limits } from "../../../lib/limits.ts";
import { testClickhouse } from "../../services/clickhouse.ts";

const server = await testClickhouse();

/** Rows without columns, each of which takes a while. */
const slow = {
  source: "events",
  text: "SELECT unhex('44000000060000') FROM numbers(1000) WHERE sleepEachRow(0.1) = 0 " +
    "SETTINGS max_block_size = 1",
} as const;

Deno.test("eventStore() is TIMEOUT where ClickHouse takes longer than the limit", async () => {
  const clickhouse = await server.createDatabase();
  const { signal } = new AbortController();
  const rows = eventStore(() => clickhouse, limits()).rows(slow, { signal, secondsMax: 1 });
  await rejects(Array.fromAsync(rows), { code: "TIMEOUT" });
});

Deno.test("eventStore() ends the statement in ClickHouse when the reader is gone", async () => {
  const clickhouse = await server.createDatabase();
  const gone = new AbortController();
  const options = { signal: gone.signal, secondsMax: 100 };
  const read = Array.fromAsync(eventStore(() => clickhouse, limits()).rows(slow, options));
  const running = async () => {
    const rows = await clickhouse.rows<{ n: string }>(
      "SELECT count() AS n FROM system.processes WHERE query LIKE '%sleepEachRow(0.1)%' " +
        "AND query NOT LIKE '%system.processes%'",
    );
    return Number(rows[0]?.n) > 0;
  };
  while (!await running());
  gone.abort();
  await rejects(read, { code: "CANCELLED" });
  while (await running());
  equal(await running(), false);
});
