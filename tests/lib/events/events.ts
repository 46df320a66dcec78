/** Events for tests. */

import { publishPage } from "../../../lib/events/atomic_publish.ts";
import { lastCheckpoint } from "../../../lib/events/atomic_publish.ts";
import type { Nats } from "../../../lib/events/connect.ts";
import { type EntityEvent, writeEvent } from "../../../lib/events/entity_event.ts";
import { CONTENT_TYPE, HEADER, SUBJECT } from "../../../lib/events/names.ts";

/** An event; the number makes its id. */
export function event(n: number, some: Partial<EntityEvent> = {}): EntityEvent {
  return {
    id: `01890000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    eventType: "Created",
    entityType: "Order",
    entityId: String(n),
    timestamp: "2026-01-01T00:00:00.000000Z",
    data: `{"id":${n}}`,
    userId: null,
    orgId: null,
    changes: null,
    ...some,
  };
}

/** Events from one number up to another, the latter not included. */
export function events(from: number, to: number): EntityEvent[] {
  return Array.from({ length: to - from }, (_, i) => event(from + i));
}

/** Publishes events as the publisher does: a page, with some events in each message. */
export async function publishEvents(
  nats: Nats,
  all: readonly EntityEvent[],
  perMessage = 10,
): Promise<void> {
  const lines: string[][] = [];
  for (let i = 0; i < all.length; i += perMessage) {
    lines.push(all.slice(i, i + perMessage).map(writeEvent));
  }
  await publishLines(nats, lines);
}

/** Publishes a page of messages with these lines. */
export async function publishLines(
  nats: Nats,
  messages: readonly (readonly string[])[],
  entityType = "Order",
): Promise<void> {
  const encoder = new TextEncoder();
  for (let i = 0; i < messages.length; i += 900) {
    const published = await publishPage(nats, {
      messages: messages.slice(i, i + 900).map((lines) => ({
        subject: SUBJECT.event(entityType),
        data: encoder.encode(lines.join("\n") + "\n"),
        headers: { [HEADER.contentType]: CONTENT_TYPE.lines },
      })),
      checkpoint: encoder.encode("{}"),
      expected: (await lastCheckpoint(nats))?.sequence ?? 0,
    });
    if (published.kind !== "published") throw new Error(JSON.stringify(published));
  }
}
