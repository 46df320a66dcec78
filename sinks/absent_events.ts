/** Adds to ClickHouse the events that are not there, and nothing else: each id is looked for before. */

import {
  entityTypeIndexes,
  type EventBatch,
  eventIds,
  eventTimes,
  someRows,
} from "../lib/arrow/joined_batches.ts";
import type { Clickhouse } from "../lib/clickhouse/client.ts";
import { idsMax, storedEvents } from "../lib/clickhouse/event_sums.ts";
import { EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import { IdSet } from "../lib/events/id_set.ts";
import type { Limits } from "../lib/limits.ts";
import { toPayload } from "./clickhouse_encode.ts";

export interface WantedTimes {
  /** Times of events, inclusive. */
  readonly from: Date;
  /** Exclusive. */
  readonly to: Date;
  /** Null: all. */
  readonly entityType: string | null;
}

export interface AbsentOptions extends WantedTimes {
  readonly clickhouse: Clickhouse;
  /** Older ones would leave ClickHouse again at once. */
  readonly retentionDays: number;
  /** Only counts. */
  readonly isDry: boolean;
  readonly limits: Pick<Limits, "clickhouseInsertMonthsMax">;
  readonly signal: AbortSignal;
}

/** What was found of the wanted times. */
export interface Added {
  readonly found: number;
  /** Of them were not in ClickHouse, and are but for a dry run. */
  readonly missing: number;
}

export class AbsentEvents {
  private found = 0;
  private missing = 0;
  /** No token of the sink: ClickHouse would take the batch that it lost for one that it has. */
  private readonly run = `replay-${crypto.randomUUID()}`;
  private readonly isWanted: (time: bigint, entityType: string) => boolean;
  /** A dry run meets an event again where two sources have it. */
  private readonly counted = new IdSet();

  constructor(private readonly options: AbsentOptions) {
    const { from, to, entityType, retentionDays } = options;
    const oldestMs = Date.now() - retentionDays * 86_400_000;
    const first = BigInt(Math.max(from.getTime(), oldestMs)) * 1000n;
    const end = BigInt(to.getTime()) * 1000n;
    this.isWanted = (time, type) =>
      time >= first && time < end && (entityType === null || type === entityType);
  }

  /** Adds what is absent of these, with the positions that they have. */
  async add(batches: readonly EventBatch[]): Promise<void> {
    const { isDry, clickhouse, limits, signal } = this.options;
    const absent = await this.absentRows(batches);
    this.missing += absent.length;
    if (isDry || absent.length === 0) return;
    const parts = [...Map.groupBy(absent, ({ batch }) => batch)].map(([batch, rows]) =>
      someRows(batch, rows.map(({ row }) => row).sort((a, b) => a - b))
    );
    for (const { pieces, token } of toPayload(parts, limits.clickhouseInsertMonthsMax)!.inserts) {
      await clickhouse.insertArrow(EVENTS_DATA, pieces, { token: `${this.run}-${token}`, signal });
    }
  }

  /** What came since it was asked last. */
  take(): Added {
    const { found, missing } = this;
    [this.found, this.missing] = [0, 0];
    return { found, missing };
  }

  /** Those of the wanted that ClickHouse does not have, each id once. */
  private async absentRows(batches: readonly EventBatch[]): Promise<Row[]> {
    const { clickhouse, isDry, signal } = this.options;
    const byType = Map.groupBy(this.wantedRows(batches), ({ entityType }) => entityType);
    const absent = new Map<string, Row>();
    for (const [entityType, rows] of byType) {
      this.found += rows.length;
      // By time, so that a question is about as little of it as can be.
      rows.sort((a, b) => a.time < b.time ? -1 : a.time > b.time ? 1 : 0);
      for (let at = 0; at < rows.length; at += idsMax) {
        const part = rows.slice(at, at + idsMax);
        const [first, last] = [part[0]!.time, part.at(-1)!.time];
        const ids = part.map(({ id }) => id);
        const known = await storedEvents(clickhouse, { entityType, first, last, ids }, signal);
        for (const row of part) {
          const { id, words } = row;
          if (known.has(id) || absent.has(id) || this.counted.has(words, 4 * row.row)) continue;
          absent.set(id, row);
          if (isDry) this.counted.add(words, 4 * row.row);
        }
      }
    }
    return [...absent.values()];
  }

  private wantedRows(batches: readonly EventBatch[]): Row[] {
    const wanted: Row[] = [];
    for (const batch of batches) {
      const [times, types, ids] = [eventTimes(batch), entityTypeIndexes(batch), eventIds(batch)];
      const words = new Int32Array(ids.slice().buffer);
      for (let row = 0; row < batch.rows; row++) {
        const entityType = batch.entityTypes[types[row]!]!;
        const time = times[row]!;
        if (!this.isWanted(time, entityType)) continue;
        const id = uuidText(ids.subarray(16 * row, 16 * row + 16));
        wanted.push({ batch, row, time, entityType, id, words });
      }
    }
    return wanted;
  }
}

interface Row {
  readonly batch: EventBatch;
  readonly row: number;
  readonly time: bigint;
  readonly entityType: string;
  readonly id: string;
  /** Of all rows of the batch: their ids. */
  readonly words: Int32Array;
}

function uuidText(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([a, b]) => hex.slice(a, b)).join("-");
}
