/** An insert of 10,000 events: the sink's own way beside the same bytes by a bare client. */

import { EventColumns } from "../lib/arrow/event_columns.ts";
import { readEventBatch } from "../lib/arrow/joined_batches.ts";
import { Scan, scanEvents } from "../lib/events/event_scanner.ts";
import { ClickhouseSink } from "../sinks/clickhouse_sink.ts";
import { toPayload } from "../sinks/clickhouse_encode.ts";
import { insertBare } from "./clickhouse_bare.ts";
import type { LineStage } from "./line_stage.ts";
import { shopEvents } from "./shop_events.ts";

export type Way = "sink" | "bare";

/** Milliseconds of each insert, until ClickHouse has answered that it is stored. */
export type InsertTimes = Readonly<Record<Way, number[]>>;

/** One insert after the other, both ways by turns. */
export async function measureInserts(line: LineStage, inserts: number): Promise<InsertTimes> {
  const { clickhouse } = line;
  const { signal } = new AbortController();
  const sink = new ClickhouseSink({ clickhouse, retentionDays: 90 });
  await sink.connect(signal);
  const ways: Record<Way, (data: Uint8Array<ArrayBuffer>) => Promise<void>> = {
    async sink(data) {
      const payload = toPayload([readEventBatch(data)], 50);
      if (payload === null) throw new Error("a batch without rows");
      await sink.write(payload, signal);
    },
    bare: (data) => insertBare(clickhouse.settings, [data], crypto.randomUUID()),
  };
  const times: InsertTimes = { sink: [], bare: [] };
  const order: Way[] = ["sink", "bare"];
  for (let n = -warmUp; n < inserts; n++) {
    for (const way of n % 2 === 0 ? order : order.toReversed()) {
      const data = batch();
      const began = performance.now();
      await ways[way](data);
      if (n >= 0) times[way].push(performance.now() - began);
    }
  }
  return times;
}

/** The first inserts load code. */
const warmUp = 5;
const rows = 10_000;
const bytes = 8 * 1024 * 1024;
const columns = new EventColumns({ rows, bytes, rowBytes: bytes });
let made = 0;

/** As the bridge makes it, of events that were in none before. */
function batch(): Uint8Array<ArrayBuffer> {
  const lines = new TextEncoder().encode(shopEvents(made, rows).join("\n") + "\n");
  made += rows;
  scanEvents(columns, new Scan(lines), null);
  return columns.take();
}
