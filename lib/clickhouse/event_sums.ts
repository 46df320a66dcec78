/** Which events ClickHouse holds: sums of all of them, and single ones by their ids. */

import type { Clickhouse } from "./client.ts";
import { EVENTS, EVENTS_DATA } from "./tables.ts";

/** Events of one entity type in one hour. */
export interface HourSum {
  readonly entityType: string;
  /** `2026-01-01T00`, in UTC. */
  readonly hour: string;
  readonly count: number;
  /** As `fraiseql.event_hash`, summed modulo 2^64. */
  readonly hash: bigint;
}

export interface SumsOptions {
  readonly from: Date;
  /** Rows behind it are left out. */
  readonly position: bigint;
  readonly signal: AbortSignal;
}

/** Sums of the events from that moment on, each event once however often it is stored. */
export async function sumEvents(
  clickhouse: Clickhouse,
  { from, position, signal }: SumsOptions,
): Promise<HourSum[]> {
  const params = { from: micros(from), position: String(position) };
  const rows = await clickhouse.rows<SumRow>(SUMS, { params, signal });
  return rows.map(({ type, hours, events, hash }) => ({
    entityType: type,
    hour: new Date(Number(hours) * hourMs).toISOString().slice(0, "2026-01-01T00".length),
    count: Number(events),
    hash: BigInt(hash),
  }));
}

interface SumRow {
  readonly type: string;
  readonly hours: string;
  readonly events: string;
  readonly hash: string;
}

const hourMs = 3_600_000;
const hourMicros = `${hourMs}000`;

/** A UUID lies in ClickHouse as two numbers, but `UUIDStringToNum` gives PostgreSQL's bytes. */
const SUMS = `SELECT toString(entity_type) AS type,
  intDiv(micros - positiveModulo(micros, ${hourMicros}), ${hourMicros}) AS hours,
  toString(count()) AS events, toString(sumWithOverflow(hash)) AS hash
FROM (SELECT entity_type, toUnixTimestamp64Micro(timestamp) AS micros,
    reinterpretAsUInt64(reverse(substring(
      SHA256(UUIDStringToNum(toString(event_id))), 1, 8))) AS hash
  FROM ${EVENTS}
  WHERE timestamp >= fromUnixTimestamp64Micro({from:Int64}, 'UTC')
    AND position <= {position:UInt64})
GROUP BY type, hours`;

export interface WantedEvents {
  readonly entityType: string;
  /** Microseconds since 1970, inclusive: no event of them lies outside. */
  readonly first: bigint;
  readonly last: bigint;
  /** At most `idsMax`. */
  readonly ids: readonly string[];
}

/** Those of the ids that are stored. */
export async function storedEvents(
  clickhouse: Clickhouse,
  { entityType, first, last, ids }: WantedEvents,
  signal: AbortSignal,
): Promise<Set<string>> {
  // One long text: a list of as many words is more than the embedded engine reads.
  const sql = `SELECT DISTINCT toString(event_id) AS id FROM ${EVENTS_DATA}
WHERE entity_type = {type:String}
  AND timestamp >= fromUnixTimestamp64Micro({first:Int64}, 'UTC')
  AND timestamp <= fromUnixTimestamp64Micro({last:Int64}, 'UTC')
  AND event_id IN (SELECT toUUID(arrayJoin(splitByChar(',', '${ids.join(",")}'))))`;
  const params = { type: entityType, first: String(first), last: String(last) };
  const rows = await clickhouse.rows<{ readonly id: string }>(sql, { params, signal });
  return new Set(rows.map(({ id }) => id));
}

/** A statement of ClickHouse has 256 KiB at most, and an id 37 bytes in it. */
export const idsMax = 4000;

const micros = (moment: Date) => String(BigInt(moment.getTime()) * 1000n);
