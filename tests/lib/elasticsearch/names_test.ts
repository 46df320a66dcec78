import { strictEqual as equal } from "node:assert/strict";
import { namesWith } from "../../../lib/elasticsearch/names.ts";

Deno.test("namesWith() names everything as clients rely on it", () => {
  const { template, policy, pattern } = namesWith("");
  equal(template, "fraiseql-events");
  equal(policy, "fraiseql-events-policy");
  equal(pattern, "fraiseql-events-*");
});

Deno.test("index() is of the event's own month", () => {
  const { index } = namesWith("");
  equal(index("2026-01-31T23:59:59.999999Z"), "fraiseql-events-2026.01");
  equal(index("0099-12-01T00:00:00.000000Z"), "fraiseql-events-0099.12");
  equal(namesWith("shop-").index("2026-02-01T00:00:00.000000Z"), "shop-fraiseql-events-2026.02");
});

const ends: [index: string, end: string | null][] = [
  ["fraiseql-events-2026.01", "2026-02-01T00:00:00.000Z"],
  ["fraiseql-events-2026.12", "2027-01-01T00:00:00.000Z"],
  ["fraiseql-events-0099.12", "0100-01-01T00:00:00.000Z"],
  ["fraiseql-events-2026.13", null],
  ["fraiseql-events-2026.01-copy", null],
  ["fraiseql-events-old", null],
  ["a-fraiseql-events-2026.01", null],
];

for (const [index, end] of ends) {
  Deno.test(`endOf() of ${index} is ${end}`, () => {
    equal(namesWith("").endOf(index)?.toISOString() ?? null, end);
  });
}
