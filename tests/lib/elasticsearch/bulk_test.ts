import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import {
  type BulkAnswer,
  bulkBodies,
  type BulkBody,
  type Item,
  readBulk,
} from "../../../lib/elasticsearch/bulk.ts";
import { documentOf } from "../../../lib/elasticsearch/documents.ts";
import { indexed } from "../../contracts/search_events.ts";

const item = (row: number, data: unknown = {}): Item => ({
  row,
  event: indexed(row, data),
  index: "i",
});

const rowsOf = (bodies: Iterable<BulkBody>) =>
  [...bodies].map(({ items }) => items.map(({ row }) => row));

Deno.test("documentOf() has the event's fields, its words and numbers; data is as it came", () => {
  const data = '{"total": 19.90, "note":"Refund \\"now\\"", "big":12345678901234567890}';
  const event = indexed(1, data, { entityId: '["a"]', userId: 'u"1' });
  equal(
    documentOf(event, "elasticsearch"),
    `{"event_id":"0190a3c0-0000-7000-8000-000000000001","event_type":"Created",` +
      `"entity_type":"Order","entity_id":"[\\"a\\"]","timestamp":"2026-01-15T00:00:01.000000Z",` +
      `"data":${data},"user_id":"u\\"1","org_id":null,` +
      `"search_text":["19 90","refund now","12345678901234567890"],"micros":1768435201000000,` +
      `"columns":{"total":[19.9,19.9]}}`,
  );
});

Deno.test("documentOf() has values and paths of data for OpenSearch, each once", () => {
  const data = {
    a: [{ b: 1 }, { b: 1.5 }, { b: true }],
    "c=": "x=y",
    none: null,
    "": "z".repeat(1025),
  };
  const document = JSON.parse(documentOf(indexed(1, data), "opensearch"));
  deepEqual(document["data_values"], ["a.b=1", "a.b=1.5", "a.b=true", "c\\==x=y"]);
  deepEqual(document["data_paths"], ["a.b", "c="]);
});

Deno.test("bulkBodies() creates each event in its index, by its own id", () => {
  const [body] = bulkBodies([item(1), item(2)], "elasticsearch", () => 1e6);
  const lines = new TextDecoder().decode(body?.bytes).split("\n");
  deepEqual(JSON.parse(lines[0] ?? ""), {
    create: { _index: "i", _id: "0190a3c0-0000-7000-8000-000000000001" },
  });
  equal(lines[1], documentOf(indexed(1), "elasticsearch"));
  deepEqual([lines.length, lines.at(-1)], [5, ""]);
});

Deno.test("bulkBodies() ends a body before it has more bytes than it may", () => {
  const size = [...bulkBodies([item(1)], "elasticsearch", () => 1e6)][0]?.bytes.length ?? 0;
  const items = [1, 2, 3, 4, 5].map((row) => item(row));
  deepEqual(rowsOf(bulkBodies(items, "elasticsearch", () => size * 2)), [[1, 2], [3, 4], [5]]);
  deepEqual(rowsOf(bulkBodies(items, "elasticsearch", () => size * 2 - 1)), [[1], [2], [3], [4], [
    5,
  ]]);
});

Deno.test("bulkBodies() counts bytes and not letters, and sends a larger event alone", () => {
  const size = [...bulkBodies([item(1)], "elasticsearch", () => 1e6)][0]?.bytes.length ?? 0;
  const large = item(2, { a: "東".repeat(size) });
  deepEqual(rowsOf(bulkBodies([item(1), large, item(3)], "elasticsearch", () => size * 3)), [[1], [
    2,
  ], [3]]);
});

Deno.test("bulkBodies() makes none of no events", () => {
  deepEqual([...bulkBodies([], "elasticsearch", () => 1)], []);
});

const fault = (type: string) => ({ type, reason: "why" });

const outcomes: [status: number, type: string | null, what: "stored" | "again" | "refused"][] = [
  [201, null, "stored"],
  [200, null, "stored"],
  [409, "version_conflict_engine_exception", "stored"],
  [429, "es_rejected_execution_exception", "again"],
  [503, "unavailable_shards_exception", "again"],
  [403, "cluster_block_exception", "again"],
  [400, "index_closed_exception", "again"],
  [404, "index_not_found_exception", "again"],
  [400, "validation_exception", "again"],
  [400, "document_parsing_exception", "refused"],
  [400, "illegal_argument_exception", "refused"],
  [500, "null_pointer_exception", "refused"],
];

for (const [status, type, what] of outcomes) {
  Deno.test(`readBulk() takes ${status} ${type ?? ""} as ${what}`, () => {
    const one = item(7);
    const error = type === null ? {} : { error: fault(type) };
    const answer: BulkAnswer = { errors: status > 201, items: [{ create: { status, ...error } }] };
    const { again, refused } = readBulk([one], answer);
    const reason = `${type}: why`;
    deepEqual(again, what === "again" ? [{ item: one, reason }] : []);
    deepEqual(refused, what === "refused" ? [{ row: 7, reason }] : []);
  });
}

Deno.test("readBulk() throws FORBIDDEN where the user may not write, so that nothing is parked", () => {
  const items = [{ create: { status: 403, error: fault("security_exception") } }];
  throws(() => readBulk([item(1)], { errors: true, items }), { code: "FORBIDDEN" });
});

Deno.test("readBulk() throws UNAVAILABLE where the answer is not of all events", () => {
  throws(
    () => readBulk([item(1), item(2)], { errors: false, items: [{ create: { status: 201 } }] }),
    {
      code: "UNAVAILABLE",
      message: /for 1 of 2 events/,
    },
  );
});

for (const one of [null, {}, { index: { status: 400 } }, { create: {} }]) {
  Deno.test(`readBulk() throws UNAVAILABLE where an event's answer is ${JSON.stringify(one)}`, () => {
    const answer = { errors: true, items: [one] } as unknown as BulkAnswer;
    throws(() => readBulk([item(1)], answer), { name: "AppError", code: "UNAVAILABLE" });
  });
}
