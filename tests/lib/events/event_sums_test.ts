import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { differences, EventSums } from "../../../lib/events/event_sums.ts";

const id = (n: number) => `01890000-0000-7000-8000-${String(n).padStart(12, "0")}`;

function sums(...ids: number[]): EventSums {
  const all = new EventSums();
  for (const n of ids) all.addEvent("Order", "2026-01-01T05:59:59.123456Z", id(n));
  return all;
}

Deno.test("differences() finds none between the same events in another order", () => {
  deepEqual(differences(sums(1, 2, 3), sums(3, 1, 2)), []);
});

Deno.test("differences() finds what is missing, by type and hour", () => {
  deepEqual(differences(sums(1, 2), sums(1)), [
    { hour: "2026-01-01T05", entityType: "Order", logged: 2, stored: 1 },
  ]);
});

Deno.test("differences() finds other events of the same number, and one that is there twice", () => {
  equal(differences(sums(1, 2), sums(1, 3)).length, 1);
  equal(differences(sums(1, 2), sums(1, 1)).length, 1);
});

Deno.test("EventSums.from() has the hours from that one on", () => {
  const all = sums(1, 2);
  all.addEvent("Order", "2026-01-01T06:00:00.000000Z", id(3));
  equal(all.from("2026-01-01T05").events, 3);
  deepEqual(differences(all.from("2026-01-01T06"), new EventSums()), [
    { hour: "2026-01-01T06", entityType: "Order", logged: 1, stored: 0 },
  ]);
  equal(all.from("2026-01-01T07").events, 0);
});
