/**
 * The streams of CONTRACTS: made by `fraiseql migrate`, checked by every worker at its start.
 *
 * All are files and refuse what does not fit (`discard: new`): a full stream stops its writer and
 * loses nothing. None has an age limit; what may go is purged by name once every sink has it.
 */

import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { ask } from "./ask.ts";
import type { Nats } from "./connect.ts";
import { STREAM, type StreamName, SUBJECT } from "./names.ts";
import { API_ERROR, apiErrorCode, natsError } from "./nats_errors.ts";

/** What a stream must be like. */
interface StreamRow {
  readonly name: StreamName;
  readonly subjects: readonly string[];
  readonly what: string;
  /** The most it may hold. */
  readonly bytesMax: (limits: Limits) => number;
  /** Pages come as atomic batches. */
  readonly atomic?: true;
  /** One message is kept for each subject. */
  readonly last?: true;
  /** A message is gone once it was acknowledged. */
  readonly queue?: true;
}

// deno-fmt-ignore: a table reads best as one
export const STREAM_ROWS: readonly StreamRow[] = [
  { name: STREAM.events, subjects: [SUBJECT.allEvents, SUBJECT.checkpoint], what: "every event, in order, and the publisher's checkpoint", bytesMax: (l) => l.eventStreamBytesMax, atomic: true },
  { name: STREAM.ingest, subjects: [SUBJECT.ingest], what: "events of other producers, until they are in the change log", bytesMax: (l) => l.ingestStreamBytesMax },
  { name: STREAM.batches, subjects: [SUBJECT.batches], what: "events as Arrow record batches", bytesMax: (l) => l.batchStreamBytesMax },
  { name: STREAM.progress, subjects: [SUBJECT.allProgress], what: "how far each worker is", bytesMax: () => progressBytesMax, last: true },
  { name: STREAM.dead, subjects: [SUBJECT.allDead], what: "what a worker refused for good", bytesMax: (l) => l.deadStreamBytesMax },
  { name: STREAM.replay, subjects: [SUBJECT.allReplays], what: "what a worker shall take once more", bytesMax: (l) => l.deadStreamBytesMax, queue: true },
];

/** A record is some hundred bytes and a worker has one. */
const progressBytesMax = 16 * 1024 * 1024;

/** What all streams together may come to hold, and a little for what JetStream itself keeps. */
export function storeBytesMax(limits: Limits): number {
  const streams = STREAM_ROWS.reduce((sum, row) => sum + row.bytesMax(limits), 0);
  return Math.ceil(streams * 1.05);
}

/** One line for each stream about what was done. */
export interface Migrated {
  readonly stream: StreamName;
  readonly done: "made" | "changed" | "nothing";
  readonly changes: readonly string[];
}

/**
 * Makes the streams that are not there and changes the settings that can be changed; refuses one
 * that cannot become what it must be, before anything is touched. Safe to repeat.
 */
export async function migrateNats(nats: Nats, limits: Limits): Promise<Migrated[]> {
  const found: [StreamRow, StreamInfo | null][] = [];
  for (const row of STREAM_ROWS) found.push([row, await infoOf(nats, row.name)]);
  refuse(found.flatMap(([row, info]) => info ? hardFaults(row, info) : []));
  for (const [row, info] of found) refuseToShrink(row, info, limits);

  const results: Migrated[] = [];
  for (const [row, info] of found) {
    const wanted = configOf(row, limits);
    try {
      if (info === null) {
        await ask(nats, () => nats.manager.streams.add(wanted));
        results.push({ stream: row.name, done: "made", changes: [] });
        continue;
      }
      const changes = differences(wanted, info.config);
      if (changes.length > 0) {
        const update = { ...info.config, ...wanted };
        await ask(nats, () => nats.manager.streams.update(row.name, update));
      }
      results.push({ stream: row.name, done: changes.length > 0 ? "changed" : "nothing", changes });
    } catch (error) {
      throw natsError(`making the stream ${row.name}`, error);
    }
  }
  return results;
}

/** Throws where a stream is not there, or is not what it must be. Asks and changes nothing. */
export async function checkStream(nats: Nats, name: StreamName): Promise<StreamInfo> {
  const row = STREAM_ROWS.find((row) => row.name === name);
  const info = await infoOf(nats, name);
  if (!info || !row) {
    throw new AppError("NOT_FOUND", `NATS has no stream ${name}`, {
      hint: "run fraiseql migrate, which makes the streams",
    });
  }
  refuse(hardFaults(row, info));
  const soft = softFaults(row, info.config);
  if (soft.length > 0) {
    throw new AppError("BAD_INPUT", `the stream ${name} is not as it must be: ${soft.join("; ")}`, {
      hint: "run fraiseql migrate, which changes it",
    });
  }
  return info;
}

/** JetStream would drop the oldest messages, whatever a full stream does otherwise. */
function refuseToShrink(row: StreamRow, info: StreamInfo | null, limits: Limits): void {
  const [bytes, bytesMax] = [info?.state.bytes ?? 0, row.bytesMax(limits)];
  if (bytes <= bytesMax) return;
  throw new AppError("BAD_INPUT", `${row.name} holds ${bytes} bytes and shall hold ${bytesMax}`, {
    hint: "its oldest messages would be lost: raise the limit ..._stream_bytes_max",
  });
}

async function infoOf(nats: Nats, name: string): Promise<StreamInfo | null> {
  try {
    return await ask(nats, () => nats.manager.streams.info(name));
  } catch (error) {
    if (apiErrorCode(error) === API_ERROR.streamNotFound) return null;
    throw natsError(`asking for the stream ${name}`, error);
  }
}

type Wanted = Pick<
  StreamConfig,
  | "name"
  | "subjects"
  | "description"
  | "retention"
  | "storage"
  | "discard"
  | "max_bytes"
  | "max_msgs_per_subject"
  | "max_age"
  | "max_msgs"
  | "allow_direct"
  | "allow_atomic"
>;

function configOf(row: StreamRow, limits: Limits): Wanted {
  return {
    name: row.name,
    subjects: [...row.subjects],
    description: row.what,
    retention: row.queue ? "workqueue" : "limits",
    storage: "file",
    // The last record of a worker must always fit: the one before it leaves.
    discard: row.last ? "old" : "new",
    max_bytes: row.bytesMax(limits),
    max_msgs_per_subject: row.last ? 1 : -1,
    max_age: 0,
    max_msgs: -1,
    allow_direct: true,
    allow_atomic: row.atomic ?? false,
  };
}

/** What cannot be changed of a stream that is there. */
function hardFaults(row: StreamRow, { config }: StreamInfo): string[] {
  const retention = row.queue ? "workqueue" : "limits";
  return [
    ...config.storage === "file" ? [] : [`${row.name} is kept in ${config.storage}, not in files`],
    ...config.retention === retention
      ? []
      : [`${row.name} has retention ${config.retention}, not ${retention}`],
    ...config.mirror || config.sources?.length ? [`${row.name} copies another stream`] : [],
    ...config.sealed ? [`${row.name} is sealed`] : [],
    ...config.deny_purge ? [`${row.name} cannot be purged`] : [],
  ];
}

/** What loses events or stops a worker, and `migrate` can change. The size is the owner's choice. */
function softFaults(row: StreamRow, config: StreamConfig): string[] {
  const lacking = row.subjects.filter((subject) => !config.subjects?.includes(subject));
  return [
    ...lacking.map((subject) => `it does not take ${subject}`),
    ...config.discard === (row.last ? "old" : "new") ? [] : [`it discards ${config.discard}`],
    ...config.max_age > 0 ? ["it drops messages by age"] : [],
    ...config.max_msgs > 0 ? ["it is limited in messages"] : [],
    ...row.atomic && !config.allow_atomic ? ["it takes no atomic batches"] : [],
    ...config.allow_direct ? [] : ["it allows no direct get"],
    ...row.last && config.max_msgs_per_subject !== 1 ? ["it keeps old records"] : [],
  ];
}

function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new AppError("BAD_INPUT", `NATS has other streams under our names: ${faults.join("; ")}`, {
    hint: "copy away what you need and remove the stream (nats stream rm), then run fraiseql " +
      "migrate; or name an account of its own in FRAISEQL_NATS_URL",
  });
}

function differences(wanted: Wanted, config: StreamConfig): string[] {
  return (Object.keys(wanted) as (keyof Wanted)[])
    .filter((key) => !same(wanted[key], config[key]))
    .map((key) => `${key} ${JSON.stringify(config[key])} -> ${JSON.stringify(wanted[key])}`);
}

/** JetStream leaves out what is not set. */
function same(a: unknown, b: unknown): boolean {
  const plain = (value: unknown) => value === undefined || value === false ? null : value;
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
}
