/** A destination in memory, which can be down, slow or picky. */

import { AppError } from "../../lib/errors.ts";
import {
  BadEvent,
  type EntityEvent,
  eventLines,
  parseEvent,
} from "../../lib/events/entity_event.ts";
import { CONTENT_TYPE, STREAM } from "../../lib/events/names.ts";
import type { EventMessage } from "../../lib/events/puller.ts";
import type { Encoded, Part, Refusal, RefusedPart, Sink } from "../../sinks/sink.ts";

export interface MemoryPayload {
  readonly events: readonly EntityEvent[];
  readonly lastSequence: number;
}

/** What outlives every connection to it. */
export class MemoryStore {
  readonly byId = new Map<string, EntityEvent>();
  readonly writes: string[][] = [];
  lastSequence = 0;
  isDown = false;
  /** How long a write takes. */
  writeMs = 0;
}

export class MemorySink implements Sink<MemoryPayload> {
  readonly name = "memory";
  private isConnected = false;

  constructor(private readonly store: MemoryStore) {}

  connect(): Promise<void> {
    if (this.store.isDown) return Promise.reject(new AppError("UNAVAILABLE", "memory is down"));
    this.isConnected = true;
    return Promise.resolve();
  }

  async write({ events, lastSequence }: MemoryPayload): Promise<Refusal[]> {
    const { store } = this;
    if (!this.isConnected) throw new Error("write() before connect()");
    if (store.writeMs > 0) await new Promise((done) => setTimeout(done, store.writeMs));
    if (store.isDown) {
      this.isConnected = false;
      throw new AppError("UNAVAILABLE", "memory is down");
    }
    if (events.some(({ entityId }) => entityId === "breaks")) {
      throw new AppError("BAD_INPUT", "the payload cannot be read");
    }
    store.writes.push(events.map(({ id }) => id));
    const refusals: Refusal[] = [];
    events.forEach((event, row) => {
      if (event.entityId === "refused") refusals.push({ row, reason: "memory refuses it" });
      else store.byId.set(event.id, event);
    });
    store.lastSequence = Math.max(store.lastSequence, lastSequence);
    return refusals;
  }

  close(): Promise<void> {
    this.isConnected = false;
    return Promise.resolve();
  }
}

/** Every event of the messages; what is none is refused with its reason. */
export function encodeEvents(messages: readonly EventMessage[]): Encoded<MemoryPayload> {
  const events: EntityEvent[] = [];
  const parts: Part[] = [];
  const refused: RefusedPart[] = [];
  for (const message of messages) {
    if (message.subject === "fraiseql.checkpoint") continue;
    let index = 0;
    for (const data of eventLines(message.data)) {
      if (new TextDecoder().decode(data) === "throw") throw new TypeError("a fault of the encoder");
      const event = parseEvent(data);
      const part = { message, index: index++, data, contentType: CONTENT_TYPE.json };
      if (event instanceof BadEvent) refused.push({ part, reason: event.reason });
      else {
        events.push(event);
        parts.push({ ...part, entityType: event.entityType, eventId: event.id });
      }
    }
  }
  const last = messages.at(-1);
  const lastSequence = last?.stream === STREAM.events ? last.sequence : 0; // not of a replay
  return {
    payload: events.length > 0 ? { events, lastSequence } : null,
    rows: events.length,
    refused,
    part: (row) => parts[row] as Part,
  };
}
