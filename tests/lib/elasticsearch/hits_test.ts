import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { readHits } from "../../../lib/elasticsearch/hits.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const answer = (source: string, total = `"total":{"value":7,"relation":"eq"},`) =>
  bytes(
    `{"took":3,"timed_out":false,"_shards":{"total":2,"successful":2},"hits":{${total}` +
      `"max_score":null,"hits":[{"_index":"i","_id":"1","_source":${source},` +
      `"sort":[1768435200000001,"id"]}]}}`,
  );

const source = `{"event_id":"id","event_type":"Created","entity_type":"Order",` +
  `"entity_id":"[\\"a\\"]","timestamp":"2026-01-15T00:00:00.000001Z",` +
  `"data":{"a": 19.90,"b":[12345678901234567890,1e400],"c":"}"},"user_id":null,"org_id":"o",` +
  `"search_text":["19 90"],"micros":1768435200000001,"columns":{}}`;

Deno.test("readHits() gives data as it was sent, with all digits", () => {
  deepEqual(readHits(answer(source)), {
    hits: [{
      event: {
        eventId: "id",
        eventType: "Created",
        entityType: "Order",
        entityId: '["a"]',
        timestamp: "2026-01-15T00:00:00.000001Z",
        data: '{"a": 19.90,"b":[12345678901234567890,1e400],"c":"}"}',
        userId: null,
        orgId: "o",
      },
      place: [1768435200000001, "id"],
    }],
    total: 7,
    timedOut: false,
    shards: 2,
  });
});

Deno.test("readHits() has no total where none was counted", () => {
  deepEqual(readHits(answer(source, "")).total, null);
});

const odd: [name: string, answer: Uint8Array, message: RegExp][] = [
  ["a document that is no event", answer(`{"event_id":"id"}`), /there is no event_type/],
  ["a field of another type", answer(source.replace(`"id"`, "1")), /event_id is no text/],
  ["a field that must not be null", answer(source.replace(`"id"`, "null")), /event_id is null/],
  ["an answer of something else", bytes(`{}`), /there is no hits/],
  ["no JSON", bytes(`<html>`), /no JSON object/],
];

for (const [name, given, message] of odd) {
  Deno.test(`readHits() refuses ${name}`, () => {
    throws(() => readHits(given), { name: "AppError", code: "INTERNAL", message });
  });
}
