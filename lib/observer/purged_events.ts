/**
 * Sums of what has left FRAISEQL_EVENTS on purpose, in the database: by stream, and by the sequence up
 * to which it was purged then. They are written before the messages leave.
 */

import type { Connection } from "../postgres/connection.ts";
import { EventSums } from "../events/event_sums.ts";

/** What has left a stream. */
export interface Purged {
  /** Up to where; 0 where nothing has. */
  readonly sequence: number;
  readonly sums: EventSums;
}

/** Adds what leaves up to a sequence. */
export async function writePurged(
  connection: Connection,
  streamCreated: string,
  sequence: number,
  sums: EventSums,
): Promise<void> {
  const rows = sums.keys().map((key) => {
    const { count, hash } = sums.get(key);
    const space = key.indexOf(" ");
    return {
      hour: key.slice(0, space),
      entity_type: key.slice(space + 1),
      event_count: count,
      event_hash: String(hash),
    };
  });
  // One statement: all of them or none. A publisher that was fenced off meanwhile may come too late.
  await connection.query(
    `insert into fraiseql.purged_events
       (stream_created, sequence, entity_type, hour, event_count, event_hash)
     select $1, $2::pg_catalog.int8, r.entity_type, r.hour, r.event_count, r.event_hash
     from pg_catalog.jsonb_to_recordset($3::pg_catalog.jsonb) as r(entity_type pg_catalog.text,
       hour pg_catalog.text, event_count pg_catalog.int8, event_hash pg_catalog.numeric)
     where not exists (select from fraiseql.purged_events p
       where p.stream_created = $1 and p.sequence >= $2::pg_catalog.int8)`,
    [streamCreated, String(sequence), JSON.stringify(rows)],
  );
  await merge(connection, streamCreated);
}

/**
 * Makes one row of those of a type and hour, so that there are no more than the digest has. The last
 * purges stay apart: where the stream loses its end, those behind it are forgotten.
 */
async function merge(connection: Connection, streamCreated: string): Promise<void> {
  await connection.query(
    `with old as (
       select p.* from fraiseql.purged_events p
       where p.stream_created = $1 and p.sequence <= (
         select q.sequence from fraiseql.purged_events q where q.stream_created = $1
         group by q.sequence order by q.sequence desc offset ${purgesApart} limit 1)),
     many as (select entity_type, hour from old group by 1, 2 having pg_catalog.count(*) > 1),
     gone as (
       delete from fraiseql.purged_events p using old o, many m
       where p.stream_created = $1 and p.sequence = o.sequence
         and (p.entity_type, p.hour) = (o.entity_type, o.hour)
         and (p.entity_type, p.hour) = (m.entity_type, m.hour)
       returning p.sequence, p.entity_type, p.hour, p.event_count, p.event_hash)
     insert into fraiseql.purged_events
       (stream_created, sequence, entity_type, hour, event_count, event_hash)
     select $1, pg_catalog.max(sequence), entity_type, hour, pg_catalog.sum(event_count),
       pg_catalog.mod(pg_catalog.sum(event_hash), 18446744073709551616)
     from gone group by entity_type, hour`,
    [streamCreated],
  );
}

/** A day of purges: a stream that lost more of its end than that was made anew, or is refilled. */
const purgesApart = 24;

/** What has left a stream, in hours from that one on (`2026-01-01T00`; null: all). */
export async function readPurged(
  connection: Connection,
  streamCreated: string,
  sinceHour: string | null,
): Promise<Purged> {
  const rows = await connection.query(
    `select sequence, entity_type, hour, event_count, event_hash from fraiseql.purged_events
     where stream_created = $1`,
    [streamCreated],
  );
  const sums = new EventSums();
  let sequence = 0;
  for (const [upTo, type, hour = "", count, hash] of rows) {
    sequence = Math.max(sequence, Number(upTo));
    if (sinceHour !== null && (hour ?? "") < sinceHour) continue;
    sums.add(type ?? "", hour ?? "", Number(count), BigInt(hash ?? 0));
  }
  return { sequence, sums };
}

/** Forgets what was purged of other streams, and behind the end of one that went back. */
export async function forgetPurged(
  connection: Connection,
  streamCreated: string,
  lastSequence: number,
): Promise<void> {
  await connection.query(
    `delete from fraiseql.purged_events
     where stream_created <> $1 or sequence > $2::pg_catalog.int8`,
    [streamCreated, String(lastSequence)],
  );
}
