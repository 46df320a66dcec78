/** Reads of events for the query path: rows that ClickHouse writes as PostgreSQL would. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { EventStore } from "../query/event_store.ts";
import { joined } from "./body.ts";
import type { Clickhouse } from "./client.ts";

type StoreLimits = Pick<Limits, "rowBytesMax" | "clickhouseQuerySecondsMax">;

/** `find` gives the client, or null as long as there is no ClickHouse to ask. */
export function eventStore(
  find: () => Clickhouse | null | Promise<Clickhouse | null>,
  limits: StoreLimits,
): EventStore {
  return {
    async *rows({ text }, { signal, secondsMax }) {
      const clickhouse = await find();
      if (!clickhouse) {
        throw new AppError("UNAVAILABLE", "ClickHouse, which holds events, is not there yet", {
          hint: "try again in a moment; /readiness tells what is missing",
          retryAfterSeconds: 1,
        });
      }
      const rows = new Rows(limits.rowBytesMax);
      const pieces = clickhouse.blob(text, (tail) => rows.endsWith(tail), {
        signal,
        settings: {
          max_execution_time: Math.min(secondsMax, limits.clickhouseQuerySecondsMax),
          // The values of the query stand in the statement.
          max_query_size: text.length * 4 + 1024,
          cancel_http_readonly_queries_on_client_close: 1,
        },
      });
      for await (const piece of pieces) {
        const chunk = rows.push(piece);
        if (chunk) yield chunk;
      }
    },
  };
}

/** Pieces of any length -> whole rows. */
class Rows {
  /** The beginning of a row whose end has not come. */
  #held: Uint8Array<ArrayBuffer>[] = [];
  #heldBytes = 0;
  /** Of the row that is held; 0 where its head has not come. */
  #wanted = 0;

  constructor(private readonly rowBytesMax: number) {}

  push(piece: Uint8Array<ArrayBuffer>): RowChunk | null {
    this.#held.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes < Math.max(this.#wanted, headBytes)) return null;
    const bytes = this.#held.length === 1 ? piece : joined(this.#held);
    const { end, wanted } = this.#walk(bytes);
    this.#wanted = wanted;
    this.#held = end < bytes.length ? [bytes.subarray(end)] : [];
    this.#heldBytes = bytes.length - end;
    return end === 0 ? null : { statement: 0, bytes, start: 0, end };
  }

  /** Whether what is held and these bytes are whole rows. */
  endsWith(tail: Uint8Array): boolean {
    const bytes = joined([...this.#held, tail]);
    return isRow(bytes, 0) && this.#walk(bytes).end === bytes.length;
  }

  /** The end of the last whole row, and the length of the one behind it. */
  #walk(bytes: Uint8Array): { readonly end: number; readonly wanted: number } {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let end = 0;
    while (bytes.length - end >= headBytes) {
      if (!isRow(bytes, end)) return { end, wanted: 0 };
      const length = 1 + view.getInt32(end + 1);
      if (length > this.rowBytesMax) {
        throw new AppError("TOO_LARGE", `a row of ${length} bytes, at most ${this.rowBytesMax}`, {
          hint: "select fewer columns, or raise the limit row_bytes_max",
        });
      }
      if (length < headBytes || length > bytes.length - end) return { end, wanted: length };
      end += length;
    }
    return { end, wanted: 0 };
  }
}

/** A row's letter and length. */
const headBytes = 5;

function isRow(bytes: Uint8Array, at: number): boolean {
  return at === bytes.length || bytes[at] === 68;
}
