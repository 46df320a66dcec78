/**
 * The publisher's record in the database: what FRAISEQL_EVENTS should hold, as FRAISEQL_PROGRESS says
 * it too. For the case that NATS loses the ends of both, as it does with a machine or a folder that was
 * copied back: what it says then agrees with itself.
 */

import type { Connection } from "../postgres/connection.ts";
import type { Known } from "./align.ts";
import type { DatabaseIdentity } from "./database_identity.ts";

/** Reads it; null where there is none, and where it came with a dump of another database. */
export async function readRecord(
  connection: Connection,
  { systemIdentifier, oid }: DatabaseIdentity,
): Promise<Known | null> {
  const [row] = await connection.query(
    `select stream_created, sequence, epoch, emptied from fraiseql.publisher_progress
     where system_identifier = $1 and database_oid = $2::pg_catalog.int8`,
    [systemIdentifier, oid],
  );
  if (!row) return null;
  const [streamCreated, sequence, epoch, emptied = null] = row;
  return {
    streamCreated: streamCreated ?? "",
    sequence: Number(sequence),
    epoch: Number(epoch),
    emptied,
  };
}

/** Writes it over the one before. */
export async function writeRecord(
  connection: Connection,
  { systemIdentifier, oid }: DatabaseIdentity,
  { streamCreated, sequence, epoch, emptied }: Known,
): Promise<void> {
  await connection.query(
    `insert into fraiseql.publisher_progress
       (system_identifier, database_oid, stream_created, sequence, epoch, emptied)
     values ($1, $2::pg_catalog.int8, $3, $4::pg_catalog.int8, $5::pg_catalog.int4,
       $6::pg_catalog.pg_snapshot)
     on conflict (one) do update set
       system_identifier = excluded.system_identifier, database_oid = excluded.database_oid,
       stream_created = excluded.stream_created, sequence = excluded.sequence,
       epoch = excluded.epoch, emptied = excluded.emptied`,
    [systemIdentifier, oid, streamCreated, String(sequence), String(epoch), emptied],
  );
}
