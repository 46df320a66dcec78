/** Messages of FRAISEQL_BATCHES -> inserts into ClickHouse. */

import { createHash } from "node:crypto";
import {
  type EventBatch,
  eventIds,
  eventMonths,
  readEventBatch,
  someRows,
  toEventStream,
} from "../lib/arrow/joined_batches.ts";
import { BATCH_HEADER, CONTENT_TYPE } from "../lib/events/names.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import type { Encoded } from "./sink.ts";

/** One IPC stream, and what names it: a hash of its event ids. */
export interface Insert {
  readonly pieces: readonly Uint8Array<ArrayBuffer>[];
  readonly token: string;
}

export interface ClickhousePayload {
  /** Most often one. */
  readonly inserts: readonly Insert[];
  /** Of them are stored already. */
  stored: number;
  /** Messages with rows: one that is alone can be refused. */
  readonly messages: number;
}

/** Throws `BAD_INPUT` where a message is no batch of the bridge. */
export function encodeBatches(
  messages: readonly EventMessage[],
  monthsMax: number,
): Encoded<ClickhousePayload> {
  const withRows = messages.filter((message) => message.header(BATCH_HEADER.rows) !== "0");
  const batches = withRows.map(({ data }) => readEventBatch(data));
  return {
    payload: toPayload(batches, monthsMax),
    rows: batches.reduce((sum, { rows }) => sum + rows, 0),
    refused: [],
    part: () => {
      const [message] = withRows;
      if (!message) throw new Error("a payload without rows has no parts");
      return { message, index: 0, data: message.data, contentType: CONTENT_TYPE.arrow };
    },
  };
}

/** The batches as inserts of at most so many months each; null where there are no rows. */
export function toPayload(
  batches: readonly EventBatch[],
  monthsMax: number,
): ClickhousePayload | null {
  const inserts = inMonths(batches.filter(({ rows }) => rows > 0), monthsMax).map(toInsert);
  return inserts.length > 0 ? { inserts, stored: 0, messages: batches.length } : null;
}

function toInsert(batches: readonly EventBatch[]): Insert {
  const hash = createHash("sha256");
  for (const batch of batches) hash.update(eventIds(batch));
  return { pieces: toEventStream(batches), token: hash.digest("hex") };
}

/**
 * Divides the batches so that no part has more months than that: ClickHouse makes a file of each
 * month in an insert. The same for the same batches.
 */
function inMonths(batches: readonly EventBatch[], monthsMax: number): EventBatch[][] {
  const parts: { readonly batches: EventBatch[]; months: Set<number> }[] = [];
  for (const batch of batches) {
    for (const { part, months } of cut(batch, monthsMax)) {
      const last = parts.at(-1);
      const together = last && last.months.union(months);
      if (together && together.size <= monthsMax) {
        last.batches.push(part);
        last.months = together;
      } else parts.push({ batches: [part], months });
    }
  }
  return parts.map(({ batches }) => batches);
}

/** The batch itself, or its rows by month where it has too many of them. */
function cut(
  batch: EventBatch,
  monthsMax: number,
): { readonly part: EventBatch; readonly months: Set<number> }[] {
  const months = eventMonths(batch);
  const all = new Set(months);
  if (all.size <= monthsMax) return [{ part: batch, months: all }];
  const sorted = [...all].sort((a, b) => a - b);
  const parts: { part: EventBatch; months: Set<number> }[] = [];
  for (let i = 0; i < sorted.length; i += monthsMax) {
    const some = new Set(sorted.slice(i, i + monthsMax));
    const rows = Array.from(months.keys()).filter((row) => some.has(months[row]!));
    parts.push({ part: someRows(batch, rows), months: some });
  }
  return parts;
}
