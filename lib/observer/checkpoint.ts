/**
 * How far the publisher is: the last message of each page in FRAISEQL_EVENTS, in the same atomic
 * batch, so that the stream itself tells what it holds.
 */

import { AppError } from "../errors.ts";
import { FIRST_SNAPSHOT, type Snapshot, type Window } from "../postgres/change_log.ts";
import type { DatabaseIdentity } from "./database_identity.ts";

export interface Checkpoint {
  /** Raised when a stream is filled again: positions in it start anew then. */
  readonly epoch: number;
  /** Of the process that wrote it, so that a publisher knows its own page when it comes late. */
  readonly publisher: string;
  readonly database: DatabaseIdentity;
  /** The window of which the page is a part. */
  readonly from: Snapshot;
  readonly to: Snapshot;
  /** The page was the window's last. */
  readonly done: boolean;
  /** Of the page's last event; 0 and empty where publishing starts over. */
  readonly position: bigint;
  readonly eventId: string;
  /** The greatest position that was ever published. */
  readonly positionMax: bigint;
  /** When the stream was made. */
  readonly streamCreated: string;
  /** What is visible in it may have left the change log; null: nothing has. */
  readonly emptied: Snapshot | null;
}

/** Its JSON. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const { database } = checkpoint;
  return new TextEncoder().encode(JSON.stringify({
    epoch: checkpoint.epoch,
    publisher: checkpoint.publisher,
    system_identifier: database.systemIdentifier,
    timeline: database.timeline,
    database_oid: database.oid,
    from: checkpoint.from,
    to: checkpoint.to,
    done: checkpoint.done,
    position: String(checkpoint.position),
    event_id: checkpoint.eventId,
    position_max: String(checkpoint.positionMax),
    stream_created: checkpoint.streamCreated,
    emptied: checkpoint.emptied,
  }));
}

/** Reads it; throws `BAD_INPUT` for what no publisher wrote. */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const text = new TextDecoder().decode(bytes);
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === "object" && found !== null) return read(new Map(Object.entries(found)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw noCheckpoint(text);
}

function read(fields: ReadonlyMap<string, unknown>): Checkpoint {
  const text = (name: string): string => {
    const value = fields.get(name);
    if (typeof value === "string") return value;
    throw noCheckpoint(`${name} is ${JSON.stringify(value)}`);
  };
  const number = (name: string): number => {
    const value = fields.get(name);
    if (typeof value === "number") return value;
    throw noCheckpoint(`${name} is ${JSON.stringify(value)}`);
  };
  return {
    epoch: number("epoch"),
    publisher: text("publisher"),
    database: {
      systemIdentifier: text("system_identifier"),
      timeline: number("timeline"),
      oid: text("database_oid"),
    },
    from: text("from"),
    to: text("to"),
    done: fields.get("done") === true,
    position: BigInt(text("position")),
    eventId: text("event_id"),
    positionMax: BigInt(text("position_max")),
    streamCreated: text("stream_created"),
    emptied: fields.get("emptied") === null ? null : text("emptied"),
  };
}

function noCheckpoint(seen: string): AppError {
  return new AppError("BAD_INPUT", `the last checkpoint is none of ours: ${seen.slice(0, 200)}`, {
    hint: "only the publisher may write fraiseql.checkpoint; docs/nats.md lists each user's rights",
  });
}

/** Where reading goes on; `to` is null where the window is still to be chosen. */
export function nextWindow(
  checkpoint: Checkpoint | null,
): Omit<Window, "to"> & { readonly to: Snapshot | null } {
  if (checkpoint === null) return { from: FIRST_SNAPSHOT, to: null, position: 0n };
  const { from, to, position, done } = checkpoint;
  return done ? { from: to, to: null, position: 0n } : { from, to, position };
}

/** Everything visible in `inner` is visible in `outer`. */
export function covers(outer: Snapshot, inner: Snapshot): boolean {
  const [a, b] = [parse(outer), parse(inner)];
  return a.xmax >= b.xmax &&
    a.inProgress.every((xid) => xid >= b.xmax || b.inProgress.includes(xid));
}

/** The first transaction that had not begun. */
export function nextXid(snapshot: Snapshot): bigint {
  return parse(snapshot).xmax;
}

function parse(snapshot: Snapshot): { xmax: bigint; inProgress: bigint[] } {
  const [, xmax = "0", inProgress = ""] = snapshot.split(":");
  return { xmax: BigInt(xmax), inProgress: inProgress.split(",").filter(Boolean).map(BigInt) };
}
