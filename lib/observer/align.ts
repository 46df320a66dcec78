/**
 * Where publishing goes on: what the stream holds, held against what it should hold and against the
 * change log. What is missing in the stream is published again where the change log still has it.
 */

import { POSITION_MAX } from "../arrow/event_columns.ts";
import { batchMessagesMax, lastCheckpoint } from "../events/atomic_publish.ts";
import type { Nats } from "../events/connect.ts";
import { BadEvent, eventLines, parseEvent } from "../events/entity_event.ts";
import { AppError } from "../errors.ts";
import { STREAM, SUBJECT } from "../events/names.ts";
import { nextMessage } from "../events/stream_state.ts";
import { checkStream } from "../events/streams.ts";
import type { Log } from "../log.ts";
import { FIRST_SNAPSHOT, type Snapshot } from "../postgres/change_log.ts";
import type { Connection } from "../postgres/connection.ts";
import { type Checkpoint, covers, decodeCheckpoint } from "./checkpoint.ts";
import { checkSameHistory, type DatabaseIdentity } from "./database_identity.ts";
import { readRecord } from "./database_record.ts";
import { type PublisherProgress, readProgress } from "./progress.ts";

/** What the stream should hold, as this publisher or its last record knows. */
export type Known = Pick<PublisherProgress, "streamCreated" | "sequence" | "epoch" | "emptied">;

export interface Aligned {
  /** Null: from the change log's first event. */
  readonly checkpoint: Checkpoint | null;
  /** Sequence of the last checkpoint in the stream; 0 where there is none. */
  readonly sequence: number;
  readonly epoch: number;
  readonly streamCreated: string;
  readonly emptied: Snapshot | null;
  /** Events behind the last checkpoint: a page that a crash of the server cut. */
  readonly torn: ReadonlySet<string>;
  readonly progress: PublisherProgress | null;
}

export interface AlignOptions {
  readonly nats: Nats;
  readonly connection: Connection;
  readonly identity: DatabaseIdentity;
  /** Of this process; null before its first page. */
  readonly known: Known | null;
  readonly log: Log;
}

/** Finds the place; throws `BAD_INPUT` with the remedy where it cannot go on without loss. */
export async function align(options: AlignOptions): Promise<Aligned> {
  const { nats, connection, identity, log } = options;
  const { created, state } = await checkStream(nats, STREAM.events);
  await checkStream(nats, STREAM.progress);
  const last = await lastCheckpoint(nats);
  const progress = await readProgress(nats);
  const known = options.known ?? later(await readRecord(connection, identity), progress);
  const checkpoint = last && decodeCheckpoint(last.data);
  if (checkpoint) await checkSameHistory(connection, identity, checkpoint);
  const sequence = last?.sequence ?? 0;
  const torn = await tornEvents(nats, sequence, state.last_seq);
  const emptied = known?.emptied ?? checkpoint?.emptied ?? null;
  const found = { checkpoint, sequence, streamCreated: created, emptied, torn, progress };

  const epoch = Math.max(checkpoint?.epoch ?? 0, known?.epoch ?? 0);
  const reason = lossOf(created, checkpoint, sequence, known);
  if (reason === null) {
    if (checkpoint === null) await requireWholeLog(connection, "it never held an event");
    return { ...found, epoch: Math.max(1, epoch) };
  }
  if (checkpoint === null) await requireWholeLog(connection, reason);
  else if (emptied !== null && !covers(checkpoint.to, emptied)) throw lost(reason);
  const raised = nextEpoch(epoch);
  log.warn("publishing again what the stream has lost", { reason, epoch: raised });
  return { ...found, epoch: raised };
}

/** The one that knows of more. */
function later(one: Known | null, other: Known | null): Known | null {
  if (one === null || other === null) return one ?? other;
  const isLater = one.epoch - other.epoch || one.sequence - other.sequence;
  return isLater >= 0 ? one : other;
}

/** What tells that the stream lost something; null: nothing does. */
function lossOf(
  created: string,
  checkpoint: Checkpoint | null,
  sequence: number,
  known: Known | null,
): string | null {
  if (checkpoint !== null && checkpoint.streamCreated !== created) {
    return `it was made ${created}, its last checkpoint is of one made ${checkpoint.streamCreated}`;
  }
  if (known === null) return null;
  if (known.streamCreated !== created) {
    return `it was made ${created}, and not ${known.streamCreated}`;
  }
  if (sequence < known.sequence) {
    return `its last checkpoint is ${sequence}, and ${known.sequence} was published`;
  }
  return null;
}

/** Throws where positions have no room for a further one. */
export function nextEpoch(epoch: number): number {
  if (epoch < POSITION_MAX.epoch) return epoch + 1;
  throw new AppError("UNSUPPORTED", `no position has room for an epoch behind ${epoch}`, {
    hint: "epochs are raised whenever streams are made anew: empty ClickHouse's fraiseql_events, " +
      "remove FRAISEQL_EVENTS, FRAISEQL_BATCHES and FRAISEQL_PROGRESS and the row of " +
      "fraiseql.publisher_progress, then run fraiseql migrate",
  });
}

/** An empty stream can be filled while nothing has left the change log. */
async function requireWholeLog(connection: Connection, reason: string): Promise<void> {
  const [row] = await connection.query("select exists (select from fraiseql.change_digest)");
  if (row?.[0] === "t") throw lost(reason);
}

function lost(reason: string): AppError {
  return new AppError(
    "BAD_INPUT",
    `${STREAM.events} lacks events that have left the change log: ${reason}`,
    {
      hint: "fraiseql observe --start-over first publishes all that the change log still holds, " +
        "and gives up the rest; fraiseql verify shows what is missing",
    },
  );
}

/** Ids of the events behind the last checkpoint: a page comes whole, unless the server lost a part. */
async function tornEvents(nats: Nats, after: number, last: number): Promise<Set<string>> {
  const ids = new Set<string>();
  let messages = 0;
  for (let at = after + 1; at <= last;) {
    const message = await nextMessage(nats, STREAM.events, at, SUBJECT.allEvents);
    if (message === null) break;
    if (++messages >= batchMessagesMax) {
      throw new AppError("BAD_INPUT", `${STREAM.events} has events behind its last checkpoint`, {
        hint:
          "somebody else writes to it, or removed checkpoints: copy away what you need, remove " +
          "the stream (nats stream rm), and run fraiseql migrate",
      });
    }
    for (const line of eventLines(message.data)) {
      const event = parseEvent(line);
      if (!(event instanceof BadEvent)) ids.add(event.id);
    }
    at = message.sequence + 1;
  }
  return ids;
}

/** What a publisher that starts over needs to know of the stream. */
export async function readPlace(
  nats: Nats,
  connection: Connection,
  identity: DatabaseIdentity,
): Promise<Pick<Aligned, "sequence" | "epoch" | "streamCreated">> {
  const { created } = await checkStream(nats, STREAM.events);
  const last = await lastCheckpoint(nats);
  const epoch = Math.max(
    last ? decodeCheckpoint(last.data).epoch : 0,
    (await readProgress(nats))?.epoch ?? 0,
    (await readRecord(connection, identity))?.epoch ?? 0,
  );
  return { sequence: last?.sequence ?? 0, epoch, streamCreated: created };
}

/** The checkpoint of a publisher that starts over: what the stream has is left as it is. */
export function startOver(
  how: "first" | "now",
  { now, publisher, identity, epoch, streamCreated, lastPosition }: {
    readonly now: Snapshot;
    readonly publisher: string;
    readonly identity: DatabaseIdentity;
    readonly epoch: number;
    readonly streamCreated: string;
    readonly lastPosition: bigint;
  },
): Checkpoint {
  const to = how === "first" ? FIRST_SNAPSHOT : now;
  return {
    epoch,
    publisher,
    database: identity,
    from: to,
    to,
    done: true,
    position: 0n,
    eventId: "",
    positionMax: how === "first" ? 0n : lastPosition,
    streamCreated,
    emptied: null,
  };
}
