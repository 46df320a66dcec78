/** ClickHouse as a destination of tests: a database of its own, behind a door that can be shut. */

import { EventColumns, stampPositions } from "../../lib/arrow/event_columns.ts";
import { type EventBatch, readEventBatch } from "../../lib/arrow/joined_batches.ts";
import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../lib/clickhouse/migrate.ts";
import { EVENTS } from "../../lib/clickhouse/tables.ts";
import { type EntityEvent, writeEvent } from "../../lib/events/entity_event.ts";
import { Scan, scanEvents } from "../../lib/events/event_scanner.ts";
import { limits } from "../../lib/limits.ts";
import { testClickhouse } from "../services/clickhouse.ts";

/** No event of a test is too old. */
export const retentionDays = 36_500;

/** A database with the tables of events. */
export async function clickhouseWithTables(): Promise<Clickhouse> {
  const clickhouse = await (await testClickhouse()).createDatabase();
  await migrateClickhouse(clickhouse, { retentionDays });
  return clickhouse;
}

/** The same database by another way, which can be shut: nobody answers then. */
export class Door {
  readonly port: number;
  private server: Deno.HttpServer;

  constructor(private readonly inner: Clickhouse) {
    this.server = this.listen(0);
    this.port = (this.server.addr as Deno.NetAddr).port;
  }

  client(): Clickhouse {
    const origin = `http://127.0.0.1:${this.port}`;
    return connectClickhouse({ ...this.inner.settings, origin }, limits());
  }

  shut(): Promise<void> {
    return this.server.shutdown();
  }

  open(): void {
    this.server = this.listen(this.port);
  }

  private listen(port: number): Deno.HttpServer {
    const { origin } = this.inner.settings;
    return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "POST" ? await request.arrayBuffer() : null;
      return await fetch(`${origin}${pathname}${search}`, { method, headers, body });
    });
  }
}

/** Ids of the events that are seen, each as often as it is. */
export async function storedIds(clickhouse: Clickhouse): Promise<string[]> {
  const rows = await clickhouse.rows<{ id: string }>(`SELECT event_id AS id FROM ${EVENTS}`);
  return rows.map(({ id }) => id);
}

/** A batch as the bridge makes it. */
export function batchOf(all: readonly EntityEvent[], sequence = 1): EventBatch {
  return readEventBatch(batchBytes(all, sequence));
}

export function batchBytes(
  all: readonly EntityEvent[],
  sequence = 1,
): Uint8Array<ArrayBuffer> {
  const bytes = 32 * 1024 * 1024;
  const columns = new EventColumns({ rows: 16_384, bytes, rowBytes: bytes });
  const lines = new TextEncoder().encode(all.map(writeEvent).join("\n") + "\n");
  const scan = new Scan(lines);
  if (!scanEvents(columns, scan, null) || scan.refused.length > 0) throw new Error("refused");
  const { rows } = columns;
  const stream = columns.take();
  stampPositions(stream, rows, 1, sequence);
  return stream;
}
