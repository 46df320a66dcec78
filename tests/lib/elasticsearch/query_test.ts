import { deepStrictEqual as deepEqual, throws } from "node:assert/strict";
import { relevanceBody, timeBodies } from "../../../lib/elasticsearch/query.ts";
import type { SearchCondition } from "../../../lib/search/store.ts";
import { searchValueCharsMax } from "../../../lib/search/values.ts";
import { query } from "../../contracts/search_events.ts";

const refund = { bool: { filter: [{ term: { search_text: { value: "refund" } } }] } };

Deno.test("timeBodies() asks for the times of a page and one more, by time alone and without counting", () => {
  deepEqual(timeBodies(query("refund", { first: 20 })).times, {
    query: { bool: { filter: [refund], must_not: [] } },
    size: 21,
    sort: [{ micros: { order: "desc", unmapped_type: "long" } }],
    track_total_hits: false,
    _source: false,
  });
});

Deno.test("timeBodies() asks for the page up to its last time, by time and id", () => {
  deepEqual(timeBodies(query("refund", { first: 20 })).page(7), {
    query: { bool: { filter: [refund, { range: { micros: { gte: 7 } } }], must_not: [] } },
    size: 21,
    sort: [
      { micros: { order: "desc", unmapped_type: "long" } },
      { event_id: { order: "desc", unmapped_type: "keyword" } },
    ],
    track_total_hits: false,
  });
});

Deno.test("timeBodies() counts by itself, whatever the place", () => {
  const after = [5, "id"];
  deepEqual(timeBodies(query("refund", { after })).count, {
    query: refund,
    size: 0,
    track_total_hits: true,
  });
});

Deno.test("timeBodies() goes on behind a place, in either direction", () => {
  const behind = (order: "newest" | "oldest") =>
    timeBodies(query("refund", { after: [5, "id"], order })).times["query"];
  const seen = (range: unknown) => ({
    bool: { filter: [{ term: { micros: { value: 5 } } }, { range: { event_id: range } }] },
  });
  deepEqual(behind("newest"), {
    bool: { filter: [refund, { range: { micros: { lte: 5 } } }], must_not: [seen({ gte: "id" })] },
  });
  deepEqual(behind("oldest"), {
    bool: { filter: [refund, { range: { micros: { gte: 5 } } }], must_not: [seen({ lte: "id" })] },
  });
});

Deno.test("relevanceBody() scores words, and goes on by score, time and id", () => {
  const after = [1.5, 7, "id"];
  deepEqual(relevanceBody(query("a b*", { order: "relevance", after, first: 5 })), {
    query: {
      bool: {
        must: [
          { term: { search_text: { value: "a" } } },
          { prefix: { search_text: { value: "b" } } },
        ],
        filter: [],
      },
    },
    size: 6,
    sort: [
      { _score: { order: "desc" } },
      { micros: { order: "desc", unmapped_type: "long" } },
      { event_id: { order: "desc", unmapped_type: "keyword" } },
    ],
    search_after: after,
    track_total_hits: true,
  });
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
    either({ terms: { "data.a.b": ["x"] } }, { terms: { data_values: ["a.b=x"] } }),
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
  Deno.test(`timeBodies() asks for ${JSON.stringify(condition).slice(0, 70)}`, () => {
    deepEqual(timeBodies(query([], { condition })).count["query"], { bool: { filter: [clause] } });
  });
}

Deno.test("timeBodies() and relevanceBody() refuse a page of more than 10,000 as BAD_INPUT", () => {
  for (const bodies of [timeBodies, relevanceBody]) {
    bodies(query([], { first: 10_000 }));
    throws(() => bodies(query([], { first: 10_001 })), { code: "BAD_INPUT" });
  }
});

Deno.test("timeBodies() and relevanceBody() take a place of their own order alone", () => {
  for (const after of [[NaN, "a"], ["1", "a"], [1, 2], [1, 2, "a"], []]) {
    throws(() => timeBodies(query([], { after })), { code: "BAD_INPUT" });
  }
  for (const after of [[1, "a"], [1, "2", "a"], [Infinity, 2, "a"]]) {
    throws(() => relevanceBody(query([], { after })), { code: "BAD_INPUT" });
  }
});
