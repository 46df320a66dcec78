/** The events in a message of another producer: what the change log can take, and what is refused. */

import { BadEvent, type EntityEvent, foreignLines, writeEvent } from "../events/entity_event.ts";
import { parseForeignEvent } from "../events/entity_event.ts";
import type { IngestedEvent } from "../postgres/change_log/ingest.ts";

export interface ForeignMessage {
  readonly data: Uint8Array;
  /** What the subject names; null where it names none, as that of a replay. */
  readonly entityType: string | null;
  readonly traceparent: string | null;
}

export interface ForeignMax {
  /** Of an event's line in FRAISEQL_EVENTS. */
  readonly eventBytes: number;
  /** Events that are refused each by itself. */
  readonly refusedEvents: number;
}

/** A part of a message that is refused for good. */
export interface RefusedLines {
  /** Place of its first line in the message. */
  readonly index: number;
  readonly data: Uint8Array;
  readonly reason: string;
  /** Of a single event, where it says so. */
  readonly entityType: string | null;
  readonly eventId: string | null;
  /** How many events it holds. */
  readonly events: number;
}

export interface ForeignEvents {
  readonly taken: readonly IngestedEvent[];
  readonly refused: readonly RefusedLines[];
}

/** Reads a message. Lines that are no events are refused, and the others taken all the same. */
export function readForeignEvents(message: ForeignMessage, max: ForeignMax): ForeignEvents {
  const taken: IngestedEvent[] = [];
  const refused: RefusedLines[] = [];
  const traceparent = traceForm.test(message.traceparent ?? "") ? message.traceparent : null;
  let rest: RestOfLines | null = null;
  let index = 0;
  for (const line of foreignLines(message.data)) {
    const event = checked(line, message.entityType, max.eventBytes);
    if (!(event instanceof Refused)) taken.push({ ...event, traceparent });
    else if (refused.length < max.refusedEvents) {
      refused.push({ index, data: line, ...event.what, events: 1 });
    } else {
      rest ??= new RestOfLines(message.data.length + 1, index, event.what.reason);
      rest.add(line);
    }
    index++;
  }
  if (rest !== null) refused.push(rest.refused());
  if (index > 0) return { taken, refused };
  const reason = "there is no event in the message";
  const whole = { index: 0, data: message.data, entityType: null, eventId: null, events: 1 };
  return { taken, refused: [{ ...whole, reason }] };
}

/** As the W3C has it; anything else leads nowhere, and could be as long as it likes. */
const traceForm = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

class Refused {
  constructor(readonly what: Pick<RefusedLines, "reason" | "entityType" | "eventId">) {}
}

function checked(
  line: Uint8Array,
  entityType: string | null,
  bytesMax: number,
): EntityEvent & Pick<IngestedEvent, "cut"> | Refused {
  const event = parseForeignEvent(line);
  if (event instanceof BadEvent) {
    return new Refused({ reason: event.reason, entityType, eventId: null });
  }
  const { entityType: own, id: eventId } = event;
  if (entityType !== null && own !== entityType) {
    const reason = `entity_type is ${own}, and the subject names ${entityType}`;
    return new Refused({ reason, entityType: own, eventId });
  }
  const fits = cutToFit(event, line.length, bytesMax);
  if (typeof fits !== "number") return fits;
  const reason = `a line of ${fits} bytes without its data, of ${bytesMax} at most`;
  return new Refused({ reason, entityType: own, eventId });
}

/** As captured events are cut; the bytes that are left where that does not help. */
function cutToFit(
  event: EntityEvent,
  lineBytes: number,
  bytesMax: number,
): EntityEvent & Pick<IngestedEvent, "cut"> | number {
  if (lineBytes + grownBytesMax <= bytesMax) return { ...event, cut: 0 };
  const size = (event: EntityEvent) => encoder.encode(writeEvent(event)).length;
  if (size(event) <= bytesMax) return { ...event, cut: 0 };
  const withoutChanges = { ...event, changes: null };
  if (event.changes !== null && size(withoutChanges) <= bytesMax) {
    return { ...withoutChanges, cut: 1 };
  }
  // Which of them are the key is not known; its text is the entity_id.
  const names = Object.keys(JSON.parse(event.data));
  const withoutData = { ...withoutChanges, data: JSON.stringify({ $truncated: names }) };
  const bytes = size(withoutData);
  return bytes <= bytesMax ? { ...withoutData, cut: 2 } : bytes;
}

const encoder = new TextEncoder();
/** What a line can gain: keys that were absent, a longer time, a type's longer word. */
const grownBytesMax = 256;

/** Many refused lines as one, so that a message of nothing else is not parked a million times. */
class RestOfLines {
  readonly #bytes: Uint8Array;
  #length = 0;
  #events = 0;

  constructor(bytesMax: number, readonly index: number, readonly reason: string) {
    this.#bytes = new Uint8Array(bytesMax);
  }

  add(line: Uint8Array): void {
    this.#bytes.set(line, this.#length);
    this.#length += line.length;
    this.#bytes[this.#length++] = 0x0a;
    this.#events++;
  }

  refused(): RefusedLines {
    return {
      index: this.index,
      data: this.#bytes.subarray(0, this.#length),
      reason: `${this.#events} further events of the message, the first: ${this.reason}`,
      entityType: null,
      eventId: null,
      events: this.#events,
    };
  }
}
