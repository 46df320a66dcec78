/** How far each stage is, asked from outside: for `fraiseql status`. */

import { lastCheckpoint } from "../events/atomic_publish.ts";
import type { Nats } from "../events/connect.ts";
import { STREAM } from "../events/names.ts";
import { type Holder, readHolder } from "../events/holder.ts";
import { streamState } from "../events/stream_state.ts";
import { currentSnapshot, readState } from "../postgres/change_log.ts";
import { type IngestProgress, readIngestProgress } from "../postgres/change_log/ingest.ts";
import type { Connection } from "../postgres/connection.ts";
import { decodeCheckpoint, nextWindow } from "./checkpoint.ts";
import { readProgress } from "./progress.ts";
import { lockKey } from "./session.ts";

/** The publisher as it can be seen in the database and the stream. */
export interface PublisherLag {
  /** Of its last checkpoint in FRAISEQL_EVENTS. */
  readonly sequence: number;
  readonly epoch: number;
  /** The greatest that is published, in the change log. */
  readonly position: bigint;
  /** Events that are committed and not published; counted up to `countMax`. */
  readonly events: number;
  /** Age of the oldest of them; those that came from elsewhere may have times of their own. */
  readonly seconds: number;
  readonly lastError: string | null;
  /** One works. */
  readonly isHeld: boolean;
  /** Who wrote the last record; null where that is not known. */
  readonly holder: Holder | null;
  readonly logBytes: number;
  readonly logBytesMax: number;
  /** Null where the change log takes no events of other producers yet. */
  readonly ingest: IngestLag | null;
}

/** FRAISEQL_INGEST, and what became of its events since the change log was made. */
export interface IngestLag extends IngestProgress {
  /** Messages that are still in the stream. */
  readonly backlog: number;
}

/** More are not counted: it would take as long as publishing them. */
export const countMax = 1_000_000;

/** Asks both sides. */
export async function publisherLag(connection: Connection, nats: Nats): Promise<PublisherLag> {
  const last = await lastCheckpoint(nats);
  const checkpoint = last && decodeCheckpoint(last.data);
  const { from, position } = nextWindow(checkpoint);
  const [, xmax = "", inProgress = ""] = from.split(":");
  const now = await currentSnapshot(connection);
  // In a window that is published in part, rows below the position are done if its end shows them.
  const partEnd = checkpoint && !checkpoint.done ? checkpoint.to : from;
  const [row = []] = await connection.query(
    `select pg_catalog.count(*),
      coalesce(extract(epoch from pg_catalog.clock_timestamp()
        - pg_catalog.min(recorded_at) filter (where origin is null)), 0)
     from (select l.recorded_at, l.origin from fraiseql.change_log l
       where (l.xid = any ($1::pg_catalog.xid8[]) or l.xid >= $2::pg_catalog.xid8)
         and pg_catalog.pg_visible_in_snapshot(l.xid, $3::pg_catalog.pg_snapshot)
         and not (l.position <= $4::pg_catalog.int8
           and pg_catalog.pg_visible_in_snapshot(l.xid, $5::pg_catalog.pg_snapshot))
       limit ${countMax}) l`,
    [`{${inProgress}}`, xmax, now, String(position), partEnd],
  );
  const record = await readProgress(nats);
  const { bytes, bytesMax } = await readState(connection);
  const progress = await readIngestProgress(connection);
  const backlog = progress && (await streamState(nats, STREAM.ingest)).messages;
  return {
    sequence: last?.sequence ?? 0,
    epoch: checkpoint?.epoch ?? 0,
    position: checkpoint?.positionMax ?? 0n,
    events: Number(row[0]),
    seconds: Math.max(0, Number(row[1])),
    lastError: record?.lastError ?? null,
    isHeld: await isHeld(connection),
    holder: readHolder(record?.holder),
    logBytes: bytes,
    logBytesMax: bytesMax,
    ingest: progress && { ...progress, backlog: backlog ?? 0 },
  };
}

/** Whether a publisher of this database works. */
async function isHeld(connection: Connection): Promise<boolean> {
  const [row] = await connection.query(
    `select exists (select from pg_catalog.pg_locks l join pg_catalog.pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
         and d.datname = pg_catalog.current_database()
         and (l.classid::pg_catalog.int8 << 32) | l.objid::pg_catalog.int8 = ${lockKey})`,
  );
  return row?.[0] === "t";
}
