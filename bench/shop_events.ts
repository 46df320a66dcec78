/** Lines of events as the publisher writes them: of a shop's orders, 423 bytes each. */

import { writeEvent } from "../lib/events/entity_event.ts";

/** The lines of that many events from the n-th on; each has another id, and a later time. */
export function shopEvents(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => line(from + i));
}

function line(n: number): string {
  return writeEvent({
    id: `01890000-0000-7000-8000-${String(n).padStart(12, "0")}`,
    eventType: n % 3 ? "Created" : "Deleted",
    entityType: "Order",
    entityId: crypto.randomUUID(),
    timestamp: new Date(firstMs + n).toISOString().replace("Z", "456Z"),
    data: `{"id":${n},"customer_id":"${crypto.randomUUID()}","status":"paid",` +
      `"total":"${(n * 1.37).toFixed(2)}","note":"a text of a usual length, in quotes \\"so\\"",` +
      `"created_at":"2026-01-01T00:00:00.123456+00:00"}`,
    userId: n % 10 ? `user-${n % 100}` : null,
    orgId: `org-${n % 7}`,
    changes: null,
  });
}

/** Not so long ago that ClickHouse would drop them. */
const firstMs = Date.now() - 86_400_000;
