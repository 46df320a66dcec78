import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { searchBody } from "../../../lib/elasticsearch/query.ts";
import type { SearchCondition } from "../../../lib/search/store.ts";
import { searchValueCharsMax } from "../../../lib/search/values.ts";
import { query } from "../../contracts/search_events.ts";

Deno.test("searchBody() filters newest first, asks for one more, and counts only when asked", () => {
  deepEqual(searchBody(query("refund", { first: 20, wantsTotal: false }), 5), {
    query: { bool: { filter: [{ term: { search_text: { value: "refund" } } }] } },
    size: 21,
    sort: [
      { micros: { order: "desc", unmapped_type: "long" } },
      { event_id: { order: "desc", unmapped_type: "keyword" } },
    ],
    track_total_hits: false,
    timeout: "5000ms",
  });
});

Deno.test("searchBody() scores only where the order is by relevance", () => {
  const { query: match, sort } = searchBody(query("a b*", { order: "relevance" }), 1);
  deepEqual(match, {
    bool: {
      must: [
        { term: { search_text: { value: "a" } } },
        { prefix: { search_text: { value: "b" } } },
      ],
      filter: [],
    },
  });
  deepEqual((sort as unknown[])[0], { _score: { order: "desc" } });
});

const either = (...clauses: unknown[]) => ({ bool: { should: clauses, minimum_should_match: 1 } });

const conditions: [condition: SearchCondition, clause: unknown][] = [
  [{ kind: "in", field: "orgId", values: ["a", "b"] }, { terms: { org_id: ["a", "b"] } }],
  [{ kind: "startsWith", field: "entityId", value: "x" }, {
    prefix: { entity_id: { value: "x" } },
  }],
  [{ kind: "present", field: "userId" }, { exists: { field: "user_id" } }],
  [{ kind: "micros", from: 1, to: null }, { range: { micros: { gte: 1 } } }],
  [{ kind: "micros", from: null, to: 2 }, { range: { micros: { lte: 2 } } }],
  [
    { kind: "path", path: ["a", "b"], values: ["x"] },
    either({ term: { "data.a.b": { value: "x" } } }, { term: { data_values: { value: "a.b=x" } } }),
  ],
  [
    { kind: "path", path: ["a"], values: ["x".repeat(searchValueCharsMax + 1)] },
    { match_none: {} },
  ],
  [
    { kind: "pathPresent", path: ["a"] },
    either({ exists: { field: "data.a" } }, { term: { data_paths: { value: "a" } } }),
  ],
  [
    { kind: "number", column: "items_price", operator: "gte", value: 1.5 },
    { range: { "columns.items_price": { gte: 1.5 } } },
  ],
  [
    { kind: "not", item: { kind: "present", field: "orgId" } },
    { bool: { must_not: [{ exists: { field: "org_id" } }] } },
  ],
  [{ kind: "or", items: [] }, { match_none: {} }],
  [{ kind: "and", items: [] }, { bool: { filter: [] } }],
];

for (const [condition, clause] of conditions) {
  Deno.test(`searchBody() asks for ${JSON.stringify(condition).slice(0, 70)}`, () => {
    deepEqual(searchBody(query([], { condition }), 1)["query"], { bool: { filter: [clause] } });
  });
}

Deno.test("searchBody() refuses a page of more than 10,000 as BAD_INPUT", () => {
  searchBody(query([], { first: 10_000 }), 1);
  throws(() => searchBody(query([], { first: 10_001 }), 1), { code: "BAD_INPUT" });
});

Deno.test("searchBody() takes a place of its own order alone", () => {
  const after = [1768435200000001, "0190a3c0-0000-7000-8000-000000000001"];
  deepEqual(searchBody(query([], { after }), 1)["search_after"], after);
  const order = "relevance";
  throws(() => searchBody(query([], { after, order }), 1), { code: "BAD_INPUT" });
  deepEqual(searchBody(query([], { after: [1.5, ...after], order }), 1)["search_after"], [
    1.5,
    ...after,
  ]);
  for (const odd of [[NaN, "a"], ["1", "a"], [1, 2]]) {
    throws(() => searchBody(query([], { after: odd }), 1), { code: "BAD_INPUT" });
  }
});
