/** Which database the change log is in, and whether it is still the one that was published from. */

import { AppError } from "../errors.ts";
import { currentSnapshot } from "../postgres/change_log.ts";
import type { Connection } from "../postgres/connection.ts";
import { type Checkpoint, nextXid } from "./checkpoint.ts";

export interface DatabaseIdentity {
  /** Made with the cluster; a copied data folder and a standby have the same. */
  readonly systemIdentifier: string;
  /** Rises when a standby takes over, and when a back-up is brought forward. */
  readonly timeline: number;
  readonly oid: string;
}

/** Asks the database who it is. */
export async function readIdentity(connection: Connection): Promise<DatabaseIdentity> {
  const [row = []] = await connection.query(`
    select s.system_identifier, c.timeline_id, d.oid
    from pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c,
      pg_catalog.pg_database d
    where d.datname = pg_catalog.current_database()`);
  return {
    systemIdentifier: row[0] ?? "",
    timeline: Number(row[1]),
    oid: row[2] ?? "",
  };
}

/**
 * Throws `BAD_INPUT` where the stream's events came from another database, or from a later state of
 * this one than it has now: its next events would not follow those that are published.
 */
export async function checkSameHistory(
  connection: Connection,
  identity: DatabaseIdentity,
  checkpoint: Checkpoint,
): Promise<void> {
  const { database, position, eventId } = checkpoint;
  if (
    database.systemIdentifier !== identity.systemIdentifier || database.oid !== identity.oid
  ) {
    throw otherHistory("the events in NATS came from another database");
  }
  // The id of another producer's event tells neither its time nor its place.
  const isOwn = eventId[versionAt] === "7" &&
    BigInt(`0x${eventId.slice(-positionDigits)}`) === position;
  const [row = []] = await connection.query(
    `select case when p.is_called then p.last_value else 0 end,
      (select fraiseql.id_of(l) from fraiseql.change_log l where l.position = $1::pg_catalog.int8),
      exists (select from fraiseql.change_digest d
        where d.hour <= $2::pg_catalog.timestamptz
          and d.hour > $2::pg_catalog.timestamptz - interval '1 hour'),
      exists (select from fraiseql.change_digest)
    from fraiseql.change_log_position p`,
    [String(position), (isOwn ? idTime(eventId) : new Date(0)).toISOString()],
  );
  const [lastPosition, found = null, hourLeft, someLeft] = row;
  const xmax = nextXid(await currentSnapshot(connection));
  if (xmax < nextXid(checkpoint.to)) {
    throw otherHistory(
      `the database is at transaction ${xmax}, and ${nextXid(checkpoint.to)} is published`,
    );
  }
  if (BigInt(lastPosition ?? 0) < checkpoint.positionMax) {
    throw otherHistory(
      `the change log is at position ${lastPosition}, and ${checkpoint.positionMax} is published`,
    );
  }
  if (eventId === "") return; // a start without any event
  if (found === null ? (isOwn ? hourLeft : someLeft) !== "t" : found !== eventId) {
    throw otherHistory(
      `the change log has ${found === null ? "no" : "another"} event at position ${position}`,
    );
  }
}

const versionAt = "00000000-0000-".length;
const positionDigits = 12;

/** Milliseconds stand in the first 48 bits of an event's id. */
export function idTime(eventId: string): Date {
  return new Date(Number.parseInt(eventId.replaceAll("-", "").slice(0, 12), 16));
}

function otherHistory(reason: string): AppError {
  return new AppError("BAD_INPUT", `the database is not as it was: ${reason}`, {
    hint: "was a back-up restored, or is DATABASE_URL another one? To go on with this database: " +
      "fraiseql observe --start-over first publishes all that its change log holds, " +
      "--start-over now only what comes from now on",
  });
}
