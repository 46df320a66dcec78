/**
 * FRAISEQL_DEAD: what a worker refused for good, with the reason, until somebody decides. A replay
 * goes to FRAISEQL_REPLAY, which that worker alone reads.
 */

import { ask } from "./ask.ts";
import { AppError } from "../errors.ts";
import { dataBytesMax, publishOne } from "./atomic_publish.ts";
import type { Nats } from "./connect.ts";
import { HEADER, STREAM, SUBJECT } from "./names.ts";
import { apiErrorCode, natsError } from "./nats_errors.ts";
import { messageAt, nextMessage, type StoredMessage, streamState } from "./stream_state.ts";

/** A message that is parked. */
export interface Dead {
  readonly worker: string;
  readonly reason: string;
  readonly data: Uint8Array;
  readonly contentType: string;
  /** Where it came from. */
  readonly origin: {
    readonly subject: string;
    readonly sequence: number;
    /** Within the message. */
    readonly index: number;
    /** When the stream took it, where its numbers can come again; not kept. */
    readonly timeMs?: number;
  };
  readonly entityType: string | null;
  readonly eventId: string | null;
  /** How often it was refused. */
  readonly refusals: number;
}

/** As it lies in the stream. */
export interface ParkedDead extends Dead {
  /** Its size before it was cut, where there was no room for its headers; null: it is whole. */
  readonly cutFromBytes: number | null;
  readonly sequence: number;
  readonly time: Date;
}

export interface DeadFilter {
  readonly worker?: string;
  /** Text within the reason, whatever its case. */
  readonly reason?: string;
  readonly entityType?: string;
  readonly since?: Date;
  readonly until?: Date;
}

const NAME = {
  reason: "Fraiseql-Reason",
  subject: "Fraiseql-Subject",
  sequence: "Fraiseql-Sequence",
  index: "Fraiseql-Index",
  entityType: "Fraiseql-Entity-Type",
  eventId: "Fraiseql-Event-Id",
  refusals: "Fraiseql-Refusals",
  cutFrom: "Fraiseql-Cut-From",
} as const;

/** Header of a replayed message: how often it was refused before. */
export const REFUSALS_HEADER = NAME.refusals;

/** Parks a message. The same part of the same message is parked once within two minutes. */
export async function park(nats: Nats, dead: Dead): Promise<void> {
  const { worker, origin, refusals, data } = dead;
  // A message of the greatest size has no room for the headers that are added here.
  const kept = data.subarray(0, dataBytesMax(nats));
  const at = origin.timeMs === undefined ? "" : `@${origin.timeMs}`;
  await publishOne(nats, SUBJECT.dead(worker), kept, {
    ...kept.length < data.length && { [NAME.cutFrom]: String(data.length) },
    [HEADER.contentType]: dead.contentType,
    [HEADER.id]: `${worker}:${origin.subject}:${origin.sequence}${at}:${origin.index}:${refusals}`,
    [NAME.reason]: oneLine(dead.reason),
    [NAME.subject]: origin.subject,
    [NAME.sequence]: String(origin.sequence),
    [NAME.index]: String(origin.index),
    [NAME.refusals]: String(refusals),
    ...dead.entityType !== null && { [NAME.entityType]: oneLine(dead.entityType) },
    ...dead.eventId !== null && { [NAME.eventId]: oneLine(dead.eventId) },
  });
}

/** A header ends with its line, and has an end somewhere. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is taken out
  return text.replaceAll(/[\u0000-\u001f\u007f]+/g, " ").trim().slice(0, reasonCharsMax);
}

/** A reason is for a person to read; a store's own message can hold a whole document. */
const reasonCharsMax = 500;

/**
 * The parked messages that pass the filter, oldest first; of those that are there when it begins.
 * At most `lookMax` are looked at.
 */
export async function* listDead(
  nats: Nats,
  filter: DeadFilter,
  lookMax: number,
): AsyncGenerator<ParkedDead, void> {
  const { lastSequence } = await streamState(nats, STREAM.dead);
  const subject = filter.worker === undefined ? undefined : SUBJECT.dead(filter.worker);
  let sequence = 1;
  for (let looked = 0; looked < lookMax && sequence <= lastSequence; looked++) {
    const found = await nextMessage(nats, STREAM.dead, sequence, subject);
    if (!found || found.sequence > lastSequence) return;
    sequence = found.sequence + 1;
    const dead = toDead(found);
    if (passes(dead, filter)) yield dead;
  }
}

/** The parked message with that number; null where there is none. */
export async function deadAt(nats: Nats, sequence: number): Promise<ParkedDead | null> {
  const found = await messageAt(nats, STREAM.dead, sequence);
  return found && toDead(found);
}

/**
 * Gives a parked message to its worker once more and takes it from the parked ones. Where the
 * program ends in between it is there and there: done again, the worker gets it once.
 */
export async function replayDead(nats: Nats, dead: ParkedDead): Promise<void> {
  if (dead.cutFromBytes !== null) {
    throw new AppError("BAD_INPUT", `${dead.sequence} was cut from ${dead.cutFromBytes} bytes`, {
      hint: "it cannot be replayed: publish it anew in smaller messages, and discard it here",
    });
  }
  const { created } = await streamState(nats, STREAM.dead);
  await publishOne(nats, SUBJECT.replay(dead.worker), dead.data, {
    [HEADER.contentType]: dead.contentType,
    [HEADER.id]: `${created}:${dead.sequence}`,
    [NAME.refusals]: String(dead.refusals),
  });
  await discardDead(nats, dead.sequence);
}

/** Removes a parked message for good; one that is gone already is fine. */
export async function discardDead(nats: Nats, sequence: number): Promise<void> {
  try {
    await ask(nats, () => nats.manager.streams.deleteMessage(STREAM.dead, sequence, false));
  } catch (error) {
    // The server says that in many ways, so it is looked at.
    if (apiErrorCode(error) !== null && await deadAt(nats, sequence) === null) return;
    throw natsError(`removing ${sequence} from ${STREAM.dead}`, error);
  }
}

function toDead({ sequence, subject, time, data, headers }: StoredMessage): ParkedDead {
  const number = (name: string) => Number(headers.get(name) ?? 0);
  return {
    sequence,
    time,
    data,
    worker: subject.slice(SUBJECT.dead("").length),
    reason: headers.get(NAME.reason) ?? "no reason was given",
    contentType: headers.get(HEADER.contentType) ?? "application/octet-stream",
    origin: {
      subject: headers.get(NAME.subject) ?? "",
      sequence: number(NAME.sequence),
      index: number(NAME.index),
    },
    entityType: headers.get(NAME.entityType) ?? null,
    eventId: headers.get(NAME.eventId) ?? null,
    cutFromBytes: headers.has(NAME.cutFrom) ? number(NAME.cutFrom) : null,
    refusals: number(NAME.refusals),
  };
}

function passes(dead: ParkedDead, { reason, entityType, since, until }: DeadFilter): boolean {
  if (reason !== undefined && !dead.reason.toLowerCase().includes(reason.toLowerCase())) {
    return false;
  }
  if (entityType !== undefined && dead.entityType !== entityType) return false;
  if (since !== undefined && dead.time < since) return false;
  return until === undefined || dead.time < until;
}
