import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import {
  EventColumns,
  type EventColumnsMax,
  positionOf,
  stampPositions,
} from "../../../lib/arrow/event_columns.ts";
import { readEventIds } from "../../../lib/arrow/event_schema.ts";
import {
  BadEvent,
  type EntityEvent,
  eventLines,
  parseEvent,
  writeEvent,
} from "../../../lib/events/entity_event.ts";
import { idAt, Scan, scanEvents } from "../../../lib/events/event_scanner.ts";
import { IdSet } from "../../../lib/events/id_set.ts";
import { type BatchRow, readBatch } from "../arrow/read_batch.ts";
import { event, events } from "./events.ts";

const MiB = 1024 * 1024;
const roomy: EventColumnsMax = { rows: 10_000, bytes: 8 * MiB, rowBytes: 8 * MiB };
const bytesOf = (text: string) => new TextEncoder().encode(text);

interface Scanned {
  readonly rows: BatchRow[];
  readonly refused: [line: number, text: string, reason: string][];
}

/** One message through the scanner and back out of Arrow. */
function scanned(message: Uint8Array, known: IdSet | null = null): Scanned {
  const columns = new EventColumns(roomy);
  const scan = new Scan(message);
  equal(scanEvents(columns, scan, known), true);
  const refused = scan.refused.map(({ line, bytes, reason }): [number, string, string] => [
    line,
    new TextDecoder().decode(bytes),
    reason,
  ]);
  return { rows: readBatch(columns.take()), refused };
}

/** What the scanner must give: by `parseEvent`, which is built on `JSON.parse`. */
function expected(message: Uint8Array): Scanned {
  const rows: BatchRow[] = [];
  const refused: Scanned["refused"] = [];
  [...eventLines(message)].forEach((line, index) => {
    const found = parseEvent(line);
    const reason = found instanceof BadEvent ? found.reason : faultOf(found);
    if (reason !== null) refused.push([index, new TextDecoder().decode(line), reason]);
    else rows.push(rowOf(found as EntityEvent));
  });
  return { rows, refused };
}

/** What JSON can hold and Arrow cannot. */
function faultOf({ timestamp, entityId, userId, orgId }: EntityEvent): string | null {
  for (
    const [name, text] of Object.entries({ entity_id: entityId, user_id: userId, org_id: orgId })
  ) {
    if (text?.isWellFormed() === false) return `${name} holds half a character`;
  }
  const date = new Date(timestamp);
  const isMoment = !Number.isNaN(date.getTime()) && timestamp >= "0001" &&
    date.toISOString().slice(0, 23) === timestamp.slice(0, 23);
  return isMoment ? null : `timestamp is no moment: ${JSON.stringify(timestamp)}`;
}

function rowOf(event: EntityEvent): BatchRow {
  const { id, eventType, entityType, entityId, timestamp, data, userId, orgId } = event;
  const millis = new Date(timestamp).getTime();
  const micros = BigInt(millis) * 1000n + BigInt(timestamp.slice(23, 26));
  return {
    id,
    eventType,
    entityType,
    entityId,
    timestamp: micros,
    data,
    userId,
    orgId,
    position: 0n,
  };
}

const whole = writeEvent(event(1, { data: '{"a":1}', userId: "u", orgId: "o" }));
const updated = writeEvent(event(2, { eventType: "Updated", changes: '{"a":{"old":1,"new":2}}' }));

const lines: [name: string, text: string][] = [
  ["every column", whole],
  ["nulls", writeEvent(event(1))],
  ["changes, which are no column", updated],
  ["a deletion", writeEvent(event(1, { eventType: "Deleted" }))],
  [
    "brackets and quotes within texts",
    writeEvent(event(1, { data: '{"a":"}]{[\\"","b":[{"c":{}}]}' })),
  ],
  ["escapes of one byte in a key", writeEvent(event(1, { entityId: '["a","b\\\\"]\n\t\r\b\f/' }))],
  [
    "escapes by number in a user",
    writeEvent(event(1)).replace('"user_id":null', '"user_id":"\\u00e9\\ud83d\\ude00"'),
  ],
  [
    "half a character in an organisation",
    writeEvent(event(1)).replace('"org_id":null', '"org_id":"\\ud83d"'),
  ],
  [
    "characters beyond ASCII",
    writeEvent(event(1, { entityId: "Zoë", data: '{"é":"日本 😀"}', orgId: "Ö" })),
  ],
  ["empty texts", writeEvent(event(1, { userId: "", orgId: "" }))],
  ["a long key", writeEvent(event(1, { entityId: "k".repeat(5000) }))],
  ["a key as long as the short way takes", writeEvent(event(1, { entityId: "k".repeat(1023) }))],
  ["a UUID in upper case", whole.replace("01890000-0000-7000", "0189ABCD-0000-7000")],
  [
    "keys in another order",
    `{"event_type":"Created",${whole.slice(1).replace('"event_type":"Created",', "")}`,
  ],
  ["spaces between", JSON.stringify(JSON.parse(whole), null, 1).replaceAll("\n", " ")],
  ["a space at the end", `${whole} `],
  ["changes that are null", whole.replace(/}$/, ',"changes":null}')],
  ["changes on a creation", whole.replace(/}$/, ',"changes":{}}')],
  ["a key given twice", whole.replace(/}$/, ',"org_id":"p"}')],
  ["an unknown key", whole.replace(/}$/, ',"more":1}')],
  ["no data", whole.replace(/"data":{"a":1},/, "")],
  ["data that is no object", whole.replace('{"a":1}', "[1]")],
  ["data whose brackets do not match", whole.replace('{"a":1}', '{"a":[}')],
  ["an empty key", whole.replace('"entity_id":"1"', '"entity_id":""')],
  ["an unknown type", whole.replace("Created", "Creates")],
  ["an entity type that is no name", whole.replace('"Order"', '"Or der"')],
  ["an id that is no UUID", whole.replace("01890000", "0189000g")],
  ["a date that is none", whole.replace("2026-01-01T", "2026-02-30T")],
  ["a time that is none", whole.replace("T00:00", "T24:00")],
  ["no digits in a time", whole.replace(".000000Z", ".00000xZ")],
  ["a leap day", whole.replace("2026-01-01T", "2024-02-29T")],
  ["the first moment", whole.replace("2026-01-01T", "0001-01-01T")],
  ["the last moment", whole.replace("2026-01-01T00:00:00.000000", "9999-12-31T23:59:59.999999")],
  ["the year 0", whole.replace("2026-01-01T", "0000-01-01T")],
  [
    "a moment before 1970",
    whole.replace("2026-01-01T00:00:00.000000", "1969-12-31T23:59:59.999999"),
  ],
  ["a raw control character in a user", whole.replace('"u"', '"\u0001"')],
  ["text behind the object", `${whole}x`],
  ["no JSON", "no event"],
  ["an object without keys", "{}"],
];

for (const [name, text] of lines) {
  Deno.test(`scanEvents() gives what parseEvent() gives: ${name}`, () => {
    for (const form of [text, `${text}\n`, `${text}\r\n`, `\n${whole}\n${text}\n\n${updated}\n`]) {
      const message = bytesOf(form);
      deepEqual(scanned(message), expected(message), form);
    }
  });
}

Deno.test("scanEvents() gives what parseEvent() gives for a message cut at any byte", () => {
  const message = bytesOf(`${updated}\n${whole}\n`);
  for (let length = 0; length <= message.length; length++) {
    const cut = message.slice(0, length);
    deepEqual(scanned(cut), expected(cut), `${length} bytes`);
  }
});

Deno.test("scanEvents() refuses a line that is no UTF-8 and takes those beside it", () => {
  const bad = bytesOf(writeEvent(event(3, { data: '{"a":"?"}' })));
  bad[bad.lastIndexOf(0x3f)] = 0xff;
  const message = new Uint8Array([...bytesOf(`${whole}\n`), ...bad, ...bytesOf(`\n${updated}`)]);
  const { rows, refused } = scanned(message);
  deepEqual(rows.map(({ id }) => id), [event(1).id, event(2).id]);
  deepEqual(refused.map(([line]) => line), [1]);
});

Deno.test("scanEvents() gives what parseEvent() gives for random events with random damage", () => {
  const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1);
  const random = randomOf(seed);
  for (let n = 0; n < cases; n++) {
    let message = bytesOf(
      Array.from({ length: 1 + pick(random, 4) }, () => randomLine(random)).join("\n"),
    );
    if (random() < 0.5) message = damaged(message, random);
    deepEqual(scanned(message), expected(message), `seed ${seed}, case ${n}`);
  }
});

const cases = Number(Deno.env.get("FRAISEQL_TEST_CASES") ?? 3000);

Deno.test("scanEvents() takes lines of 4 MiB, on the short way and on the long one", () => {
  const large = `{"text":"${"x".repeat(4 * MiB - 300)}"}`;
  for (const space of ["", " "]) {
    const message = bytesOf(
      `${whole}\n${writeEvent(event(5, { data: large }))}${space}\n${updated}`,
    );
    const { rows } = scanned(message);
    deepEqual(rows.map(({ data }) => data.length), [7, large.length, 8]);
  }
});

Deno.test("scanEvents() stops at the row that is one too many, and goes on there", () => {
  const columns = new EventColumns({ ...roomy, rows: 7 });
  const scan = new Scan(bytesOf(events(0, 17).map(writeEvent).join("\n")));
  const ids: string[][] = [];
  for (let isEnd = false; !isEnd;) {
    isEnd = scanEvents(columns, scan, null);
    ids.push(readBatch(columns.take()).map(({ id }) => id));
    equal(scan.lastId, ids.at(-1)?.at(-1));
  }
  deepEqual(
    ids,
    [events(0, 7), events(7, 14), events(14, 17)].map((some) => some.map(({ id }) => id)),
  );
});

Deno.test("scanEvents() closes a batch before its stream is larger than it may be", () => {
  for (const bytes of [8_000, 20_000, 100_000]) {
    const columns = new EventColumns({ ...roomy, bytes });
    const data = `{"text":"${"x".repeat(150)}"}`;
    const all = events(0, 600).map((one, n) => ({
      ...one,
      data,
      entityType: `Type${n % 40}`,
      userId: n % 3 ? "someone" : null,
    }));
    const scan = new Scan(bytesOf(all.map(writeEvent).join("\n")));
    const ids: string[] = [];
    for (let isEnd = false; !isEnd;) {
      isEnd = scanEvents(columns, scan, null);
      const stream = columns.take();
      ok(stream.length <= bytes, `${stream.length} of ${bytes}`);
      if (!isEnd) ok(stream.length > bytes - 3_600, `${stream.length} of ${bytes}`);
      ids.push(...readBatch(stream).map(({ id }) => id));
    }
    deepEqual(ids, all.map(({ id }) => id));
  }
});

Deno.test("scanEvents() gives a row above the batch's bytes a batch of its own", () => {
  const columns = new EventColumns({ ...roomy, bytes: 10_000 });
  const large = event(2, { data: `{"text":"${"x".repeat(50_000)}"}` });
  const scan = new Scan(bytesOf([event(1), large, event(3)].map(writeEvent).join("\n")));
  const counts: number[] = [];
  for (let isEnd = false; !isEnd;) {
    isEnd = scanEvents(columns, scan, null);
    counts.push(readBatch(columns.take()).length);
  }
  deepEqual(counts, [1, 1, 1]);
});

Deno.test("scanEvents() refuses a row that no message can hold", () => {
  const columns = new EventColumns({ ...roomy, rowBytes: 20_000 });
  const large = writeEvent(event(2, { data: `{"text":"${"x".repeat(50_000)}"}` }));
  const scan = new Scan(bytesOf([writeEvent(event(1)), large, writeEvent(event(3))].join("\n")));
  equal(scanEvents(columns, scan, null), true);
  deepEqual(readBatch(columns.take()).map(({ id }) => id), [event(1).id, event(3).id]);
  deepEqual(scan.refused.map(({ line, bytes }) => [line, bytes.length]), [[1, large.length]]);
});

Deno.test("scanEvents() leaves out events that are known", () => {
  const known = new IdSet();
  const columns = new EventColumns(roomy);
  scanEvents(columns, new Scan(bytesOf(events(3, 6).map(writeEvent).join("\n"))), null);
  for (let row = 0; row < 3; row++) known.add(columns.idWords, 4 * row);
  const { rows } = scanned(bytesOf(events(0, 8).map(writeEvent).join("\n")), known);
  deepEqual(rows.map(({ entityId }) => entityId), ["0", "1", "2", "6", "7"]);
});

Deno.test("IdSet holds each id once, however many there are, zeros too", () => {
  const set = new IdSet();
  const words = new Int32Array(4 * 50_000);
  for (let i = 1; i < 50_000; i++) words.set([i % 7, 0, i << 20, i << 24 | 5], 4 * i);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 49_000; i++) set.add(words, 4 * i);
  }
  const distinct = new Set<string>();
  for (let i = 0; i < 49_000; i++) distinct.add(words.subarray(4 * i, 4 * i + 4).join());
  equal(set.size, distinct.size);
  for (let i = 0; i < 49_000; i++) ok(set.has(words, 4 * i));
  ok(!set.has(Int32Array.of(9, 9, 9, 9), 0));
});

Deno.test("stampPositions() numbers the rows of a stream", () => {
  for (const count of [0, 1, 9]) {
    const columns = new EventColumns(roomy);
    const message = bytesOf(events(0, count).map(writeEvent).join("\n"));
    scanEvents(columns, new Scan(message), null);
    const stream = columns.take();
    const [epoch, sequence] = [1023, 2 ** 40 - 3];
    stampPositions(stream, count, epoch, sequence);
    deepEqual(
      readBatch(stream).map(({ position }) => position),
      Array.from({ length: count }, (_, row) => positionOf(epoch, sequence, row)),
    );
  }
});

Deno.test("readEventIds() gives the ids of a batch", () => {
  const columns = new EventColumns(roomy);
  scanEvents(columns, new Scan(bytesOf(events(0, 5).map(writeEvent).join("\n"))), null);
  const ids = readEventIds(columns.take());
  deepEqual(
    Array.from({ length: 5 }, (_, row) => idAt(ids, row)),
    events(0, 5).map(({ id }) => id),
  );
});

Deno.test("EventColumns give back the memory of a large event", () => {
  const columns = new EventColumns({ ...roomy, bytes: 64 * MiB, rowBytes: 64 * MiB });
  const large = writeEvent(event(2, { data: `{"text":"${"x".repeat(20 * MiB)}"}` }));
  scanEvents(columns, new Scan(bytesOf(large)), null);
  ok(columns.data.bytes.length > 20 * MiB);
  columns.take();
  ok(columns.data.bytes.length < MiB);
});

type Random = () => number;

function pick(random: Random, max: number): number {
  return Math.floor(random() * max);
}

function randomOf(state: number): Random {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const CHARACTERS = [
  "a",
  "Z",
  "0",
  " ",
  '"',
  "\\",
  "/",
  "\n",
  "\t",
  "\u0000",
  "\u007f",
  "é",
  "日",
  "😀",
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
];

function randomText(random: Random, most: number): string {
  return Array.from(
    { length: pick(random, most) },
    () => CHARACTERS[pick(random, CHARACTERS.length)],
  )
    .join("");
}

function randomValue(random: Random, depth: number): unknown {
  switch (pick(random, depth > 3 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random() < 0.5;
    case 2:
      return (random() - 0.5) * 10 ** pick(random, 20);
    case 3:
    case 4:
      return randomText(random, 30);
    case 5:
      return Array.from({ length: pick(random, 4) }, () => randomValue(random, depth + 1));
    default:
      return randomObject(random, depth + 1);
  }
}

function randomObject(random: Random, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Array.from(
      { length: pick(random, 5) },
      () => [randomText(random, 8), randomValue(random, depth)],
    ),
  );
}

function randomLine(random: Random): string {
  const eventType = (["Created", "Updated", "Deleted"] as const)[pick(random, 3)] ?? "Created";
  const millis = Math.floor(random() * 4e12) - 1e12;
  return writeEvent({
    id: crypto.randomUUID(),
    eventType,
    entityType: ["Order", "User", "Order_Item"][pick(random, 3)] ?? "Order",
    entityId: randomText(random, 20) || "1",
    timestamp: new Date(millis).toISOString().replace("Z", `${100 + pick(random, 900)}Z`),
    data: JSON.stringify(randomObject(random, 0)),
    userId: random() < 0.3 ? null : randomText(random, 20),
    orgId: random() < 0.3 ? null : randomText(random, 20),
    changes: eventType === "Updated" ? JSON.stringify(randomObject(random, 1)) : null,
  });
}

function damaged(message: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const copy = message.slice();
  const at = pick(random, copy.length);
  switch (pick(random, 4)) {
    case 0:
      return copy.subarray(0, at);
    case 1:
      return new Uint8Array([...copy.subarray(0, at), ...copy.subarray(at + 1 + pick(random, 9))]);
    case 2:
      copy[at] = pick(random, 256);
      return copy;
    default:
      copy[at] = bytesOf('{}[]",:\\\n 0nu')[pick(random, 13)] ?? 0;
      return copy;
  }
}
