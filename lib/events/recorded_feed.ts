/**
 * Progress by records in FRAISEQL_PROGRESS: the range that is about to be written, and that it was.
 * A range that was begun and not finished is formed again exactly, so that a destination which
 * knows a payload by its content stores it once.
 *
 * One worker of a name works at a time: each record names the one that it follows, and a second
 * worker stands by until the first is silent.
 */

import { abortError, AppError } from "../errors.ts";
import { pause, within } from "../waiting.ts";
import { publishOne } from "./atomic_publish.ts";
import type { Nats } from "./connect.ts";
import { type Holder, holderHere, readHolder } from "./holder.ts";
import { type Feed, rangeOf } from "./feed.ts";
import { STREAM, type StreamName, SUBJECT } from "./names.ts";
import { type OrderedReader, readOrdered } from "./ordered_reader.ts";
import type { EventMessage, PullMax } from "./puller.ts";
import { checkPlace, type Gap, StreamReplaced } from "./stream_place.ts";
import { lastMessage, streamState } from "./stream_state.ts";

export interface RecordedOptions {
  readonly nats: Nats;
  readonly stream: StreamName;
  readonly worker: string;
  readonly max: PullMax;
  /**
   * Asks the destination for the highest sequence it holds; the further one of it and the record
   * is believed. Null: it cannot tell, or holds nothing.
   */
  readonly heldLast?: (signal: AbortSignal) => Promise<number | null>;
  /** The stream begins behind what is wanted: these are gone. */
  readonly onGap?: (gap: Gap) => void;
  /**
   * The stream is another one than before, and is read from its first message on: for a destination
   * that knows what it has. Not given: that is refused. `heldLast` may throw it, too.
   */
  readonly onReplaced?: (replaced: StreamReplaced) => void;
  /** A second worker takes over after so long without a record; default 5 s. */
  readonly standByMs?: number;
  /** Told by whom the place is held, as far as it is known. */
  readonly onStandBy?: (holder: Holder | null) => void;
  /** Name of this machine. */
  readonly host?: string;
}

/** What a worker keeps of itself. */
export interface ProgressRecord {
  readonly stream: string;
  /** When the stream was made. */
  readonly created: string;
  /** The range, inclusive. */
  readonly first: number;
  readonly last: number;
  readonly done: boolean;
  /** Of the program that wrote it. */
  readonly instance: string;
  /** It has stopped, and another need not wait. */
  readonly stopped: boolean;
  /** Who that is; earlier programs did not write it. */
  readonly holder?: Holder | undefined;
}

interface FoundRecord {
  readonly record: ProgressRecord;
  readonly sequence: number;
  /** When it was written. */
  readonly time: Date;
}

/** Reads a worker's record; null where it never wrote one. */
export async function readProgress(
  nats: Nats,
  worker: string,
): Promise<FoundRecord | null> {
  const found = await lastMessage(nats, STREAM.progress, SUBJECT.progress(worker));
  if (!found) return null;
  const record = toRecord(found.data);
  if (record) return { record, sequence: found.sequence, time: found.time };
  throw new AppError("BAD_INPUT", `${SUBJECT.progress(worker)} holds no record of progress`, {
    hint: "somebody else wrote there; remove it with nats stream purge FRAISEQL_PROGRESS " +
      "--subject, after which the worker begins with the first event",
  });
}

/** Reads on behind the last range that was done, or with the one that was not finished. */
export function recordedFeed(options: RecordedOptions): Feed {
  const { nats, stream, worker, max, heldLast, onReplaced } = options;
  const instance = crypto.randomUUID();
  let holder = holderHere(options.host ?? "");
  let reader: OrderedReader | null = null;
  let last: ProgressRecord | null = null;
  /** The last record's sequence, which the next one names. */
  let sequence = 0;
  let created = "";
  /** The end of a range that has to be formed again. */
  let until: number | null = null;
  let goodbye: Promise<unknown> = Promise.resolve();
  /** Taken already, behind such a range. */
  let rest: EventMessage[] = [];

  const write = async (
    record: Omit<ProgressRecord, "stream" | "created" | "instance" | "holder">,
  ) => {
    const whole: ProgressRecord = { stream, created, ...record, instance, holder };
    const data = new TextEncoder().encode(JSON.stringify(whole));
    sequence = await publishOne(nats, SUBJECT.progress(worker), data, {
      "Nats-Expected-Last-Subject-Sequence": String(sequence),
    });
    last = whole;
  };
  const reset = () => {
    reader?.close();
    reader = null;
    rest = [];
  };

  return {
    name: `${stream} for ${worker}`,

    async open(signal) {
      reset();
      const found = await untilFree(options, instance, signal);
      if (found?.record.instance !== instance) holder = holderHere(options.host ?? "");
      const record = found?.record ?? null;
      sequence = found?.sequence ?? 0;
      last = record;
      created = (await streamState(nats, stream)).created;
      let from: number;
      try {
        from = await findPlace(record, signal);
      } catch (error) {
        if (!(error instanceof StreamReplaced) || !onReplaced) throw error;
        onReplaced(error);
        [from, until] = [1, null];
      }
      reader = await readOrdered({ nats, stream, from });
    },

    async pull(signal) {
      if (!reader) throw new Error("pull() before open()");
      if (until !== null) return { messages: await again(reader, until, signal) };
      if (rest.length === 0) return { messages: await reader.pull(max, signal) };
      const messages = rest;
      rest = [];
      return { messages };
    },

    async begin(pulled) {
      const { first, last } = rangeOf(pulled);
      await write({ first, last, done: false, stopped: false });
    },

    async done(pulled) {
      const { first, last } = rangeOf(pulled);
      await write({ first, last, done: true, stopped: false });
    },

    async close() {
      const record = last;
      if (reader !== null && record?.instance === instance) {
        // A courtesy: without it the next worker waits a few seconds.
        const written = write({ ...record, stopped: true });
        goodbye = within(goodbyeMsMax, written).catch(() => false);
      }
      reset();
      await goodbye; // also of a close before this one
    },
  };

  /** The sequence to read from. */
  async function findPlace(record: ProgressRecord | null, signal: AbortSignal): Promise<number> {
    const held = await heldLast?.(signal) ?? null;
    const recorded = record === null ? 0 : record.done ? record.last : record.first - 1;
    const isAhead = held !== null && held > recorded;
    const at = isAhead ? held : recorded;
    until = record === null || record.done || at >= record.last ? null : record.last;
    // Behind the destination a range cannot be cut: it is formed again as it was.
    const place = until === null ? at : recorded;
    const isFirst = record === null && place === 0;
    const known = { created: record?.created ?? created, sequence: place };
    return await checkPlace(nats, stream, isFirst ? null : known, options.onGap);
  }

  /** The messages up to that sequence, and no other. */
  async function again(
    from: OrderedReader,
    end: number,
    signal: AbortSignal,
  ): Promise<EventMessage[]> {
    const messages: EventMessage[] = [];
    while ((messages.at(-1)?.sequence ?? 0) < end) {
      const some = await from.pull(max, signal);
      const count = some.findIndex(({ sequence }) => sequence > end);
      messages.push(...count < 0 ? some : some.slice(0, count));
      if (count >= 0) {
        rest = some.slice(count);
        break;
      }
    }
    until = null;
    if (messages.length > 0) return messages;
    // All of it has left the stream: there is nothing to form again.
    const messagesBehind = rest;
    rest = [];
    return messagesBehind;
  }
}

/** Waits while another program of this name writes records, or may be about to. */
async function untilFree(
  { nats, worker, standByMs = recordSilenceMs, onStandBy }: RecordedOptions,
  instance: string,
  signal: AbortSignal,
): Promise<FoundRecord | null> {
  let seen = -1;
  for (let saidSo = false;; saidSo = true) {
    if (signal.aborted) throw abortError(signal);
    const found = await readProgress(nats, worker);
    const isFree = found === null || found.record.stopped || found.record.instance === instance;
    if (isFree || found.sequence === seen) return found;
    if (!saidSo) onStandBy?.(readHolder(found.record.holder));
    seen = found.sequence;
    await pause(standByMs, signal);
  }
}

/** A worker without a record for so long is gone, or has nothing to do. */
export const recordSilenceMs = 5000;
const goodbyeMsMax = 1000;

function toRecord(data: Uint8Array): ProgressRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(data));
  } catch {
    return null; // the caller says what to do
  }
  if (typeof value !== "object" || value === null) return null;
  const { stream, created, first, last, done, instance, stopped } = value as Record<
    string,
    unknown
  >;
  const isWhole = typeof stream === "string" && typeof created === "string" &&
    Number.isSafeInteger(first) && Number.isSafeInteger(last) && typeof done === "boolean" &&
    typeof instance === "string" && typeof stopped === "boolean";
  return isWhole ? value as ProgressRecord : null;
}
