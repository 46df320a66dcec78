/** `searchEvents`: what it asks of a store, and what it gives of the store's answer. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  rejects,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import type { SearchCondition, SearchQuery } from "../../../lib/search/store.ts";
import { BEGIN, eventId, indexed, timestampOf } from "../../contracts/search_events.ts";
import { engineFor } from "./catalogs.ts";
import { searchEngine } from "./search_engine.ts";

const data = `{"note":"Card declined","total":12345678901234567890,"items":[{"sku":"A"}]}`;
const EVENTS = [
  indexed(1, data, { userId: "user-1", timestamp: "2026-01-15T10:00:00.000001Z" }),
  indexed(2, { note: "refund" }, { orgId: "org-1", entityType: "OrderItem" }),
  indexed(3, { note: "card stolen" }),
];

const searched = await searchEngine(EVENTS);
const { engine } = searched;

/** What the store is asked for by these arguments. */
async function asked(values: string, variables = {}): Promise<SearchQuery> {
  const head = Object.keys(variables).length === 0 ? "" : "query($v: EntityEventSearchWhere) ";
  await searched.data(`${head}{ searchEvents(${values}) { edges { cursor } } }`, variables);
  const query = searched.store.asked.at(-1);
  ok(query);
  return query;
}

Deno.test("searchEvents gives every field of an event as it was stored", async () => {
  const found = await searched.data(`{
    searchEvents(text: "declined") {
      __typename
      total
      edges {
        __typename
        cursor
        highlights { __typename path text }
        node {
          __typename eventId eventType entityType entityId timestamp userId orgId position
          note: data(path: ["note"]) total: data(path: ["total"]) none: data(path: ["x"])
          first: data(path: ["items", "0", "sku"])
        }
      }
      pageInfo { __typename hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`);
  const { edges: [{ cursor }] } = found.searchEvents;
  deepEqual(found, {
    searchEvents: {
      __typename: "EntityEventSearch",
      total: "1",
      edges: [{
        __typename: "EntityEventHit",
        cursor,
        highlights: [{
          __typename: "EntityEventHighlight",
          path: ["note"],
          text: "Card <em>declined</em>",
        }],
        node: {
          __typename: "EntityEvent",
          eventId: eventId(1),
          eventType: "Created",
          entityType: "Order",
          entityId: "1",
          timestamp: "2026-01-15T10:00:00.000001Z",
          userId: "user-1",
          orgId: null,
          position: null,
          note: "Card declined",
          total: 12345678901234567000,
          none: null,
          first: "A",
        },
      }],
      pageInfo: {
        __typename: "PageInfo",
        hasNextPage: false,
        hasPreviousPage: false,
        startCursor: cursor,
        endCursor: cursor,
      },
    },
  });
});

Deno.test("searchEvents gives data with all digits", async () => {
  const plan = engine.plan({
    text: `{ searchEvents(text: "declined") { edges { node { data } } } }`,
  });
  const { signal } = new AbortController();
  let bytes = "";
  for await (const chunk of engine.rows(plan, { signal })) {
    bytes += new TextDecoder().decode(chunk.bytes.subarray(chunk.start, chunk.end));
  }
  ok(bytes.includes(data));
});

Deno.test("searchEvents that finds nothing gives no edge, a total of 0 and no cursors", async () => {
  const text = `{
    searchEvents(text: "nothing") {
      total edges { cursor highlights { path } } pageInfo { hasNextPage startCursor endCursor }
    }
  }`;
  deepEqual(await searched.data(text), {
    searchEvents: {
      total: "0",
      edges: [],
      pageInfo: { hasNextPage: false, startCursor: null, endCursor: null },
    },
  });
});

Deno.test("searchEvents takes aliases and several of everything", async () => {
  const text = `{
    a: searchEvents(text: "card", first: 1) { n: total m: total x: edges { node { i: entityId } } y: edges { cursor } }
    b: searchEvents(text: "refund") { edges { node { entityId } } }
  }`;
  const { a, b } = await searched.data(text);
  deepEqual([a.n, a.m, a.x, a.y.length, b.edges], [
    "2",
    "2",
    [{ node: { i: "1" } }],
    1,
    [{ node: { entityId: "2" } }],
  ]);
});

Deno.test("searchEvents asks for the total where it is selected, and not otherwise", async () => {
  await searched.data("{ searchEvents { edges { cursor } } }");
  equal(searched.store.asked.at(-1)?.wantsTotal, false);
  await searched.data("{ searchEvents { total } }");
  equal(searched.store.asked.at(-1)?.wantsTotal, true);
});

Deno.test("searchEvents pages by its cursors in each order of time", async () => {
  for (const direction of ["ASC", "DESC"]) {
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; page < 4; page++) {
      const { searchEvents } = await searched.data(
        `query($after: String) {
          searchEvents(first: 2, after: $after, orderBy: { timestamp: ${direction} }) {
            edges { node { entityId } } pageInfo { hasNextPage hasPreviousPage endCursor }
          }
        }`,
        { after },
      );
      seen.push(
        ...searchEvents.edges.map(({ node }: { node: { entityId: string } }) => node.entityId),
      );
      equal(searchEvents.pageInfo.hasPreviousPage, after !== null);
      if (!searchEvents.pageInfo.hasNextPage) break;
      after = searchEvents.pageInfo.endCursor;
    }
    const newest = ["1", "3", "2"];
    deepEqual(seen, direction === "DESC" ? newest : newest.toReversed());
  }
});

Deno.test("searchEvents asks a store for many events a part at a time, and for the total once", async () => {
  const many = Array.from({ length: 2500 }, (_, n) => indexed(n, { word: "many" }));
  const { data, store } = await searchEngine(many);
  const { searchEvents } = await data(
    `{ searchEvents(text: "many", first: 2300) { total edges { node { entityId } } pageInfo { hasNextPage } } }`,
  );
  deepEqual(
    searchEvents.edges.map(({ node }: { node: { entityId: string } }) => Number(node.entityId)),
    Array.from({ length: 2300 }, (_, i) => 2499 - i),
  );
  deepEqual([searchEvents.total, searchEvents.pageInfo.hasNextPage], ["2500", true]);
  deepEqual(store.asked.map(({ first, wantsTotal }) => [first, wantsTotal]), [
    [100, true],
    [1000, false],
    [1000, false],
    [200, false],
  ]);
});

Deno.test("searchEvents asks for large events few at a time", async () => {
  const large = "x".repeat(1024 * 1024);
  const { data, store } = await searchEngine(
    Array.from({ length: 110 }, (_, n) => indexed(n, { large })),
  );
  await data(`{ searchEvents(first: 110) { edges { cursor } } }`);
  deepEqual(store.asked.map(({ first }) => first), [100, 3, 3, 3, 1]);
});

Deno.test("searchEvents asks for fewer where a store says TOO_LARGE of as many", async () => {
  const { data, store } = await searchEngine(Array.from({ length: 110 }, (_, n) => indexed(n)));
  const { search } = store;
  const asked: number[] = [];
  store.search = (query, options) => {
    asked.push(query.first);
    if (query.first <= 10) return search.call(store, query, options);
    return Promise.reject(new AppError("TOO_LARGE", "the page is too large"));
  };
  const { searchEvents } = await data(`{ searchEvents(first: 8) { edges { cursor } } }`);
  equal(searchEvents.edges.length, 8);
  const { searchEvents: more } = await data(
    `{ searchEvents(first: 40) { total edges { cursor } } }`,
  );
  deepEqual([more.total, more.edges.length], ["110", 40]);
  deepEqual(asked, [8, 40, 10, 10, 10, 10]);
});

Deno.test("searchEvents refuses an answer of more bytes than a row may have", async () => {
  const events = Array.from({ length: 40 }, (_, n) => indexed(n, { text: "x".repeat(10_000) }));
  const { data } = await searchEngine(events, { rowBytesMax: 256 * 1024 });
  const query = (first: number) => `{ searchEvents(first: ${first}) { edges { node { data } } } }`;
  equal((await data(query(20))).searchEvents.edges.length, 20);
  await rejects(data(query(40)), { name: "AppError", code: "TOO_LARGE", hint: /fewer fields/ });
});

Deno.test("searchEvents refuses an event of more bytes than a row may have, where hits are rows", async () => {
  const events = [indexed(1, { text: "x".repeat(100_000) }), indexed(2, { text: "y" })];
  const { engine } = await searchEngine(events, { rowBytesMax: 64 * 1024 });
  const rows = (text: string) => {
    const plan = engine.plan({
      text: `{ searchEvents(text: "${text}") { edges { node { data } } } }`,
      hitsAsRows: true,
    });
    return Array.fromAsync(engine.rows(plan, { signal: new AbortController().signal }));
  };
  equal((await rows("y")).length, 2, "whose turn it is, and its row");
  await rejects(rows("x*"), { name: "AppError", code: "TOO_LARGE", hint: /row_bytes_max/ });
});

Deno.test("searchEvents gives moments that a number cannot hold to the microsecond", async () => {
  const timestamp = "9999-12-31T23:59:59.999999Z";
  const { data } = await searchEngine([indexed(1, {}, { timestamp })]);
  const { searchEvents } = await data("{ searchEvents { edges { node { timestamp } } } }");
  deepEqual(searchEvents.edges, [{ node: { timestamp } }]);
});

Deno.test("searchEvents says TIMEOUT between parts", async () => {
  const { engine, store } = await searchEngine(
    Array.from({ length: 200 }, (_, n) => indexed(n)),
    { statementSecondsMax: 1 },
  );
  const { search } = store;
  store.search = async (query, options) => {
    await new Promise((resolve) => setTimeout(resolve, 1100));
    return await search.call(store, query, options);
  };
  const plan = engine.plan({ text: "{ searchEvents(first: 200) { total } }" });
  const rows = engine.rows(plan, { signal: new AbortController().signal });
  await rejects(Array.fromAsync(rows), { name: "AppError", code: "TIMEOUT" });
});

const orders: [values: string, order: SearchQuery["order"]][] = [
  ["", "newest"],
  ["orderBy: []", "newest"],
  ["orderBy: { timestamp: DESC }", "newest"],
  ["orderBy: [{ timestamp: ASC }]", "oldest"],
  ["orderBy: { timestamp: ASC_NULLS_FIRST }", "oldest"],
  ['text: "a", orderBy: { relevance: DESC }', "relevance"],
];

for (const [values, order] of orders) {
  Deno.test(`searchEvents(${values}) asks for the ${order} first`, async () => {
    equal((await asked(`first: 1, ${values}`)).order, order);
  });
}

const isIn = (field: string, ...values: string[]) => ({ kind: "in", field, values });
const not = (item: unknown) => ({ kind: "not", item });
const and = (...items: unknown[]) => ({ kind: "and", items });
const or = (...items: unknown[]) => ({ kind: "or", items });
const present = (field: string) => ({ kind: "present", field });
const within = (from: number | null, to: number | null) => ({ kind: "micros", from, to });
const path = (path: string[], ...values: string[]) => ({ kind: "path", path, values });
const hasPath = (...path: string[]) => ({ kind: "pathPresent", path });
const number = (operator: string, value: number) => ({
  kind: "number",
  column: "items_price",
  operator,
  value,
});
const moment = BEGIN * 1000 + 123_456;
const at = JSON.stringify(timestampOf(moment));

const conditions: [values: string, condition: unknown][] = [
  ["where: {}", null],
  ['where: { entityType: { eq: "Order" } }', isIn("entityType", "Order")],
  ['where: { entityType: { neq: "Order" } }', not(isIn("entityType", "Order"))],
  ['where: { userId: { neq: "u" } }', and(present("userId"), not(isIn("userId", "u")))],
  ['where: { not: { userId: { eq: "u" } } }', and(present("userId"), not(isIn("userId", "u")))],
  ['where: { not: { userId: { neq: "u" } } }', isIn("userId", "u")],
  ['where: { orgId: { in: ["a", "b"] } }', isIn("orgId", "a", "b")],
  ['where: { orgId: { nin: ["a"] } }', and(present("orgId"), not(isIn("orgId", "a")))],
  ["where: { orgId: { in: [] } }", or()],
  ["where: { orgId: { nin: [] } }", and()],
  ["where: { orgId: { isNull: true } }", not(present("orgId"))],
  ["where: { not: { orgId: { isNull: true } } }", present("orgId")],
  ["where: { orgId: { isNull: false } }", present("orgId")],
  ['where: { entityId: { startsWith: "a%" } }', {
    kind: "startsWith",
    field: "entityId",
    value: "a%",
  }],
  [
    `where: { eventId: { eq: "${eventId(0xab).toUpperCase()}" } }`,
    isIn("eventId", eventId(0xab)),
  ],
  [
    'where: { eventType: { eq: "Created" }, entityId: { eq: "1" } }',
    and(isIn("eventType", "Created"), isIn("entityId", "1")),
  ],
  [
    'where: { or: [{ entityId: { eq: "1" } }, { entityId: { eq: "2" } }] }',
    or(isIn("entityId", "1"), isIn("entityId", "2")),
  ],
  [
    'where: { not: { or: [{ entityId: { eq: "1" } }, { entityId: { eq: "2" } }] } }',
    and(not(isIn("entityId", "1")), not(isIn("entityId", "2"))),
  ],
  ["where: { or: [] }", or()],
  ["where: { not: {} }", or()],
  [`where: { timestamp: { eq: ${at} } }`, within(moment, moment)],
  [`where: { timestamp: { neq: ${at} } }`, not(within(moment, moment))],
  [`where: { timestamp: { gt: ${at} } }`, within(moment + 1, null)],
  [`where: { timestamp: { gte: ${at} } }`, within(moment, null)],
  [`where: { timestamp: { lt: ${at} } }`, within(null, moment - 1)],
  [`where: { timestamp: { lte: ${at} } }`, within(null, moment)],
  [`where: { not: { timestamp: { lte: ${at} } } }`, not(within(null, moment))],
  [`where: { timestamp: { in: [${at}] } }`, or(within(moment, moment))],
  ["where: { timestamp: { isNull: true } }", or()],
  ["where: { timestamp: { isNull: false } }", and()],
  [
    'where: { timestamp: { gte: "2026-01-15T01:30:00.5+01:30" } }',
    within(BEGIN * 1000 + 500_000, null),
  ],
  [
    'where: { timestamp: { gte: "+123456-01-01T00:00:00Z" } }',
    within(Number.MAX_SAFE_INTEGER - 1, null),
  ],
  ['data: { path: "status", value: "paid" }', path(["status"], "paid")],
  ['data: { path: ["a", "b"], op: eq, value: 1.5 }', path(["a", "b"], "1.5")],
  ['data: { path: ["a"], value: true }', path(["a"], "true")],
  ['data: { path: ["a"], op: neq, value: "x" }', and(hasPath("a"), not(path(["a"], "x")))],
  ['data: { path: ["a"], op: in, value: ["x", 1] }', path(["a"], "x", "1")],
  ['data: { path: ["a"], op: nin, value: ["x"] }', and(hasPath("a"), not(path(["a"], "x")))],
  ['data: { path: ["a"], op: isNull, value: true }', not(hasPath("a"))],
  ['data: { path: ["a"], op: isNull, value: false }', hasPath("a")],
  ['data: { path: ["items", "price"], op: gte, value: 12.5 }', number("gte", 12.5)],
  ['data: { path: ["items", "price"], op: lt, value: -3 }', number("lt", -3)],
  [
    'where: { entityId: { eq: "1" } }, data: [{ path: "a", value: "x" }, { path: "b", value: "y" }]',
    and(isIn("entityId", "1"), path(["a"], "x"), path(["b"], "y")),
  ],
];

for (const [values, condition] of conditions) {
  Deno.test(`searchEvents(${values}) asks for just that`, async () => {
    deepEqual((await asked(values)).condition, condition as SearchCondition);
  });
}

Deno.test("searchEvents gives 20 events where nothing is said", async () => {
  equal((await asked("first: null")).first, 20);
});

const other = (await searched.data(
  "{ searchEvents(first: 1, orderBy: { timestamp: ASC }) { edges { cursor } } }",
)).searchEvents.edges[0].cursor;
const relevant = (await searched.data(
  '{ searchEvents(text: "card", first: 1, orderBy: { relevance: DESC }) { edges { cursor } } }',
)).searchEvents.edges[0].cursor;

const refused: [values: string, code: string, message: RegExp][] = [
  ['text: "a b c d e f"', "TOO_LARGE", /6 words are more than 5/],
  ['text: "?"', "BAD_INPUT", /no word/],
  ['text: "\\"a"', "BAD_INPUT", /quote is not closed/],
  ["first: -1", "BAD_INPUT", /first: -1/],
  ["first: 51", "TOO_LARGE", /first: 51 is more than 50/],
  ['after: "x"', "BAD_INPUT", /no cursor of this search and order/],
  [`after: "${other}"`, "BAD_INPUT", /no cursor of this search and order/],
  [
    `after: "${relevant}", text: "other", orderBy: { relevance: DESC }`,
    "BAD_INPUT",
    /no cursor of this search/,
  ],
  [
    "orderBy: [{ timestamp: ASC }, { timestamp: ASC }]",
    "BAD_INPUT",
    /2 keys, and a search has one/,
  ],
  ["orderBy: { relevance: DESC }", "BAD_INPUT", /no text that events could fit/],
  ['text: "a", orderBy: { relevance: ASC }', "BAD_INPUT", /the best come first/],
  [
    `where: { not: { entityId: { startsWith: "${"z".repeat(1001)}" } } }`,
    "TOO_LARGE",
    /1001 letters are more than 1000/,
  ],
  ["where: { userId: null }", "BAD_INPUT", /where.userId is null/],
  ['where: { timestamp: { gt: "2026-02-30T00:00:00Z" } }', "BAD_INPUT", /is no moment/],
  ['where: { entityId: { contains: "x" } }', "VALIDATION_ERROR", /contains/],
  ["where: { position: { eq: 1 } }", "VALIDATION_ERROR", /position/],
  [
    'where: { entityId: { in: ["1", "2", "3"] } }, data: { path: "a", op: in, value: ["4"] }',
    "TOO_LARGE",
    /4 values, more than 3/,
  ],
  [`where: { or: [${"{} ".repeat(20)}] }`, "TOO_LARGE", /more than 20 conditions/],
  [`data: { path: [${'"a" '.repeat(20)}], value: 1 }`, "TOO_LARGE", /more than 20 keys/],
  [`where: ${nested(3)}`, "TOO_LARGE", /nested 3 levels deep, more than 2/],
  ["data: { path: [], value: 1 }", "BAD_INPUT", /the path has no key/],
  ['data: { path: ["a"] }', "BAD_INPUT", /data\[0\].value is null/],
  ['data: { path: ["a"], value: { b: 1 } }', "BAD_INPUT", /is no text, number or boolean/],
  ['data: { path: ["a"], value: ["b"] }', "BAD_INPUT", /is no text, number or boolean/],
  ['data: { path: ["a"], op: in, value: "b" }', "BAD_INPUT", /is no list/],
  ['data: { path: ["a"], op: isNull, value: 1 }', "BAD_INPUT", /isNull takes true or false/],
  ['data: { path: ["total"], op: gt, value: "1" }', "BAD_INPUT", /"1" is no number/],
  [
    'data: { path: ["grand", "total"], op: gt, value: 1 }',
    "BAD_INPUT",
    /"grand.total" is not among search_columns/,
  ],
];

/** Two conditions on each level, since a level of one is none. */
function nested(levels: number): string {
  const one = '{ entityId: { eq: "1" } }';
  if (levels === 0) return one;
  return `{ ${levels % 2 ? "or" : "and"}: [${one}, ${nested(levels - 1)}] }`;
}

const strict = await searchEngine(EVENTS, {
  searchDepthMax: 2,
  searchWordsMax: 5,
  searchHitsMax: 50,
  searchValuesMax: 3,
  filterConditionsMax: 20,
});

for (const [values, code, message] of refused) {
  Deno.test(`searchEvents(${values.slice(0, 80)}) is ${code}, and the store is not asked`, () => {
    const before = strict.store.asked.length;
    const text = `{ searchEvents(${values}) { edges { cursor } } }`;
    throws(() => strict.engine.plan({ text }), { name: "AppError", code, message });
    equal(strict.store.asked.length, before);
  });
}

Deno.test("searchEvents takes just as much as its limits", () => {
  for (
    const values of [
      'text: "a b c d e"',
      `where: ${nested(2)}`,
      "first: 50",
      'where: { entityId: { in: ["1", "2"] } }, data: { path: "a", op: in, value: ["4"] }',
    ]
  ) strict.engine.plan({ text: `{ searchEvents(${values}) { edges { cursor } } }` });
});

Deno.test("searchEvents counts its fields as cost and depth", async () => {
  const text = "{ searchEvents { edges { node { data } } } }";
  const costly = await searchEngine([], { queryCostMax: 10 });
  costly.engine.plan({ text: "{ searchEvents { edges { node { data } } } }" });
  const many = Array.from({ length: 10 }, (_, i) => `a${i}: data`).join(" ");
  throws(() => costly.engine.plan({ text: `{ searchEvents { edges { node { ${many} } } } }` }), {
    code: "TOO_LARGE",
    message: /cost/,
  });
  const shallow = await searchEngine([], { queryDepthMax: 3 });
  throws(() => shallow.engine.plan({ text }), { code: "TOO_LARGE", message: /nested deeper/ });
});

Deno.test("searchEvents is a plan of rows where hits are wanted as rows, an object otherwise", () => {
  const text = `{
    searchEvents(text: "card") {
      total edges { cursor node { eventId data at: timestamp cursor: userId } highlights { text } }
    }
  }`;
  const [object] = engine.plan({ text }).roots;
  const [rows] = engine.plan({ text, hitsAsRows: true }).roots;
  ok(object?.kind === "row" && rows?.kind === "rows");
  deepEqual(object.fields.map(({ name }) => name), ["total", "edges"]);
  deepEqual(rows.fields.map(({ name }) => name), ["cursor", "node", "highlights"]);
});

Deno.test("the schema has searchEvents and its types where there is a store, and only there", async () => {
  const sdl = engine.sdl();
  ok(sdl.includes("searchEvents("));
  ok(!sdl.includes("eventsAggregate"));
  match(sdl, /Numbers: total, items\.price\./);
  ok(!(await engineFor()).sdl().includes("EntityEvent"));
});

Deno.test("searchEvents is no list for a plain word, and cannot be read in parts", async () => {
  ok(!engine.rootLists().some(({ name }) => name === "searchEvents"));
  const split = await engine.split(
    engine.plan({ text: "{ searchEvents { edges { cursor } } }", hitsAsRows: true }),
    { root: 0, parts: 2, signal: new AbortController().signal },
  );
  deepEqual(split, { kind: "whole", why: "searchEvents is searched for, as one" });
});
