/** A part of FRAISEQL_EVENTS, event by event. */

import type { Nats } from "../lib/events/connect.ts";
import { BadEvent, type EntityEvent, eventLines, parseEvent } from "../lib/events/entity_event.ts";
import { STREAM, SUBJECT } from "../lib/events/names.ts";
import { readOrdered } from "../lib/events/ordered_reader.ts";
import { nextMessage } from "../lib/events/stream_state.ts";
import type { Limits } from "../lib/limits.ts";
import type { LinePlace } from "./bridge_batches.ts";

export interface EventsBetweenOptions {
  readonly nats: Nats;
  readonly limits: Pick<Limits, "pullMessagesMax" | "pullBytesMax">;
  readonly signal: AbortSignal;
}

/** An event and where it lies. */
export interface PlacedEvent {
  readonly event: EntityEvent;
  /** Its JSON. */
  readonly line: Uint8Array;
  /** Of its message. */
  readonly sequence: number;
}

/** Those behind that sequence and before the end, in order; what is no event is left out. */
export async function* eventsBetween(
  { nats, limits, signal }: EventsBetweenOptions,
  after: number,
  end: LinePlace,
): AsyncGenerator<PlacedEvent, void> {
  const next = await nextMessage(nats, STREAM.events, after + 1, SUBJECT.allEvents);
  const isBefore = (sequence: number, line: number) =>
    sequence < end.sequence || sequence === end.sequence && line < end.line;
  if (next === null || !isBefore(next.sequence, 0)) return;
  const subjects = [SUBJECT.allEvents];
  const reader = await readOrdered({ nats, stream: STREAM.events, from: next.sequence, subjects });
  const max = { messages: limits.pullMessagesMax, bytes: limits.pullBytesMax };
  // The message that `end` names may be a checkpoint, or not be there yet.
  const isLast = async (at: number) => {
    const message = await nextMessage(nats, STREAM.events, at + 1, SUBJECT.allEvents);
    return message === null || !isBefore(message.sequence, 0);
  };
  try {
    for (let at = after; at === after || !await isLast(at);) {
      for (const message of await reader.pull(max, signal)) {
        at = message.sequence;
        let index = 0;
        for (const line of eventLines(message.data)) {
          if (!isBefore(at, index++)) return;
          const event = parseEvent(line);
          if (event instanceof BadEvent) continue; // who stores it parked it
          yield { event, line, sequence: at };
        }
      }
    }
  } finally {
    reader.close();
  }
}
