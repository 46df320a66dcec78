/**
 * The proof: what the change log holds, and what has left it, against what the stream holds, up to
 * the publisher's last checkpoint. What was written since is on its way, and is left to the next time.
 */

import { lastCheckpoint } from "../events/atomic_publish.ts";
import type { Nats } from "../events/connect.ts";
import { BadEvent, eventLines, parseEvent } from "../events/entity_event.ts";
import { type Difference, differences, EventSums } from "../events/event_sums.ts";
import { STREAM, SUBJECT } from "../events/names.ts";
import { readOrdered } from "../events/ordered_reader.ts";
import type { StoredMessage } from "../events/stream_state.ts";
import { checkStream } from "../events/streams.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Gap } from "../postgres/change_log.ts";
import { readIngestProgress } from "../postgres/change_log/ingest.ts";
import type { Connection } from "../postgres/connection.ts";
import { type Checkpoint, decodeCheckpoint } from "./checkpoint.ts";
import { checkSameHistory, readIdentity } from "./database_identity.ts";
import { type Purged, readPurged } from "./purged_events.ts";

export interface VerifyOptions {
  readonly connection: Connection;
  readonly nats: Nats;
  readonly limits: Pick<Limits, "pullMessagesMax" | "pullBytesMax">;
  /** Hours from this one on; null: all. */
  readonly since: Date | null;
  readonly signal: AbortSignal;
}

export interface Verified {
  /** Up to the checkpoint. */
  readonly logged: number;
  readonly stored: number;
  readonly differences: readonly Difference[];
  /** Writes that were never in the change log. */
  readonly gaps: readonly (Gap & { readonly endedAt: string | null })[];
}

/** What the stages behind NATS are compared with. */
export interface Compared {
  readonly verified: Verified;
  /** Of the change log, up to the checkpoint. */
  readonly log: EventSums;
  /** In FRAISEQL_EVENTS; null: nothing was published. */
  readonly checkpoint: StoredMessage | null;
}

/** Compares the two; reads all of both, in the memory of some sums. */
export async function verify(options: VerifyOptions): Promise<Verified> {
  return (await compareLog(options)).verified;
}

/** As `verify`, and gives what the next stages should have. */
export async function compareLog(options: VerifyOptions): Promise<Compared> {
  const { connection, nats, since } = options;
  const hour = since === null ? null : new Date(Math.floor(since.getTime() / hourMs) * hourMs);
  const { created } = await checkStream(nats, STREAM.events);
  const sinceHour = hour?.toISOString().slice(0, hourChars) ?? null;
  for (;;) {
    // Before the checkpoint, behind which nothing is purged.
    const purged = await readPurged(connection, created, sinceHour);
    const last = await lastCheckpoint(nats);
    const checkpoint = last && decodeCheckpoint(last.data);
    if (checkpoint) await checkSameHistory(connection, await readIdentity(connection), checkpoint);
    const stored = await sumStream(options, last, hour, purged);
    const after = await readPurged(connection, created, sinceHour);
    if (after.sequence !== purged.sequence) continue; // it may have left before it was read
    const logged = await sumLog(connection, checkpoint, hour);
    const verified = {
      logged: logged.events,
      stored: stored.events,
      differences: differences(logged, stored),
      gaps: await readGaps(connection, hour),
    };
    return { verified, log: logged, checkpoint: last };
  }
}

const hourChars = "2026-01-01T00".length;
const hourMs = 3_600_000;

/** What the stream holds, and what has left it on purpose. */
async function sumStream(
  { connection, nats, limits, signal }: VerifyOptions,
  end: StoredMessage | null,
  since: Date | null,
  { sequence: purged, sums }: Purged,
): Promise<EventSums> {
  if (end === null) return sums;
  const { sequence: last } = end;
  // An event is in the stream after it was written; clocks may differ by less than an hour. Other
  // producers' events bring a time of their own, and how far that was ever ahead is known.
  const aheadMs = (await readIngestProgress(connection))?.aheadMs ?? 0;
  const fromMs = (since?.getTime() ?? 0) - hourMs - aheadMs;
  const from = since === null || fromMs <= 0 ? purged + 1 : new Date(fromMs);
  if (from instanceof Date && from > end.time) return sums; // nothing would come
  // With microseconds, as events have them: texts of other lengths do not compare.
  const sinceText = since === null ? "" : since.toISOString().replace("Z", "000Z");
  // Checkpoints too, so that the last one tells the end.
  const reader = await readOrdered({ nats, stream: STREAM.events, from });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  try {
    for (let at = 0; at < last;) {
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        if (at > last) break;
        if (at <= purged || message.subject === SUBJECT.checkpoint) continue;
        for (const line of eventLines(message.data)) {
          const event = parseEvent(line);
          if (event instanceof BadEvent) {
            throw new AppError("BAD_INPUT", `${STREAM.events} at ${at}: ${event.reason}`, {
              hint: "somebody else writes to it: docs/nats.md lists each user's rights",
            });
          }
          if (event.timestamp >= sinceText) {
            sums.addEvent(event.entityType, event.timestamp, event.id);
          }
        }
      }
    }
  } finally {
    reader.close();
  }
  return sums;
}

/**
 * Sums of what the change log ever had, up to the checkpoint. A slot that is emptied meanwhile would
 * be in neither or both: read again then.
 */
export async function sumLog(
  connection: Connection,
  checkpoint: Checkpoint | null,
  since: Date | null,
): Promise<EventSums> {
  const emptied = async () => {
    const [row] = await connection.query(
      "select pg_catalog.count(*), pg_catalog.max(emptied_at) from fraiseql.change_digest",
    );
    return JSON.stringify(row);
  };
  for (;;) {
    const before = await emptied();
    const sums = new EventSums();
    if (checkpoint === null) return sums;
    const { from, to, done, position } = checkpoint;
    const rows = await connection.query(SUMS, [
      from,
      to,
      done ? null : String(position),
      since === null ? "-infinity" : since.toISOString(),
    ]);
    for (const [type, hour, count, hash] of rows) {
      sums.add(type ?? "", hour ?? "", Number(count), BigInt(hash ?? 0));
    }
    if (await emptied() === before) return sums;
  }
}

const SUMS = `
  with sums as (
    select l.entity_type, pg_catalog.date_trunc('hour', l.recorded_at at time zone 'UTC') as hour,
      1::pg_catalog.int8 as event_count, fraiseql.event_hash(fraiseql.id_of(l)) as event_hash
    from fraiseql.change_log l
    where l.recorded_at >= $4::pg_catalog.timestamptz
      and (pg_catalog.pg_visible_in_snapshot(l.xid, $1::pg_catalog.pg_snapshot)
        or pg_catalog.pg_visible_in_snapshot(l.xid, $2::pg_catalog.pg_snapshot)
          and l.position <= coalesce($3::pg_catalog.int8, l.position))
    union all
    select d.entity_type, d.hour at time zone 'UTC', d.event_count, d.event_hash
    from fraiseql.change_digest d where d.hour >= $4::pg_catalog.timestamptz)
  select entity_type, pg_catalog.to_char(hour, 'YYYY-MM-DD"T"HH24'), pg_catalog.sum(event_count),
    pg_catalog.mod(pg_catalog.sum(event_hash), 18446744073709551616)
  from sums group by 1, 2`;

async function readGaps(connection: Connection, since: Date | null): Promise<Verified["gaps"]> {
  const rows = await connection.query(
    `select entity_type, reason, fraiseql.event_time(began_at), fraiseql.event_time(ended_at)
     from fraiseql.change_gaps
     where ended_at is null or ended_at >= $1::pg_catalog.timestamptz order by began_at`,
    [since === null ? "-infinity" : since.toISOString()],
  );
  return rows.map(([entityType = null, reason, beganAt, endedAt = null]) => ({
    entityType,
    reason: reason ?? "",
    beganAt: beganAt ?? "",
    endedAt,
  }));
}
