/**
 * The last part of `replay`: where the streams do not reach back, the change log tells by its counts
 * whether ClickHouse lacks anything of that time, and still has some of it.
 */

import type { Config } from "../lib/config.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import { AppError } from "../lib/errors.ts";
import { lastCheckpoint } from "../lib/events/atomic_publish.ts";
import type { Difference } from "../lib/events/event_sums.ts";
import { STREAM } from "../lib/events/names.ts";
import { type Checkpoint, decodeCheckpoint } from "../lib/observer/checkpoint.ts";
import { checkSameHistory, readIdentity } from "../lib/observer/database_identity.ts";
import { sumLog } from "../lib/observer/verify.ts";
import { readTimes } from "../lib/postgres/change_log.ts";
import { loggedLines } from "../lib/postgres/change_log/logged_lines.ts";
import { openRegistry } from "../lib/postgres/change_log/migrate.ts";
import { connect, type Connection } from "../lib/postgres/connection.ts";
import type { Added } from "../sinks/absent_events.ts";
import type { Replayed, ReplayOptions } from "../sinks/clickhouse_replay.ts";
import { verifyClickhouse } from "../sinks/clickhouse_verify.ts";
import { replayLines } from "../sinks/replay_lines.ts";
import { progress, say } from "./say.ts";

type Options = Omit<ReplayOptions, "onProgress" | "limits"> & Pick<Config, "limits">;

export interface ReplayedLog {
  /** Null: ClickHouse lacks nothing, and nothing was read. */
  readonly added: Added | null;
  /** `NOT_FOUND` where ClickHouse lacks events that nobody has any more. */
  readonly lost: AppError | null;
}

/** Adds what the change log has and ClickHouse does not, and tells what is missing still. */
export async function replayLog(
  config: Config,
  options: Options,
  { batches, events, heldSince }: Replayed,
): Promise<ReplayedLog> {
  const last = await lastCheckpoint(options.nats);
  if (last === null) {
    throw nobodyKnows(options, `${STREAM.events} has no checkpoint of the publisher`, {
      hint: "run fraiseql observe, which writes one, and repeat this",
    });
  }
  const url = config.databaseUrl ?? await runningUrl(config.dataDir, "postgres");
  if (url === null) {
    const reason = heldSince === null
      ? "no stream holds any of it"
      : `the streams reach back to what was published at ${heldSince.toISOString()}`;
    throw nobodyKnows(options, `${reason}, and no database is named whose change log could tell`, {
      hint: "set DATABASE_URL, or run this beside fraiseql serve",
    });
  }
  const { signal } = options;
  const connection = await connect({ url, limits: options.limits, signal });
  try {
    await openRegistry(connection);
    const checkpoint = decodeCheckpoint(last.data);
    await checkSameHistory(connection, await readIdentity(connection), checkpoint);
    const lacking = () => lackingHours(connection, checkpoint, last.sequence, options);
    const before = await lacking();
    // A dry run has not added what it found.
    const found = options.isDry ? batches.missing + events.missing : 0;
    if (lostOf(before) <= found) return { added: null, lost: null };
    const added = await addLogged(connection, checkpoint, options, lostOf(before));
    const after = options.isDry ? before : await lacking();
    const lost = lostOf(after) - (options.isDry ? found + added.missing : 0);
    return { added, lost: lost > 0 ? gone(options, lost, after) : null };
  } finally {
    await connection.close();
  }
}

/** Hours of the wanted time of which ClickHouse has fewer events than the change log ever had. */
async function lackingHours(
  connection: Connection,
  checkpoint: Checkpoint,
  sequence: number,
  { from, to, entityType, ...options }: Options,
): Promise<Difference[]> {
  const since = new Date(floorHour(from));
  const log = await sumLog(connection, checkpoint, since);
  const { differences } = await verifyClickhouse({
    ...options,
    log,
    checkpoint: sequence,
    since,
    onWait: () => say("waiting until ClickHouse has what is on its way"),
  });
  const end = to.toISOString();
  return differences.filter((one) =>
    one.logged > one.stored && one.hour < end &&
    (entityType === null || one.entityType === entityType)
  );
}

const hourMs = 3_600_000;

const lostOf = (hours: readonly Difference[]) =>
  hours.reduce((sum, { logged, stored }) => sum + logged - stored, 0);

async function addLogged(
  connection: Connection,
  checkpoint: Checkpoint,
  options: Options,
  total: number,
): Promise<Added> {
  const { from, to } = options;
  // What is published in part is in FRAISEQL_EVENTS.
  const snapshot = checkpoint.done ? checkpoint.to : checkpoint.from;
  const tell = progress("replay of the change log", "events");
  return await replayLines(loggedLines(connection, readTimes(connection, { snapshot, from, to })), {
    ...options,
    onRows: (found) => tell(found, Math.max(found, total)),
  });
}

function nobodyKnows({ from }: Options, reason: string, { hint }: { readonly hint: string }) {
  return new AppError(
    "NOT_FOUND",
    `whether all from ${from.toISOString()} on is there is not known: ${reason}`,
    { hint },
  );
}

function gone({ from, to }: Options, lost: number, hours: readonly Difference[]): AppError {
  const named = hours.slice(0, namedMax).map(({ entityType, hour, logged, stored }) =>
    `${hour}:00Z ${entityType}: ${stored} of ${logged} in ClickHouse`
  );
  const more = hours.length - named.length;
  const names = `${named.join("; ")}${more > 0 ? `; and ${more} more hours` : ""}`;
  const [wholeFrom, wholeTo] = [floorHour(from), floorHour(new Date(to.getTime() + hourMs - 1))];
  const isCut = wholeFrom < from.getTime() || wholeTo > to.getTime();
  if (isCut && hours.every(({ hour }) => isCutHour(hour, from, to))) {
    // Counts are of whole hours: what lacks may be of the rest, which was not looked for.
    const [first, end] = [wholeFrom, wholeTo].map((ms) => new Date(ms).toISOString());
    return new AppError(
      "NOT_FOUND",
      `whether all of that time is there is not known: ${lost} events of hours that it has only ` +
        `a part of are not in ClickHouse: ${names}`,
      { hint: `repeat this with whole hours: --from ${first} --to ${end}` },
    );
  }
  return new AppError(
    "NOT_FOUND",
    `${isCut ? "up to " : ""}${lost} events of that time are nowhere any more, neither in ` +
      `${STREAM.batches} and ${STREAM.events} nor in the change log: ${names}`,
    {
      hint:
        "bring ClickHouse's table back from a backup, and repeat this; event_stream_keep_hours " +
        "and change_log_keep_hours say for how long events are kept",
    },
  );
}

/** Whether a part of the hour (`2026-01-01T00`) is outside of the time. */
function isCutHour(hour: string, from: Date, to: Date): boolean {
  const startMs = Date.parse(`${hour}:00:00Z`);
  return startMs < from.getTime() || startMs + hourMs > to.getTime();
}

const floorHour = (at: Date) => Math.floor(at.getTime() / hourMs) * hourMs;

const namedMax = 10;
