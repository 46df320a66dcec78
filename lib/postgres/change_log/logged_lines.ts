/** Events of the change log as lines, for whoever takes them once more. */

import type { LoggedRows } from "../change_log.ts";
import type { Connection } from "../connection.ts";
import { EventRow } from "./event_row.ts";

/** What the rows are as events, many lines at once; a single one can be larger than that. */
export async function* loggedLines(
  connection: Connection,
  rows: AsyncIterable<LoggedRows>,
): AsyncGenerator<Uint8Array> {
  const [settings] = await connection.query("select database_bits from fraiseql.capture_settings");
  const row = new EventRow(Number(settings?.[0]));
  let buffer = new Uint8Array(piecesBytes);
  let size = 0;
  for await (const { bytes, start, end } of rows) {
    for (let at = start; at < end;) {
      at = row.read(bytes, at);
      const room = row.lineBytesMax;
      if (size > 0 && size + room > buffer.length) {
        yield buffer.subarray(0, size);
        [buffer, size] = [new Uint8Array(Math.max(piecesBytes, room)), 0];
      } else if (room > buffer.length) buffer = new Uint8Array(room);
      size = row.writeLine(buffer, size);
    }
  }
  if (size > 0) yield buffer.subarray(0, size);
}

/** Some thousand events. */
const piecesBytes = 4 * 1024 * 1024;
