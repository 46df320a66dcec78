/** What a destination of events must be able to do; the loop around it is `deliver.ts`. */

import { AppError } from "../lib/errors.ts";
import type { EventMessage } from "../lib/events/puller.ts";

export interface Sink<Payload> {
  readonly name: string;

  /**
   * Open the connection and create what must exist there. Called before the
   * first write, and again after a write threw `UNAVAILABLE`.
   */
  connect(signal: AbortSignal): Promise<void>;

  /**
   * Store the rows and return the ones refused for good, empty when all were
   * stored. Throws `UNAVAILABLE` when the whole payload may be tried again; any
   * other error means that no try of this payload will ever do, and it is
   * written again in halves until what is bad is found. `PlaceLost` means that the payload is no
   * longer what must be written: the feed is opened again.
   * The same payload can arrive twice, so a write must be safe to repeat.
   */
  write(payload: Payload, signal: AbortSignal): Promise<Refusal[]>;

  close(): Promise<void>;
}

/** What the destination holds is not what the payload was made for; the feed must ask it again. */
export class PlaceLost extends AppError {
  constructor(reason: string, cause: unknown) {
    super("UNAVAILABLE", reason, { hint: "the destination is asked again by itself", cause });
  }
}

/** A row that was refused for good. */
export interface Refusal {
  /** Its index in the payload. */
  readonly row: number;
  readonly reason: string;
}

/** Messages as the sink takes them. */
export interface Encoded<Payload> {
  /** Null: nothing in them is for the sink. */
  readonly payload: Payload | null;
  readonly rows: number;
  /** What cannot be encoded, which is parked with the rest going on. */
  readonly refused: readonly RefusedPart[];
  /** A row of the payload as it is parked: so that it can be taken once more by itself. */
  readonly part: (row: number) => Part;
}

/** A part of a message, most often one event of it. */
export interface Part {
  readonly message: EventMessage;
  /** Within the message. */
  readonly index: number;
  readonly data: Uint8Array;
  readonly contentType: string;
  readonly entityType?: string;
  readonly eventId?: string;
}

export interface RefusedPart {
  readonly part: Part;
  readonly reason: string;
}

/**
 * Makes a payload of messages. Pure, and the same for the same messages: what was begun is formed
 * again after a crash. May throw for a message that it cannot take at all, which is then parked.
 */
export type Encode<Payload> = (messages: readonly EventMessage[]) => Encoded<Payload>;
