import { ok } from "node:assert/strict";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../lib/clickhouse/tables.ts";
import { storedEvent, toArrowStream } from "../lib/clickhouse/arrow_events.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import { fencedBlocks } from "./examples.ts";

const server = await testClickhouse();
const clickhouse = await server.createDatabase();
await migrateClickhouse(clickhouse, { retentionDays: 90 });
const now = BigInt(Date.now()) * 1000n;
const events = [
  storedEvent({ timestamp: now, data: '{"total":"12.50","region":"north"}', user_id: "u" }),
  storedEvent({
    timestamp: now,
    entity_type: "OrderItem",
    data: '{"product_id":1,"quantity":2,"price":"3.50"}',
  }),
];
await clickhouse.insertArrow(EVENTS_DATA, toArrowStream(events), { token: "events" });

const text = await Deno.readTextFile(new URL("../../docs/clickhouse.md", import.meta.url));
for (const { language, text: sql, line } of fencedBlocks(text)) {
  if (language !== "sql") continue;
  Deno.test(`docs/clickhouse.md: the question in line ${line} has an answer`, async () => {
    ok((await clickhouse.rows(sql)).length > 0);
  });
}
