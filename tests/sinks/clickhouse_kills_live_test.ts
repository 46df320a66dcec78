/**
 * The sink and ClickHouse are killed at random moments while events come. More kills, other moments:
 * FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { connectClickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { keepClickhouse } from "../../lib/embedded/clickhouse_keep.ts";
import { limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { events } from "../lib/events/events.ts";
import { randomOf } from "../lib/random.ts";
import { type Program, run } from "../serve/serve.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "./bridged.ts";
import { retentionDays } from "./clickhouse_stored.ts";

await testNats();

const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 6);

Deno.test(`sink clickhouse loses no event and shows none twice through ${kills} kills`, async () => {
  const dir = await Deno.makeTempDir({ prefix: "fraiseql-sink-" });
  const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
  const log = createLog("error", () => {});
  const engine = await keepClickhouse({ dataDir: dir, log, limits: limits(), inUseMsMax: 5000 });
  const clickhouse = connectClickhouse(readClickhouseUrl(engine.url), limits());
  await migrateClickhouse(clickhouse, { retentionDays });
  await Bridged.run(async (bridged) => {
    const env = {
      FRAISEQL_NATS_URL: bridged.url,
      FRAISEQL_CLICKHOUSE_URL: engine.url,
      FRAISEQL_EVENT_RETENTION_DAYS: String(retentionDays),
      FRAISEQL_LOG_LEVEL: "error",
      FRAISEQL_LIMITS_RETRY_WAIT_MS_MAX: "500",
      // Small inserts, so that there are many moments to be killed at.
      FRAISEQL_LIMITS_PULL_MESSAGES_MAX: "3",
    };
    let program: Program = run(["sink", "clickhouse"], env);
    bridged.bridge({ batchRowsMax: 50 });
    await program.said(/at work/);
    const all = events(0, 20_000);
    const publishing = (async () => {
      for (let i = 0; i < all.length; i += 500) {
        await bridged.publish(all.slice(i, i + 500));
        await delay(200 * random());
      }
    })();
    for (let n = 0; n < kills; n++) {
      await delay(300 + random() * 700);
      const pid = engine.pid();
      if (n % 2 === 0) {
        program.signal("SIGKILL");
        await program.ended;
        program = run(["sink", "clickhouse"], env);
        await program.said(/at work|waiting/);
      } else if (pid !== null) Deno.kill(pid, "SIGKILL");
    }
    await publishing;
    const counted = async () => {
      const sql = "SELECT count() AS rows FROM fraiseql_events";
      // ClickHouse may not be back.
      const rows = await clickhouse.rows<{ rows: string }>(sql).catch(() => []);
      return Number(rows[0]?.rows ?? 0);
    };
    while (await counted() < all.length) {
      await delay(100);
      if (program.stderr().includes("fraiseql:")) throw new Error(program.stderr());
    }
    const rows = await clickhouse.rows<{ id: string }>(
      "SELECT event_id AS id FROM fraiseql_events ORDER BY position",
    );
    deepEqual(rows.map(({ id }) => id), all.map(({ id }) => id));
    deepEqual(
      await clickhouse.rows("SELECT event_count, unique_entities FROM fraiseql_events_hourly"),
      [{ event_count: "20000", unique_entities: "20000" }],
    );
    deepEqual(
      await clickhouse.rows("SELECT event_count, share FROM fraiseql_event_type_stats"),
      [{ event_count: "20000", share: 1 }],
    );
    equal(await program.stop(), 0, program.stderr());
  });
  await engine.stop();
  await Deno.remove(dir, { recursive: true });
});
