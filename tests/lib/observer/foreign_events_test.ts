import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { eventLines, writeEvent } from "../../../lib/events/entity_event.ts";
import { type ForeignMax, readForeignEvents } from "../../../lib/observer/foreign_events.ts";
import { event } from "../events/events.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => new TextDecoder().decode(data);
const max: ForeignMax = { eventBytes: 16 * 1024, refusedEvents: 100 };

const read = (data: string, some: Partial<ForeignMax> = {}, entityType: string | null = null) =>
  readForeignEvents({ data: bytes(data), entityType, traceparent: null }, { ...max, ...some });

const good = (n: number, some: Parameters<typeof event>[1] = {}) => writeEvent(event(n, some));

Deno.test("readForeignEvents() takes the events and refuses the other lines, by their places", () => {
  const { taken, refused } = read([good(1), "{}", "", good(2), "[]"].join("\n"));
  deepEqual(taken.map(({ id }) => id), [event(1).id, event(2).id]);
  deepEqual(refused.map(({ index, data, events }) => [index, text(data), events]), [
    [1, "{}", 1],
    [3, "[]", 1],
  ]);
});

Deno.test("readForeignEvents() refuses a message without any event as a whole", () => {
  for (const data of ["", "\n\r\n"]) {
    const { taken, refused } = read(data);
    deepEqual([taken.length, refused.length, text(refused[0]?.data)], [0, 1, data]);
    match(refused[0]?.reason ?? "", /there is no event in the message/);
  }
});

Deno.test("readForeignEvents() holds an event to the type that the subject names", () => {
  const { entityType } = event(1);
  equal(read(good(1), {}, entityType).taken.length, 1);
  const [one] = read(good(1), {}, "Other").refused;
  match(one?.reason ?? "", /^entity_type is \w+, and the subject names Other$/);
  deepEqual([one?.entityType, one?.eventId], [entityType, event(1).id]);
});

const traces: [name: string, traceparent: string, kept: boolean][] = [
  ["one as the W3C has it", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true],
  ["another text", "abc", false],
  [
    "one with more behind it",
    `00-${"4".repeat(32)}-${"0".repeat(16)}-01-${"x".repeat(4000)}`,
    false,
  ],
];

for (const [name, traceparent, kept] of traces) {
  Deno.test(`readForeignEvents() ${kept ? "keeps" : "leaves out"} a traceparent: ${name}`, () => {
    const { taken } = readForeignEvents(
      { data: bytes(good(1)), entityType: null, traceparent },
      max,
    );
    equal(taken[0]?.traceparent, kept ? traceparent : null);
  });
}

Deno.test("readForeignEvents() takes a line of eventBytesMax whole, and cuts one with a byte more", () => {
  const data = (chars: number) => JSON.stringify({ a: "x".repeat(chars) });
  const room = max.eventBytes - bytes(good(1, { data: data(0) })).length;
  for (const [more, cut] of [[0, 0], [1, 2]] as const) {
    const [one] = read(good(1, { data: data(room + more) })).taken;
    equal(one?.cut, cut);
    ok(bytes(writeEvent({ ...event(1), ...one })).length <= max.eventBytes);
  }
});

Deno.test("readForeignEvents() cuts changes first, then the data down to its names", () => {
  const long = "x".repeat(10_000);
  const changes = JSON.stringify({ a: { old: long, new: "" } });
  const updated = { eventType: "Updated", data: JSON.stringify({ a: long }), changes } as const;
  const [one] = read(good(1, updated)).taken;
  deepEqual([one?.cut, one?.changes, one?.data], [1, null, updated.data]);
  const data = JSON.stringify({ a: long, __proto__: 1, ["é"]: long });
  const [two] = read(good(1, { ...updated, data })).taken;
  deepEqual([two?.cut, two?.changes, two?.data], [2, null, '{"$truncated":["a","é"]}']);
});

Deno.test("readForeignEvents() refuses a line that is too large without its data", () => {
  const [one] = read(good(1, { entityId: "k".repeat(max.eventBytes) })).refused;
  match(one?.reason ?? "", /^a line of \d+ bytes without its data, of 16384 at most$/);
});

Deno.test("readForeignEvents() gives the refused lines beyond refusedEvents as one, which reads as they do", () => {
  const lines = Array.from({ length: 5000 }, (_, n) => n % 2 === 0 ? `bad ${n}` : good(n));
  const { taken, refused } = read(lines.join("\n"), { refusedEvents: 3 });
  equal(taken.length, 2500);
  deepEqual(refused.map(({ index, events }) => [index, events]), [
    [0, 1],
    [2, 1],
    [4, 1],
    [6, 2497],
  ]);
  const rest = [...eventLines(refused[3]?.data ?? new Uint8Array())].map(text);
  deepEqual([rest.length, rest[0], rest.at(-1)], [2497, "bad 6", "bad 4998"]);
});

Deno.test("readForeignEvents() takes a message of a million bad lines within its own size twice", () => {
  const { taken, refused } = read("x\n".repeat(1_000_000));
  deepEqual([taken.length, refused.length, refused.at(-1)?.events], [0, 101, 999_900]);
  equal(refused.at(-1)?.data.length, 2 * 999_900);
});
