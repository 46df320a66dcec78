/** The sink on a real ClickHouse engine: the contract of every sink, and what it alone can do. */

import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { EventColumns } from "../../lib/arrow/event_columns.ts";
import { readEventBatch } from "../../lib/arrow/joined_batches.ts";
import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import type { EntityEvent } from "../../lib/events/entity_event.ts";
import { Scan, scanEvents } from "../../lib/events/event_scanner.ts";
import { CONTENT_TYPE, SUBJECT } from "../../lib/events/names.ts";
import type { EventMessage } from "../../lib/events/puller.ts";
import { limits } from "../../lib/limits.ts";
import { type ClickhousePayload, toPayload } from "../../sinks/clickhouse_encode.ts";
import { ClickhouseSink } from "../../sinks/clickhouse_sink.ts";
import type { Encoded, RefusedPart } from "../../sinks/sink.ts";
import { testSink } from "../contracts/sink.ts";
import { event, events } from "../lib/events/events.ts";
import { testClickhouse } from "../services/clickhouse.ts";
import {
  batchOf,
  clickhouseWithTables,
  Door,
  retentionDays,
  storedIds,
} from "./clickhouse_stored.ts";

await testClickhouse();

testSink<ClickhousePayload>("ClickhouseSink", {
  kinds: ["recorded"],
  async make() {
    const clickhouse = await clickhouseWithTables();
    const door = new Door(clickhouse);
    let isOpen = true;
    const shut = async () => {
      if (isOpen) await door.shut();
      isOpen = false;
    };
    return {
      sink: () => new ClickhouseSink({ clickhouse: door.client(), retentionDays }),
      encode: encodeLines,
      storedIds: () => storedIds(clickhouse),
      down: shut,
      up() {
        door.open();
        isOpen = true;
        return Promise.resolve();
      },
      close: shut,
    };
  },
});

/** Each message as a batch, which the bridge makes otherwise. */
function encodeLines(messages: readonly EventMessage[]): Encoded<ClickhousePayload> {
  const refused: RefusedPart[] = [];
  const batches = messages.filter(({ subject }) => subject !== SUBJECT.checkpoint)
    .flatMap((message) => {
      const bytes = 8 * 1024 * 1024;
      const columns = new EventColumns({ rows: 1000, bytes, rowBytes: bytes });
      const scan = new Scan(message.data);
      scanEvents(columns, scan, null);
      refused.push(...scan.refused.map(({ line: index, bytes: data, reason }) => ({
        reason,
        part: { message, index, data, contentType: CONTENT_TYPE.json },
      })));
      return columns.rows > 0 ? [readEventBatch(columns.take())] : [];
    });
  return {
    payload: toPayload(batches, 50),
    rows: batches.reduce((sum, { rows }) => sum + rows, 0),
    refused,
    part: () => {
      throw new Error("ClickHouse refuses none of them");
    },
  };
}

Deno.test("ClickhouseSink stores batches that number their entity types differently as one insert", async () => {
  const clickhouse = await clickhouseWithTables();
  const types = [["Order", "User"], ["User", "Item", "Order"], ["Item"], ["Order", "User"]];
  const all = types.map((some, i) =>
    events(100 * i, 100 * i + 60).map((one, k) => ({ ...one, entityType: some[k % some.length]! }))
  );
  const payload = toPayload(all.map((some, i) => batchOf(some, i + 1)), 50);
  equal(payload?.inserts.length, 1);
  await write(clickhouse, payload);
  const rows = await clickhouse.rows<{ id: string; type: string }>(
    "SELECT event_id AS id, entity_type AS type FROM fraiseql_events ORDER BY position",
  );
  deepEqual(rows, all.flat().map(({ id, entityType: type }) => ({ id, type })));
});

Deno.test("ClickhouseSink stores every column as it was", async () => {
  const clickhouse = await clickhouseWithTables();
  await write(
    clickhouse,
    toPayload([
      batchOf([event(0, { userId: "u", data: '{"a":"\u00fc\\n"}' })], 6),
      batchOf([
        event(1, {
          eventType: "Deleted",
          entityId: '["1","\u2603"]',
          timestamp: "2026-02-03T04:05:06.789012Z",
          orgId: "o",
        }),
      ], 7),
    ], 50),
  );
  deepEqual(await clickhouse.rows("SELECT * FROM fraiseql_events ORDER BY position"), [
    {
      event_id: event(0).id,
      event_type: "Created",
      entity_type: "Order",
      entity_id: "0",
      timestamp: "2026-01-01 00:00:00.000000",
      data: '{"a":"\u00fc\\n"}',
      user_id: "u",
      org_id: null,
      position: String((1n << 54n) + (6n << 14n)),
    },
    {
      event_id: event(1).id,
      event_type: "Deleted",
      entity_type: "Order",
      entity_id: '["1","\u2603"]',
      timestamp: "2026-02-03 04:05:06.789012",
      data: '{"id":1}',
      user_id: null,
      org_id: "o",
      position: String((1n << 54n) + (7n << 14n)),
    },
  ]);
});

/** One event a month, most of them before 1970. */
function monthly(count: number): EntityEvent[] {
  return events(0, count).map((one, i) => {
    const month = String(i % 12 + 1).padStart(2, "0");
    const timestamp = `${1960 + Math.floor(i / 12)}-${month}-28T00:00:00.000000Z`;
    return { ...one, timestamp, orgId: i % 3 === 0 ? null : "o", data: `{"n":"${"x".repeat(i)}"}` };
  });
}

Deno.test("ClickhouseSink divides a batch of more than 50 months, and stores all of it", async () => {
  const clickhouse = await clickhouseWithTables();
  const all = monthly(120);
  const payload = toPayload([batchOf(all)], 50);
  equal(payload?.inserts.length, 3);
  await write(clickhouse, payload);
  const rows = await clickhouse.rows<Record<string, string>>(
    "SELECT event_id, org_id, data, toString(timestamp) AS at FROM fraiseql_events ORDER BY position",
  );
  deepEqual(
    rows.map(({ event_id, org_id, data, at }) => [event_id, org_id, data, at]),
    all.map(({ id, orgId, data, timestamp }) => [
      id,
      orgId,
      data,
      timestamp.replace("T", " ").replace("Z", ""),
    ]),
  );
});

Deno.test("toPayload() keeps 50 months in one insert, and makes two of 51", () => {
  equal(toPayload([batchOf(monthly(50))], 50)?.inserts.length, 1);
  equal(toPayload([batchOf(monthly(51))], 50)?.inserts.length, 2);
  const months = monthly(51);
  const apart = toPayload([batchOf(months.slice(0, 30)), batchOf(months.slice(30))], 50);
  equal(apart?.inserts.length, 2);
});

Deno.test("toPayload() gives an insert the same token for the same events, and another for others", () => {
  const token = (some: readonly EntityEvent[]) => toPayload([batchOf(some)], 50)?.inserts[0]?.token;
  equal(token(events(0, 5)), token(events(0, 5)));
  ok(token(events(0, 5)) !== token(events(0, 6)));
});

Deno.test("ClickhouseSink waits, and refuses no data, while its tables are gone or other ones", async () => {
  const clickhouse = await clickhouseWithTables();
  await clickhouse.command("DROP TABLE fraiseql_events_data");
  await rejects(write(clickhouse, toPayload([batchOf(events(0, 1))], 50)), { code: "NOT_FOUND" });
  await clickhouse.command(
    "CREATE TABLE fraiseql_events_data (event_id Array(UUID)) ENGINE = MergeTree ORDER BY ()",
  );
  await rejects(write(clickhouse, toPayload([batchOf(events(0, 1))], 50)), { code: "UNAVAILABLE" });
});

Deno.test("ClickhouseSink waits where its password is not taken any more", async () => {
  const { settings } = await clickhouseWithTables();
  const other = connectClickhouse({ ...settings, password: "wrong" }, limits());
  await rejects(write(other, toPayload([batchOf(events(0, 1))], 50)), { code: "UNAVAILABLE" });
  const sink = new ClickhouseSink({ clickhouse: other, retentionDays });
  await rejects(sink.connect(new AbortController().signal), { code: "UNAUTHENTICATED" });
});

async function write(clickhouse: Clickhouse, payload: ClickhousePayload | null): Promise<void> {
  ok(payload);
  const sink = new ClickhouseSink({ clickhouse, retentionDays });
  deepEqual(await sink.write(payload, new AbortController().signal), []);
}
