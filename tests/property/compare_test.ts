import { strictEqual as equal } from "node:assert/strict";
import type { Answer } from "./answers.ts";
import { compare } from "./compare.ts";
import { parseJson } from "./json.ts";
import type { ArrowField, Shape, Value } from "./shape.ts";

const shape: Shape = {
  kind: "list",
  ordered: true,
  nullable: false,
  item: {
    kind: "object",
    nullable: false,
    fields: [{
      name: "id",
      shape: { kind: "leaf", form: "number", arrow: "int32", nullable: false },
    }],
  },
};
const rows = (json: string, schema: ArrowField[] = [["id", "int32", false, []]]): Answer => ({
  kind: "value",
  value: parseJson(json) as Value,
  schema,
});
const refusal = (code: string): Answer => ({ kind: "refused", code, message: code });
const good = rows('[{"id":1}]');

const cases: [name: string, oracle: Answer, http: Answer, flight: Answer, wanted?: string][] = [
  ["three equal answers", good, good, good],
  ["the same refusal of all", refusal("X"), refusal("X"), refusal("X")],
  ["another value over HTTP", good, rows('[{"id":2}]'), good, "HTTP differs"],
  ["another value over Flight", good, good, rows("[]"), "Flight differs"],
  ["a value of another form", good, rows('[{"id":"1"}]'), good, "HTTP has another form"],
  ["a refusal of one alone", good, good, refusal("X"), "Flight X, wanted rows"],
  ["rows where there is a refusal", refusal("X"), good, good, "HTTP rows, wanted X"],
  [
    "another Arrow type",
    good,
    good,
    rows('[{"id":1}]', [["id", "int64", false, []]]),
    "Arrow schema",
  ],
  [
    "a column that can be null",
    good,
    good,
    rows('[{"id":1}]', [["id", "int32", true, []]]),
    "Arrow schema",
  ],
];
for (const [name, oracle, http, flight, wanted] of cases) {
  Deno.test(`compare() ${wanted ? `finds a fault in ${name}` : `is content with ${name}`}`, () => {
    equal(compare(shape, oracle, http, flight, false)?.kind, wanted);
  });
}

Deno.test("compare() takes a root aggregate over Flight as columns", () => {
  const count: Shape = { kind: "leaf", form: "string", arrow: "int64", nullable: false };
  const inner = (name: string): Shape => ({
    kind: "object",
    nullable: false,
    fields: [{ name, shape: count }],
  });
  const aggregate: Shape = {
    ...shape,
    item: {
      kind: "object",
      nullable: false,
      fields: [
        { name: "group", shape: inner("status") },
        { name: "count", shape: count },
        { name: "sum", shape: inner("total") },
      ],
    },
  };
  const nested = rows('[{"group":{"status":"new"},"count":"2","sum":{"total":"3"}}]');
  const flat = rows('[{"status":"new","count":"2","sum_total":"3"}]', [
    ["status", "int64", false, []],
    ["count", "int64", false, []],
    ["sum_total", "int64", false, []],
  ]);
  equal(compare(aggregate, nested, nested, flat, true), null);
});
