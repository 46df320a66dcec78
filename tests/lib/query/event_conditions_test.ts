/** The bounds of what a condition on events may become, at each and one beyond. */

import { strictEqual as equal, throws } from "node:assert/strict";
import { conditionSql, indexesMax, valuesMax } from "../../../lib/query/event_conditions.ts";
import { EVENTS } from "../../../lib/query/event_relations.ts";
import type { Condition } from "../../../lib/query/read_plan.ts";

const columns = EVENTS.columns.filter(({ name }) => name === "data");
const place = "where.data";

function atPath(path: readonly string[], operator: string, value: unknown): Condition {
  return { kind: "jsonPath", columns, path, operator, value, place };
}

function onAll(operator: string, value: unknown): Condition {
  return { kind: "compare", columns, operator, value, place };
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const indexes = (count: number) => [...numbers(count).map(String), "name"];
const object = (count: number) => Object.fromEntries(numbers(count).map((i) => [`k${i}`, i]));

const bounds: [what: string, most: number, of: (size: number) => Condition][] = [
  ["keys of a path that are numbers", indexesMax, (n) => atPath(indexes(n), "eq", 1)],
  ["values that one at a path is among", valuesMax, (n) => atPath(["a"], "in", numbers(n))],
  ["values that one at a path is not among", valuesMax, (n) => atPath(["a"], "nin", numbers(n))],
  // The array or object is a value, too.
  ["values of an array at a path", valuesMax, (n) => atPath(["a"], "eq", numbers(n - 1))],
  // An index makes the condition twice.
  ["values at a path with an index", valuesMax / 2, (n) => atPath(["a", "0"], "in", numbers(n))],
  ["values of an array", valuesMax, (n) => onAll("eq", numbers(n - 1))],
  ["values of an object", valuesMax, (n) => onAll("neq", object(n - 1))],
  ["values that an array holds", valuesMax, (n) => onAll("contains", numbers(n - 1))],
  ["values that all of the JSON is among", valuesMax, (n) => onAll("in", numbers(n))],
];

for (const [what, most, of] of bounds) {
  Deno.test(`conditionSql() takes ${most} ${what}, and one more is TOO_LARGE`, () => {
    equal(typeof conditionSql(of(most)), "string");
    throws(() => conditionSql(of(most + 1)), { name: "AppError", code: "TOO_LARGE" });
  });
}
