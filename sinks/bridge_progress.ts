/**
 * The bridge's record in FRAISEQL_PROGRESS: what FRAISEQL_BATCHES should hold, for the case that it
 * was made anew or lost its end; a sign of life, for a second bridge that stands by; and how it does,
 * for `fraiseql status`.
 */

import { abortError } from "../lib/errors.ts";
import { publishOne } from "../lib/events/atomic_publish.ts";
import { type Holder, readHolder } from "../lib/events/holder.ts";
import type { Nats } from "../lib/events/connect.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { lastMessage } from "../lib/events/stream_state.ts";
import { pause } from "../lib/waiting.ts";
import type { BatchHead } from "./bridge_batches.ts";

export interface BridgeProgress {
  /** Of the process that wrote it. */
  readonly instance: string;
  /** It has stopped, and another need not wait. */
  readonly stopped: boolean;
  /** Of FRAISEQL_BATCHES. */
  readonly batchesCreated: string;
  /** Of the last batch. */
  readonly batchSequence: number;
  readonly epoch: number;
  readonly head: BatchHead | null;
  readonly state: string;
  /** Rows written since the process began. */
  readonly events: number;
  readonly lastError: string | null;
  /** When this was written, RFC 3339. */
  readonly at: string;
  /** Who wrote it; earlier programs did not say. */
  readonly holder?: Holder | undefined;
}

/** Reads the record; null where none was ever written. */
export async function readBridgeProgress(nats: Nats): Promise<BridgeProgress | null> {
  return (await readWithSequence(nats))?.record ?? null;
}

/** Writes the record over the one before. */
export async function writeBridgeProgress(nats: Nats, progress: BridgeProgress): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(progress));
  await publishOne(nats, SUBJECT.progress("bridge"), bytes);
}

/**
 * Waits while another bridge gives signs of life. What keeps two from writing at once is the sequence
 * that each batch names; this keeps them from disturbing each other all the time.
 */
export async function untilFree(
  nats: Nats,
  instance: string,
  onStandBy: (holder: Holder | null) => void,
  signal: AbortSignal,
): Promise<void> {
  let seen = -1;
  for (let saidSo = false;; saidSo = true) {
    if (signal.aborted) throw abortError(signal);
    const found = await readWithSequence(nats);
    if (found === null || found.record.stopped || found.record.instance === instance) return;
    if (found.sequence === seen) return;
    if (!saidSo) onStandBy(readHolder(found.record.holder));
    seen = found.sequence;
    await pause(standByMs, signal);
  }
}

async function readWithSequence(
  nats: Nats,
): Promise<{ readonly record: BridgeProgress; readonly sequence: number } | null> {
  const message = await lastMessage(nats, STREAM.progress, SUBJECT.progress("bridge"));
  if (message === null) return null;
  // Nobody but the bridge may write there; docs/nats.md says so.
  const record: BridgeProgress = JSON.parse(new TextDecoder().decode(message.data));
  return { record, sequence: message.sequence };
}

/** Between two records of a bridge at work. */
export const heartbeatMs = 500;
/** Four of them missing: it is gone, or so slow that another should try. */
export const standByMs = 2000;
