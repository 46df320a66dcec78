/**
 * Lines of EntityEvents as record batches, for events whose own batch is gone. Nobody knows what
 * position they had; they get one below all that the bridge gives, in the epoch that it never has:
 * whoever reads on from a position has seen them, or was not to.
 */

import { EventColumns, stampPositions } from "../lib/arrow/event_columns.ts";
import { type EventBatch, readEventBatch } from "../lib/arrow/joined_batches.ts";
import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { EVENTS_DATA, FIRST_BRIDGED } from "../lib/clickhouse/tables.ts";
import { Scan, scanEvents } from "../lib/events/event_scanner.ts";
import type { Limits } from "../lib/limits.ts";

export class LineBatches {
  /** Lines that are no events: the bridge parked them. */
  refused = 0;
  private readonly columns: EventColumns;

  /** `sequence` is that of the first batch, within its epoch. */
  constructor(
    limits: Pick<Limits, "batchRowsMax" | "bridgeBatchBytesMax">,
    rowBytes: number,
    private sequence: number,
  ) {
    const { batchRowsMax: rows, bridgeBatchBytesMax: bytes } = limits;
    this.columns = new EventColumns({ rows, bytes, rowBytes });
  }

  /** The batches that are full with these lines. */
  add(lines: Uint8Array): EventBatch[] {
    const batches: EventBatch[] = [];
    const scan = new Scan(lines);
    while (!scanEvents(this.columns, scan, null)) batches.push(...this.rest());
    this.refused += scan.refused.length;
    return batches;
  }

  /** What is left; none where that is nothing. */
  rest(): EventBatch[] {
    const { rows } = this.columns;
    if (rows === 0) return [];
    const stream = this.columns.take();
    stampPositions(stream, rows, 0, this.sequence++);
    return [readEventBatch(stream)];
  }
}

/**
 * The first batch that no event of that epoch is in. Two replays at once would take the same, so
 * each begins somewhere behind: 2^40 are more than will ever be used so.
 */
export async function freeSequence(clickhouse: Clickhouse, signal: AbortSignal): Promise<number> {
  const [row] = await clickhouse.rows<{ readonly last: string }>(
    `SELECT max(position) AS last FROM ${EVENTS_DATA} WHERE position < ${FIRST_BRIDGED}`,
    { signal },
  );
  const last = Number(BigInt(row?.last ?? 0) >> 14n);
  return last + 1 + Math.floor(Math.random() * apartMax);
}

/** A replay of all that a stream can hold makes fewer batches. */
const apartMax = 2 ** 20;
