/** Messages of FRAISEQL_EVENTS -> events as a store of searched events keeps them. */

import { BadEvent, eventLines, parseEvent } from "../lib/events/entity_event.ts";
import { CONTENT_TYPE, SUBJECT } from "../lib/events/names.ts";
import type { EventMessage } from "../lib/events/puller.ts";
import { microsOf } from "../lib/events/timestamp.ts";
import { numbersOf } from "../lib/search/numbers.ts";
import type { SearchColumn } from "../lib/search_columns.ts";
import type { IndexedEvent } from "../lib/search/store.ts";
import { textsOf } from "../lib/search/texts.ts";
import type { Encoded, RefusedPart } from "./sink.ts";

/** Every event of the messages, in their order; what is none is refused with its reason. */
export function indexEvents(
  messages: readonly EventMessage[],
  columns: readonly SearchColumn[],
): Encoded<readonly IndexedEvent[]> {
  const events: IndexedEvent[] = [];
  // Where each row comes from; its part is made when it is asked for, which is seldom.
  const places: { readonly message: EventMessage; readonly index: number }[] = [];
  const refused: RefusedPart[] = [];
  for (const message of messages) {
    if (message.subject === SUBJECT.checkpoint) continue;
    let index = 0;
    for (const data of eventLines(message.data)) {
      const event = toIndexed(data, columns);
      if (event instanceof BadEvent) {
        const part = { message, index, data, contentType: CONTENT_TYPE.json };
        refused.push({ part, reason: event.reason });
      } else {
        events.push(event);
        places.push({ message, index });
      }
      index++;
    }
  }
  return {
    payload: events.length > 0 ? events : null,
    rows: events.length,
    refused,
    part(row) {
      const [event, place] = [events[row], places[row]];
      if (!event || !place) throw new Error(`the payload has no row ${row}`);
      const { entityType, eventId } = event;
      const data = lineAt(place.message.data, place.index);
      return { ...place, data, contentType: CONTENT_TYPE.json, entityType, eventId };
    },
  };
}

function lineAt(message: Uint8Array, index: number): Uint8Array {
  let at = 0;
  for (const line of eventLines(message)) if (at++ === index) return line;
  throw new Error(`the message has no line ${index}`);
}

/** The event in a line, or what is wrong with it. */
export function toIndexed(
  line: Uint8Array,
  columns: readonly SearchColumn[],
): IndexedEvent | BadEvent {
  const event = parseEvent(line);
  if (event instanceof BadEvent) return event;
  const { id: eventId, eventType, entityType, entityId, timestamp, data, userId, orgId } = event;
  const micros = microsOf(timestamp);
  if (micros === null) return new BadEvent(`timestamp is no moment: ${JSON.stringify(timestamp)}`);
  // It becomes part of answers as it is, so what is in it is looked at here.
  const fault = faultIn(data);
  if (fault !== null) return new BadEvent(`data is no valid JSON: ${fault}`);
  return {
    eventId,
    eventType,
    entityType,
    entityId,
    timestamp,
    micros,
    data,
    userId,
    orgId,
    texts: textsOf(data),
    numbers: numbersOf(data, columns),
  };
}

function faultIn(json: string): string | null {
  try {
    JSON.parse(json);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
