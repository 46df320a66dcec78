import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import {
  BadEvent,
  type EntityEvent,
  eventLines,
  foreignLines,
  parseEvent,
  parseForeignEvent,
  writeEvent,
} from "../../../lib/events/entity_event.ts";
import { event } from "./events.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

Deno.test("writeEvent() writes the keys in the contract's order, on one line", () => {
  const updated = event(1, {
    eventType: "Updated",
    userId: "ada",
    changes: '{"status":{"old":"pending","new":"paid"}}',
  });
  equal(
    writeEvent(updated),
    '{"id":"01890000-0000-7000-8000-000000000001","event_type":"Updated","entity_type":"Order",' +
      '"entity_id":"1","timestamp":"2026-01-01T00:00:00.000000Z","data":{"id":1},' +
      '"user_id":"ada","org_id":null,"changes":{"status":{"old":"pending","new":"paid"}}}',
  );
});

const kept: [name: string, some: Partial<EntityEvent>][] = [
  ["a plain event", {}],
  ["changes", { eventType: "Updated", changes: '{"a":{"old":1,"new":2}}' }],
  ["numbers with all digits", { data: '{"n":12345678901234567890.1234567890}' }],
  ["braces and quotes within texts", { data: '{"t":"}{\\"]\\\\","u":["}"]}' }],
  ["what JSON has to escape", { entityId: 'a"\\\n\u0001', userId: "line\nend" }],
  ["characters of every length", { orgId: "aä€😀", data: '{"ä":"😀"}' }],
  ["a composite key", { entityId: '["1","2"]' }],
  ["no data", { data: "{}" }],
];

for (const [name, some] of kept) {
  Deno.test(`parseEvent() reads back what writeEvent() wrote: ${name}`, () => {
    const one = event(1, some);
    deepEqual(parseEvent(bytes(writeEvent(one))), one);
    deepEqual(parseForeignEvent(bytes(writeEvent(one))), one);
  });
}

Deno.test("parseForeignEvent() takes any order of keys, and the words of other producers", () => {
  const line = `{ "timestamp" : "2026-01-01T02:00:00.123456789+02:00",
    "extra": [1, {"deep": "}"}], "data": {"total": 1.10}, "tenant_id": "org-1",
    "entity_id": "7", "event_type": "UPDATE", "entity_type": "Order", "seq": 42,
    "changes": null, "id": "0189A000-0000-7000-8000-000000000001" }`;
  deepEqual(parseForeignEvent(bytes(line)), {
    id: "0189a000-0000-7000-8000-000000000001",
    eventType: "Updated",
    entityType: "Order",
    entityId: "7",
    timestamp: "2026-01-01T00:00:00.123456Z",
    data: '{"total": 1.10}',
    userId: null,
    orgId: "org-1",
    changes: null,
  });
});

for (const [word, type] of [["INSERT", "Created"], ["DELETE", "Deleted"]] as const) {
  Deno.test(`parseForeignEvent() takes ${word} for ${type}, which parseEvent() refuses`, () => {
    const line = bytes(writeEvent(event(1)).replace("Created", word));
    const parsed = parseForeignEvent(line);
    equal(parsed instanceof BadEvent ? parsed.reason : parsed.eventType, type);
    equal(parseEvent(line) instanceof BadEvent, true);
  });
}

Deno.test("parseForeignEvent() gives data on one line", () => {
  const line = bytes(writeEvent(event(1, { data: '{\n "a": 1,\r\n "b": "x\\ny"\n}' })));
  const parsed = parseForeignEvent(line);
  equal(parsed instanceof BadEvent ? parsed.reason : parsed.data, '{  "a": 1,  "b": "x\\ny" }');
});

const good = writeEvent(event(1));

const refused: [name: string, line: string, reason: RegExp][] = [
  ["nothing", "", /no JSON object/],
  ["an array", "[]", /no JSON object/],
  ["half an object", good.slice(0, -1), /broken JSON behind "org_id"/],
  ["an object within which a text does not end", '{"id":"', /broken JSON at "id"/],
  ["text behind the object", good + "x", /text behind the object/],
  ["a key twice", good.replace("{", '{"id":"x",'), /"id" is given twice/],
  ["a missing id", good.replace('"id":', '"ID":'), /no such key: "ID"|id is missing/],
  ["an id that is no UUID", good.replace("01890000", "0189"), /id is no UUID: "0189-/],
  ["an id that is a number", good.replace(/"id":"[^"]*"/, '"id":7'), /id is no text but number/],
  ["another event type", good.replace("Created", "created"), /event_type is none of Created/],
  ["the name of a method as type", good.replace("Created", "constructor"), /event_type is none/],
  ["an entity type with a dot", good.replace("Order", "a.b"), /entity_type is no name: "a\.b"/],
  ["an empty key", good.replace('"entity_id":"1"', '"entity_id":""'), /entity_id is empty/],
  ["a day that does not exist", good.replace("01-01T", "02-30T"), /timestamp is not RFC 3339/],
  ["data that is null", good.replace('{"id":1}', "null"), /data is no object but null/],
  ["data that is a list", good.replace('{"id":1}', "[1]"), /data is no object but array/],
  ["data with a broken value", good.replace('{"id":1}', '{"id":x}'), /data is no valid JSON/],
  ["a text that PostgreSQL cannot hold", good.replace('"1"', '"\\u0000"'), /entity_id holds what/],
  ["half a character in data", good.replace('{"id":1}', '{"a":"\\ud800"}'), /data holds what/],
  ["U+0000 in data", good.replace('{"id":1}', '{"a":"\\\\\\u0000"}'), /data holds what/],
  [
    "changes of what was created",
    good.replace(/}$/, ',"changes":{}}'),
    /changes on an event of type Created/,
  ],
  [
    "two organisations",
    good.replace('"org_id":null', '"org_id":"a","tenant_id":"b"'),
    /org_id and tenant_id differ/,
  ],
];

for (const [name, line, reason] of refused) {
  Deno.test(`parseForeignEvent() refuses ${name} and says so`, () => {
    const parsed = parseForeignEvent(bytes(line));
    equal(parsed instanceof BadEvent, true, JSON.stringify(parsed));
    equal(reason.test((parsed as BadEvent).reason), true, (parsed as BadEvent).reason);
  });
}

Deno.test("parseForeignEvent() refuses bytes that are not UTF-8", () => {
  const line = bytes(good);
  line[line.indexOf(0x31, 40)] = 0xff; // within a text
  equal(parseForeignEvent(line) instanceof BadEvent, true);
});

Deno.test("parseForeignEvent() takes an escaped backslash before u0000 for what it is", () => {
  const line = good.replace('{"id":1}', '{"a":"\\\\u0000"}');
  equal(parseForeignEvent(bytes(line)) instanceof BadEvent, false);
});

const nested = (levels: number) =>
  good.replace('{"id":1}', `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)},"b":"]\\"]"}`);

Deno.test("parseForeignEvent() takes data of 200 levels and refuses more, however much more", () => {
  equal(parseForeignEvent(bytes(nested(200))) instanceof BadEvent, false);
  for (const levels of [201, 1_000_000]) {
    const line = nested(levels).replace('"b":"', '"b":"\\ud83d\\ude00');
    const parsed = parseForeignEvent(bytes(line));
    equal((parsed as BadEvent).reason, "data is nested deeper than 200 levels");
  }
});

Deno.test("eventLines() gives every line, without its end, and no empty one", () => {
  deepEqual([...eventLines(bytes("a\nb\r\n\n\r\nc"))].map(text), ["a", "b", "c"]);
  deepEqual([...eventLines(bytes(""))], []);
});

Deno.test("foreignLines() takes one object on many lines as one, and many lines as many", () => {
  deepEqual([...foreignLines(bytes('{\n"a":1\n}\n'))].map(text), ['{\n"a":1\n}\n']);
  deepEqual([...foreignLines(bytes('{"a":1}\n{"a":2}\n'))].map(text), ['{"a":1}', '{"a":2}']);
});

Deno.test("parseForeignEvent() agrees with JSON.parse on what is an object, for random damage", () => {
  let seed = 7;
  const random = (count: number) => (seed = (seed * 48271) % 2147483647) % count;
  const letters = '{}[]",:\\ 0e.-tfn\n'.split("");
  for (let n = 0; n < 20_000; n++) {
    const chars = writeEvent(event(n % 10, { data: '{"a":[1,{"b":"c"}],"d":null}' })).split("");
    for (let hits = random(3) + 1; hits > 0; hits--) {
      chars[random(chars.length)] = letters[random(letters.length)] ?? "";
    }
    const line = chars.join("");
    const parsed = parseForeignEvent(bytes(line));
    if (parsed instanceof BadEvent) continue;
    const value = JSON.parse(line);
    equal(parsed.entityId, value.entity_id, line);
    deepEqual(JSON.parse(parsed.data), value.data, line);
  }
});
