import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { BadEvent, writeEvent } from "../../lib/events/entity_event.ts";
import type { EventMessage } from "../../lib/events/puller.ts";
import { indexEvents, toIndexed } from "../../sinks/indexer.ts";
import { event } from "../lib/events/events.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function message(text: string, sequence = 1): EventMessage {
  return {
    stream: "FRAISEQL_EVENTS",
    subject: "fraiseql.events.Order",
    data: bytes(text),
    sequence,
    timeMs: 0,
    deliveries: 1,
    pending: 0,
    header: () => null,
    acknowledge() {},
    working() {},
    release() {},
  };
}

/** The event that this line becomes. */
function indexed(line: string, columns: Parameters<typeof toIndexed>[1] = []) {
  const found = toIndexed(bytes(line), columns);
  if (found instanceof BadEvent) throw new Error(found.reason);
  return found;
}

Deno.test("toIndexed() keeps an event as it is, its data to the digit, and adds what finds it", () => {
  const data = '{"total": 12.50, "big":123456789012345678901234567890, "note":"Card DECLINED"}';
  const timestamp = "2026-02-03T04:05:06.789012Z";
  deepEqual(indexed(writeEvent(event(7, { data, timestamp, userId: "u", orgId: null }))), {
    eventId: event(7).id,
    eventType: "Created",
    entityType: "Order",
    entityId: "7",
    timestamp,
    micros: Date.UTC(2026, 1, 3, 4, 5, 6, 789) * 1000 + 12,
    data,
    userId: "u",
    orgId: null,
    texts: ["12 50", "123456789012345678901234567890", "card declined"],
    numbers: {},
  });
});

Deno.test("toIndexed() gives the columns their numbers", () => {
  const columns = [{ name: "items_price", path: ["items", "price"] }];
  const data = '{"items":[{"price":3},{"price":2.5},{"price":"1"}]}';
  deepEqual(indexed(writeEvent(event(1, { data })), columns).numbers, { items_price: [2.5, 3] });
});

const refused: [name: string, line: string, reason: RegExp][] = [
  ["no JSON", "no event", /^no JSON object$/],
  ["no UUID", writeEvent(event(1)).replace(event(1).id, "7"), /^id is no UUID/],
  [
    "a day that no month has",
    writeEvent(event(1, { timestamp: "2026-02-30T00:00:00.000000Z" })),
    /^timestamp is no moment/,
  ],
  [
    "an hour that no day has",
    writeEvent(event(1, { timestamp: "2026-01-01T24:00:00.000000Z" })),
    /^timestamp is no moment/,
  ],
  ["data that is broken inside", writeEvent(event(1, { data: "{1}" })), /^data is no valid JSON/],
  ["another producer's form", writeEvent(event(1)).replace("Created", "INSERT"), /^event_type/],
];

for (const [name, line, reason] of refused) {
  Deno.test(`indexEvents() refuses ${name}, and takes what stands around it`, () => {
    const lines = [writeEvent(event(5)), line, writeEvent(event(6))].join("\n");
    const { payload, rows, refused, part } = indexEvents([message(lines)], []);
    deepEqual(payload?.map(({ eventId }) => eventId), [event(5).id, event(6).id]);
    equal(rows, 2);
    equal(refused.length, 1);
    equal(reason.test(refused[0]?.reason ?? ""), true, refused[0]?.reason);
    equal(refused[0]?.part.index, 1);
    equal(new TextDecoder().decode(refused[0]?.part.data), line);
    const { message: from, index, eventId, entityType } = part(1);
    deepEqual([from.sequence, index, eventId, entityType], [1, 2, event(6).id, "Order"]);
  });
}

Deno.test("indexEvents() takes nothing of checkpoints, and gives no payload where there is no event", () => {
  const checkpoint = { ...message('{"epoch":1}'), subject: "fraiseql.checkpoint" };
  const { payload, rows, refused } = indexEvents([checkpoint, message("\n")], []);
  deepEqual([payload, rows, refused], [null, 0, []]);
});
