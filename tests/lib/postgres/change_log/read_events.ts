/** Windows of the change log as events that a test can look at. */

import { readWindow, type Window } from "../../../../lib/postgres/change_log.ts";
import { COLUMN, EventRow } from "../../../../lib/postgres/change_log/event_row.ts";
import type { Connection } from "../../../../lib/postgres/connection.ts";

export interface LoggedEvent {
  readonly position: bigint;
  readonly eventId: string;
  readonly entityType: string;
  /** The event as JSON, without a line end. */
  readonly line: string;
  readonly traceparent: string | null;
  /** Null for a captured write. */
  readonly origin: string | null;
}

/** The window's events, one by one. */
export async function* readEvents(
  connection: Connection,
  window: Window,
): AsyncGenerator<LoggedEvent> {
  const [settings] = await connection.query("select database_bits from fraiseql.capture_settings");
  const row = new EventRow(Number(settings?.[0]));
  for await (const { bytes, start, end } of readWindow(connection, window)) {
    for (let at = start; at < end;) {
      at = row.read(bytes, at);
      const into = new Uint8Array(row.lineBytesMax);
      const line = decoder.decode(into.subarray(0, row.writeLine(into, 0)));
      if (!line.endsWith("\n")) throw new Error(`a line without an end: ${line}`);
      yield {
        position: BigInt(row.position),
        eventId: JSON.parse(line).id,
        entityType: row.text(COLUMN.entityType) ?? "",
        line: line.slice(0, -1),
        traceparent: row.text(COLUMN.traceparent),
        origin: row.text(COLUMN.origin),
      };
    }
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
