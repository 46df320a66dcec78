/** A database whose tables are captured, and the events that were since. */

import { limits } from "../../../../lib/limits.ts";
import { currentSnapshot, type Snapshot } from "../../../../lib/postgres/change_log.ts";
import { addCaptures, type CaptureRequest } from "../../../../lib/postgres/change_log/capture.ts";
import { findTable } from "../../../../lib/postgres/change_log/find_tables.ts";
import {
  type CaptureSettings,
  migrateChangeLog,
  openRegistry,
} from "../../../../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../../../../lib/postgres/connection.ts";
import { type LoggedEvent, readEvents } from "./read_events.ts";
import type { EventLine } from "./replay.ts";

export const settings = (
  some: Partial<CaptureSettings["limits"]> = {},
  changeLogFull: CaptureSettings["changeLogFull"] = "stop-capturing",
): CaptureSettings => ({ limits: limits(some), changeLogFull });

/** A capture with nothing particular asked for. */
export const plainCapture: Omit<CaptureRequest, "table" | "entityType"> = {
  key: null,
  only: null,
  except: [],
  userColumn: null,
  orgColumn: null,
  timestampColumn: null,
};

/** Captures the tables, each as an entity type of its own name. */
export async function captured(
  url: string,
  tables: readonly string[],
  how: Partial<CaptureRequest> = {},
): Promise<void> {
  const connection = await connect({ url });
  await migrateChangeLog(connection, settings());
  await openRegistry(connection);
  for (const name of tables) {
    await addCaptures(connection, [{
      table: await findTable(connection, name, ["public"]),
      entityType: name,
      ...plainCapture,
      ...how,
    }]);
  }
  await connection.close();
}

export interface Since {
  readonly events:
    (Omit<LoggedEvent, "line"> & { readonly line: EventLine; readonly text: string })[];
  readonly to: Snapshot;
}

/** All events between the snapshot and now. */
export async function eventsSince(connection: Connection, from: Snapshot): Promise<Since> {
  const to = await currentSnapshot(connection);
  const events: Since["events"] = [];
  const window = { from, to, position: 0n };
  for await (const event of readEvents(connection, window)) {
    events.push({ ...event, text: event.line, line: JSON.parse(event.line) });
  }
  return { events, to };
}
