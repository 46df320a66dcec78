/**
 * The publisher's record in FRAISEQL_PROGRESS: what FRAISEQL_EVENTS should hold, for the case that it
 * was made anew or lost its end, and how the publisher does, for `fraiseql status`.
 */

import { publishOne } from "../events/atomic_publish.ts";
import type { Holder } from "../events/holder.ts";
import type { Nats } from "../events/connect.ts";
import { STREAM, SUBJECT } from "../events/names.ts";
import { lastMessage } from "../events/stream_state.ts";
import type { Snapshot } from "../postgres/change_log.ts";

export interface PublisherProgress {
  /** Of FRAISEQL_EVENTS. */
  readonly streamCreated: string;
  /** Of the last checkpoint. */
  readonly sequence: number;
  readonly epoch: number;
  readonly emptied: Snapshot | null;
  /** What was in the stream, and when: what may leave the change log later. */
  readonly samples: readonly Sample[];
  readonly state: string;
  /** Events published since the process began. */
  readonly events: number;
  readonly lastError: string | null;
  /** When this was written, RFC 3339. */
  readonly at: string;
  /** Who wrote it; earlier programs did not say. */
  readonly holder?: Holder | undefined;
}

export interface Sample {
  readonly atMs: number;
  readonly snapshot: Snapshot;
  /** Of the last checkpoint then; earlier programs did not write it. */
  readonly sequence?: number;
}

/** Reads the record; null where none was ever written. */
export async function readProgress(nats: Nats): Promise<PublisherProgress | null> {
  const message = await lastMessage(nats, STREAM.progress, SUBJECT.progress("publisher"));
  // Nobody but the publisher may write there; docs/nats.md says so.
  return message === null ? null : JSON.parse(new TextDecoder().decode(message.data));
}

/** Writes the record over the one before. */
export async function writeProgress(nats: Nats, progress: PublisherProgress): Promise<void> {
  const bytes = new TextEncoder().encode(JSON.stringify(progress));
  await publishOne(nats, SUBJECT.progress("publisher"), bytes);
}
