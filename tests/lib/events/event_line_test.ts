import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import {
  BadEvent,
  type EntityEvent,
  parseEvent,
  parseForeignEvent,
  writeEvent,
} from "../../../lib/events/entity_event.ts";
import { readEventLine } from "../../../lib/events/event_line.ts";
import { randomOf } from "../random.ts";
import { event } from "./events.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const read: [name: string, some: Partial<EntityEvent>][] = [
  ["a plain one", {}],
  ["a user and an organisation", { userId: "u-1", orgId: "\u00fc" }],
  ["empty texts", { userId: "", orgId: "" }],
  ["what is escaped", { entityId: '["a\\"","\u2603\\\\"]', userId: '"},\n"data":{\u0007' }],
  ["nested data", { data: '{"a":[{"b":"}]\\"{"},{}],"c":1e400, "d" : null}' }],
  ["empty data", { data: "{}" }],
  ["keys of its own within data", { data: '{"data":{"user_id":null},"x":",\\"data\\":{"}' }],
  ["changes", { eventType: "Updated", changes: '{"a":{"old":"}","new":[1]}}' }],
  ["empty changes", { eventType: "Updated", changes: "{}" }],
  ["a deletion", { eventType: "Deleted" }],
];

for (const [name, some] of read) {
  Deno.test(`readEventLine() reads ${name}`, () => {
    deepEqual(readEventLine(bytes(writeEvent(event(7, some)))), event(7, some));
  });
}

const line = writeEvent(event(7, { eventType: "Updated", userId: "u", changes: '{"a":{}}' }));

const others: [name: string, line: string][] = [
  ["spaces between", line.replace(',"data"', ', "data"')],
  ["another order", line.replace(/("event_type":"Updated"),("entity_type":"Order")/, "$2,$1")],
  ["capitals in the id", line.replace("01890000", "0189ABCD")],
  ["changes on another type", line.replace("Updated", "Created")],
  ["no changes but null", line.replace('{"a":{}}', "null")],
  ["text behind it", `${line} `],
  ["a bracket too many", `${line}}`],
  ["a bracket too few", line.slice(0, -1)],
  ["data that does not end", line.replace('{"id":7}', '{"id":"7}')],
  ["a key too many", line.replace(',"changes"', ',"more":1,"changes"')],
  ["no user", line.replace(',"user_id":"u"', "")],
  ["an escape that does not exist", line.replace('"u"', '"\\x"')],
  ["no entity id", line.replace('"entity_id":"7"', '"entity_id":""')],
  ["a raw control character", line.replace('"u"', '"\u0001"')],
  ["no event", "no event"],
  ["nothing", ""],
];

for (const [name, line] of others) {
  Deno.test(`readEventLine() leaves a line with ${name} to the general reader`, () => {
    equal(readEventLine(bytes(line)), null);
  });
}

Deno.test("readEventLine() leaves what is no UTF-8 to the general reader", () => {
  const broken = bytes(line);
  broken[line.indexOf('"user_id":"u"') + '"user_id":"'.length] = 0xff;
  equal(readEventLine(broken), null);
  ok(parseEvent(broken) instanceof BadEvent);
});

Deno.test("readEventLine() gives what the general reader gives, of lines that were changed at random", () => {
  const random = randomOf(1);
  const pieces = ['"', "{", "}", "[", "]", ",", ":", "\\", " ", "null", "x", '"data":{', "\u0000"];
  const lines = read.map(([, some]) => writeEvent(event(7, some)));
  let taken = 0;
  for (let n = 0; n < 20_000; n++) {
    let text = lines[n % lines.length] ?? "";
    for (let changes = 1 + Math.floor(random() * 2); changes > 0; changes--) {
      const at = Math.floor(random() * text.length);
      const piece = pieces[Math.floor(random() * pieces.length)] ?? "";
      text = text.slice(0, at) + piece + text.slice(at + Math.floor(random() * 3));
    }
    const found = readEventLine(bytes(text));
    if (found === null) continue;
    taken++;
    // What it takes in the place of ours may differ in the name of a type alone.
    const general = parseForeignEvent(bytes(text));
    if (general instanceof BadEvent) continue; // it looks into data, too
    deepEqual(found, { ...general, data: found.data, changes: found.changes });
  }
  ok(taken > 500, `${taken} were taken`);
});
