/**
 * What every store of searched events must hold to: the same events are found, in the same order, on
 * the same pages. A store's test calls `testSearch()` before its own tests.
 */

import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { EventSums } from "../../lib/events/event_sums.ts";
import type { SearchColumn } from "../../lib/search_columns.ts";
import type {
  IndexedEvent,
  SearchCondition,
  SearchIndex,
  SearchPage,
  SearchQuery,
  SearchStore,
} from "../../lib/search/store.ts";
import { LIMITS } from "../../lib/limits.ts";
import { searchPrefixCharsMax, searchValueCharsMax } from "../../lib/search/values.ts";
import { searchWordCharsMax } from "../../lib/search/words.ts";
import { randomOf } from "../lib/random.ts";
import { BEGIN, COLUMNS, eventId, indexed, query, timestampOf } from "./search_events.ts";
import { SearchModel, storedOf } from "./search_model.ts";
import { randomEvents, randomSearch } from "./search_random.ts";

/** Both sides of one store. */
export interface OpenSearch {
  readonly index: SearchIndex;
  readonly store: SearchStore;
  /** Closes both, and removes what they held. */
  close(): Promise<void>;
}

export interface SearchContract {
  /** An empty store, not made ready by `ensure` yet. */
  make(columns: readonly SearchColumn[], retentionDays: number): Promise<OpenSearch>;
}

/** Runs the suite for one store. */
export function testSearch(name: string, { make }: SearchContract): void {
  const test = (sentence: string, run: (world: World) => Promise<void>) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      const search = await make(COLUMNS, retentionDays);
      try {
        await search.index.ensure(AbortSignal.timeout(longMs));
        await run(new World(search));
      } finally {
        await search.close();
      }
    });

  test("finds nothing where nothing is stored", async (world) => {
    deepEqual(await world.search(query()), { hits: [], total: 0, hasMore: false });
    deepEqual(await world.search(query("refund")), { hits: [], total: 0, hasMore: false });
  });

  test("gives an event as it was stored", async (world) => {
    const data = String.raw`{"z":12345678901234567890,"a":1.50,"n":null,"t":true,"e":1e3,` +
      String.raw`"text":"é \"x\" \\ \u0001 \ud835\udcb3","10":[{},[],{"":-0.0}],"2":""}`;
    const events = [
      indexed(1, data, { userId: "user-1", orgId: "", timestamp: "2026-01-15T10:00:00.000001Z" }),
      indexed(2, "{}", { entityId: '["a","b"]', eventType: "Deleted" }),
    ];
    await world.store(events);
    const { hits } = await world.search(query([], { order: "oldest" }));
    deepEqual(hits.map(({ event }) => event), events.map(storedOf).reverse());
  });

  test("finds words, phrases and prefixes", async (world) => {
    await world.store(WORDS.map((data, n) => indexed(n, data)));
    await world.findsEach(WORD_CASES.map(([text, found]) => [text, query(text), found]));
  });

  test("finds a word that is longer than the limit by its beginning", async (world) => {
    const long = "a".repeat(searchWordCharsMax);
    await world.store([indexed(0, [long]), indexed(1, [`${long}b`]), indexed(2, [`${long}c`])]);
    await world.findsEach([
      ["just the limit", query(long), [0, 1, 2]],
      ["a letter more", query(`${long}x`), [0, 1, 2]],
      ["a prefix of it", query("aaa*"), [0, 1, 2]],
      ["a shorter word", query(long.slice(1)), []],
    ]);
  });

  test("finds by conditions on an event's fields", async (world) => {
    await world.store(FIELDS);
    await world.findsEach(FIELD_CASES.map(([what, condition, found]) => [
      what,
      query([], { condition }),
      found,
    ]));
  });

  test("finds values at paths", async (world) => {
    await world.store(PATHS.map((data, n) => indexed(n, data)));
    await world.findsEach(PATH_CASES.map(([what, condition, found]) => [
      what,
      query([], { condition }),
      found,
    ]));
  });

  test("finds what is at a key with a star in it, and no other", async (world) => {
    await world.store([indexed(0, { "a*": 1 }), indexed(1, { ab: 1 }), indexed(2, { "*": 1 })]);
    const present = (key: string) => query([], { condition: { kind: "pathPresent", path: [key] } });
    await world.findsEach([
      ["a*", present("a*"), [0]],
      ["*", present("*"), [2]],
      ["a* and 1", query([], { condition: path(["a*"], "1") }), [0]],
    ]);
  });

  test("finds a field that begins with as many letters as may be asked for", async (world) => {
    const start = "東".repeat(searchPrefixCharsMax);
    await world.store([indexed(0, {}, { entityId: `${start}a` }), indexed(1)]);
    const condition = { kind: "startsWith", field: "entityId", value: start } as const;
    await world.findsEach([["all of it", query([], { condition }), [0]]]);
  });

  test("finds one of as many values at a path as a search may name", async (world) => {
    await world.store([indexed(0, { a: "7" }), indexed(1, { a: "x" })]);
    const values = Array.from({ length: LIMITS.searchValuesMax.max }, (_, i) => String(i));
    await world.findsEach([
      ["one of them", query([], { condition: path(["a"], ...values) }), [0]],
    ]);
  });

  test("finds no value at a path that is longer than the limit, but its words", async (world) => {
    const whole = `${"東".repeat(searchValueCharsMax - 6)} 𝒳end`;
    equal(whole.length, searchValueCharsMax);
    await world.store([indexed(0, { a: whole }), indexed(1, { a: `${whole}!` })]);
    await world.findsEach([
      ["just the limit", query([], { condition: path(["a"], whole) }), [0]],
      ["a letter more", query([], { condition: path(["a"], `${whole}!`) }), []],
      ["present", query([], { condition: { kind: "pathPresent", path: ["a"] } }), [0]],
      ["words", query("𝒳end"), [0, 1]],
    ]);
  });

  test("compares the numbers of configured columns", async (world) => {
    await world.store(NUMBERS.map((data, n) => indexed(n, data)));
    await world.findsEach(NUMBER_CASES.map(([what, condition, found]) => [
      what,
      query([], { condition }),
      found,
    ]));
  });

  test("joins words with conditions", async (world) => {
    await world.store([
      indexed(0, { status: "failed", text: "card declined" }),
      indexed(1, { status: "paid", text: "card declined" }),
      indexed(2, { status: "failed", text: "card stolen" }),
    ]);
    const condition = path(["status"], "failed");
    await world.findsEach([
      ["both", query("declined", { condition }), [0]],
      ["not", query("card", { condition: { kind: "not", item: condition } }), [1]],
    ]);
  });

  test("orders by time, and events of one moment by their ids, in either direction", async (world) => {
    const moment = "2026-01-31T23:59:59.999999Z";
    const events = [
      indexed(5, {}, { timestamp: moment }),
      indexed(3, {}, { timestamp: moment }),
      indexed(4, {}, { timestamp: moment }),
      // Of another month, and of another microsecond alone.
      indexed(1, {}, { timestamp: "2026-02-01T00:00:00.000000Z" }),
      indexed(2, {}, { timestamp: "2026-01-31T23:59:59.999998Z" }),
      indexed(6, {}, { timestamp: "2025-12-31T23:59:59.999999Z" }),
    ];
    await world.store(events);
    const newest = [1, 5, 4, 3, 2, 6];
    deepEqual(await world.all(query()), newest);
    deepEqual(await world.all(query([], { order: "oldest" })), newest.toReversed());
  });

  test("gives every event on one page alone, whatever a page holds", async (world) => {
    // Three of each moment, so that pages end within it.
    const events = Array.from(
      { length: 31 },
      (_, n) =>
        indexed(n, ["word"], {
          timestamp: timestampOf((BEGIN + Math.floor(n / 3) * 86_400_000) * 1000),
        }),
    );
    await world.store(events);
    const expected = events.map((_, n) => n);
    for (const first of [1, 2, 7, 30, 31, 32]) {
      deepEqual(await world.all(query("word", { first })), expected.toReversed(), `${first}`);
      deepEqual(await world.all(query("word", { first, order: "oldest" })), expected, `${first}`);
    }
  });

  test("tells whether there are more, and all of them, also of a page of none", async (world) => {
    await world.store([indexed(0, ["a"]), indexed(1, ["a"]), indexed(2, ["b"])]);
    const told = async (more: Partial<SearchQuery>) => {
      const { hits, total, hasMore } = await world.search(query("a", more));
      return [hits.length, total, hasMore];
    };
    deepEqual(await told({ first: 1 }), [1, 2, true]);
    deepEqual(await told({ first: 2 }), [2, 2, false]);
    deepEqual(await told({ first: 0 }), [0, 2, true]);
    deepEqual(await told({ first: 1, wantsTotal: false }), [1, null, true]);
    const [hit] = (await world.search(query("a", { first: 1 }))).hits;
    deepEqual(await told({ first: 1, after: hit?.place ?? null }), [1, 2, false]);
  });

  test("goes on behind a place while events come, before it and behind it", async (world) => {
    await world.store([indexed(10, ["a"]), indexed(20, ["a"]), indexed(30, ["a"])]);
    const page = await world.search(query("a", { first: 2 }));
    deepEqual(numbersIn(page), [30, 20]);
    await world.store([indexed(40, ["a"]), indexed(25, ["a"]), indexed(15, ["a"])]);
    deepEqual(
      await world.all(query("a", { first: 2, after: page.hits.at(-1)?.place ?? null })),
      [15, 10],
    );
  });

  test("orders by relevance so that each is found once, on whatever pages", async (world) => {
    const events = Array.from(
      { length: 12 },
      (_, n) => indexed(n, { a: "refund ".repeat(1 + n % 3), b: "other words ".repeat(n) }),
    );
    await world.store([...events, indexed(99, ["nothing"])]);
    const expected = events.map((_, n) => n);
    for (const first of [1, 5, 100]) {
      const found = await world.all(query("refund", { order: "relevance", first }));
      deepEqual(found.toSorted((a, b) => a - b), expected, `pages of ${first}`);
    }
  });

  test("keeps an event once that is stored again, as it was at first", async (world) => {
    const first = indexed(1, { status: "first" });
    await world.store([first, indexed(2), first]);
    await world.store([indexed(1, { status: "second" }), indexed(3)]);
    deepEqual(await world.all(query()), [3, 2, 1]);
    deepEqual(await world.all(query("first")), [1]);
    deepEqual(await world.all(query("second")), []);
  });

  test("counts and pages more events than a page can hold", async (world) => {
    const events = Array.from(
      { length: 10_500 },
      (_, n) => indexed(n, ["many", n % 2 ? "odd" : "even"]),
    );
    for (let n = 0; n < events.length; n += 1500) await world.write(events.slice(n, n + 1500));
    await world.holds(events.length);
    equal((await world.search(query("many", { first: 1 }))).total, 10_500);
    const found = await world.all(query("odd", { first: 1000 }));
    deepEqual(found, Array.from({ length: 5250 }, (_, i) => 10_499 - 2 * i));
    equal((await world.search(query("many", { first: 10_000 }))).hits.length, 10_000);
  });

  test("answers several searches at once", async (world) => {
    await world.store(Array.from({ length: 20 }, (_, n) => indexed(n, [`word${n}`])));
    const found = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => numbersIn(await world.search(query(`word${n}`)))),
    );
    deepEqual(found, Array.from({ length: 20 }, (_, n) => [n]));
  });

  test("refuses a place that it did not give as BAD_INPUT", async (world) => {
    await world.store([indexed(1, ["a"])]);
    for (const after of [[], ["x"], ["x", "y"], [1, 2, 3, 4, 5], [1.5, eventId(1)]]) {
      for (const order of ["newest", "relevance"] as const) {
        await rejects(
          world.search(query("a", { after, order })),
          { name: "AppError", code: "BAD_INPUT" },
          JSON.stringify(after),
        );
      }
    }
  });

  test("answers an aborted search with its reason", async (world) => {
    await world.store([indexed(1)]);
    const asked = world.search(query(), AbortSignal.abort());
    await rejects(asked, { name: "AppError", code: "CANCELLED" });
    deepEqual(await world.all(query()), [1]);
  });

  test("sums up what it holds by entity type and hour, from a time on", async (world) => {
    const events = [
      indexed(0),
      indexed(1),
      indexed(2, {}, { entityType: "User" }),
      indexed(3600),
      indexed(4000, {}, { timestamp: "2026-02-01T00:00:00.000000Z" }),
    ];
    await world.store(events);
    const expected = (from: number) => {
      const sums = new EventSums();
      for (const { entityType, timestamp, eventId, micros } of events) {
        if (micros >= from) sums.addEvent(entityType, timestamp, eventId);
      }
      return sums.keys().map((key) => ({ key, ...sums.get(key) })).sort(byKey);
    };
    for (
      const from of [0, BEGIN * 1000 + 1_000_000, BEGIN * 1000 + 3_600_000_000, Date.now() * 1e6]
    ) {
      const sums = await world.index.sums(from, AbortSignal.timeout(longMs));
      const told = sums.map(({ entityType, hour, count, hash }) => ({
        key: `${hour} ${entityType}`,
        count,
        hash,
      }));
      deepEqual(told.sort(byKey), expected(from), String(from));
    }
  });

  test("sweeps whole months that ended before the retention, and no other", async (world) => {
    await world.store([
      indexed(1, ["a"], { timestamp: "2026-01-31T23:59:59.999999Z" }),
      indexed(2, ["a"], { timestamp: "2026-02-01T00:00:00.000000Z" }),
      indexed(3, ["a"], { timestamp: "2026-03-01T00:00:00.000000Z" }),
    ]);
    const sweep = (time: string) => world.index.sweep(new Date(time), AbortSignal.timeout(longMs));
    // January ended 90 days before in a second, then since a second.
    deepEqual(await sweep("2026-05-01T23:59:59Z"), []);
    deepEqual(await world.all(query()), [3, 2, 1]);
    equal((await sweep("2026-05-02T00:00:01Z")).length, 1);
    deepEqual(await sweep("2026-05-02T00:00:01Z"), []);
    deepEqual(await world.all(query()), [3, 2]);
    await world.store([indexed(4, ["a"], { timestamp: "2026-01-31T00:00:00.000000Z" })], 3);
    deepEqual(await world.all(query("a")), [3, 2, 4]);
  });

  test("finds what a model finds, by searches of chance", async (world) => {
    const seed = Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 7);
    const random = randomOf(seed);
    const model = new SearchModel();
    const events = randomEvents(random, 400);
    await model.write(events);
    await world.store(events);
    let found = 0;
    for (let i = 0; i < 400; i++) {
      const behind = random() < 0.7 ? null : eventId(Math.floor(random() * events.length));
      const search = randomSearch(random, events);
      const pageOf = async (search: SearchQuery, store: SearchStore) => {
        const after = behind === null ? null : await placeOf(behind, search.order, store);
        return await store.search({ ...search, after }, options());
      };
      const expected = await pageOf(search, model);
      const given = await pageOf(search, world.searches);
      const said = `seed ${seed}, search ${i} behind ${behind}: ${JSON.stringify(search)}`;
      deepEqual(numbersIn(given), numbersIn(expected), said);
      deepEqual([given.total, given.hasMore], [expected.total, expected.hasMore], said);
      found += expected.hits.length;
    }
    ok(found > 1000, `the searches found ${found}`);
  });
}

const retentionDays = 90;

/** Nothing takes so long; a test that hangs tells where. */
const longMs = 60_000;

const byKey = (a: { readonly key: string }, b: { readonly key: string }) => a.key < b.key ? -1 : 1;

function numbersIn({ hits }: SearchPage): number[] {
  return hits.map(({ event }) => parseInt(event.eventId.slice(-12), 16));
}

function options(signal = AbortSignal.timeout(longMs)) {
  return { signal, secondsMax: longMs / 1000 };
}

/** What the store calls the place of an event in an order. */
async function placeOf(id: string, order: SearchQuery["order"], store: SearchStore) {
  const condition = { kind: "in", field: "eventId", values: [id] } as const;
  const { hits } = await store.search(query([], { condition, order }), options());
  return hits[0]?.place ?? null;
}

class World {
  #stored = new Set<string>();

  constructor(private readonly open: OpenSearch) {}

  get index(): SearchIndex {
    return this.open.index;
  }

  get searches(): SearchStore {
    return this.open.store;
  }

  search(asked: SearchQuery, signal?: AbortSignal): Promise<SearchPage> {
    return this.open.store.search(asked, options(signal));
  }

  async write(events: readonly IndexedEvent[]): Promise<void> {
    deepEqual(await this.index.write(events, AbortSignal.timeout(longMs)), []);
    for (const { eventId } of events) this.#stored.add(eventId);
  }

  /** Writes, and waits until searches see all that is there: so many, where some were swept. */
  async store(events: readonly IndexedEvent[], count?: number): Promise<void> {
    await this.write(events);
    await this.holds(count ?? this.#stored.size);
  }

  async holds(count: number): Promise<void> {
    const end = Date.now() + longMs;
    for (;;) {
      const { total } = await this.search(query([], { first: 0 }));
      if (total === count) return;
      ok(Date.now() < end, `there are ${total} and not ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The numbers of the events on all pages, in order. */
  async all(asked: SearchQuery): Promise<number[]> {
    const found: number[] = [];
    for (let { after } = asked;;) {
      const page = await this.search({ ...asked, after });
      found.push(...numbersIn(page));
      ok(page.hits.length <= asked.first);
      if (!page.hasMore) return found;
      equal(page.hits.length, asked.first, "a page before the last is full");
      after = page.hits.at(-1)?.place ?? null;
    }
  }

  async findsEach(cases: readonly (readonly [string, SearchQuery, readonly number[]])[]) {
    for (const [what, asked, found] of cases) {
      const page = await this.search({ ...asked, order: "oldest" });
      const numbers = numbersIn(page).sort((a, b) => a - b);
      deepEqual([numbers, page.total], [[...found], found.length], what);
    }
  }
}

/** The data of events by their number. */
const WORDS: readonly unknown[] = [
  { note: "Card declined", reason: "PAYMENT_DECLINED" }, // 0
  { note: "card", reason: "declined" }, // 1
  { note: "the card was declined", lines: ["refund", { sku: "AB-12" }] }, // 2
  { note: "declined card", card: true, declined: null }, // 3
  { amount: 1250, rate: -0.5, refunded: false }, // 4
  { note: "Straße Привет 東京 𝒳𐐀 e\u0301" }, // 5
  { note: "and or not near AND OR NOT NEAR a:b (c) ^d" }, // 6
  { note: "twice twice", other: "once upon twice" }, // 7
  { note: "ann@example.com" }, // 8
  {}, // 9
];

const WORD_CASES: readonly [text: string, found: readonly number[]][] = [
  ["card", [0, 1, 2, 3]],
  ["CARD Declined", [0, 1, 2, 3]],
  ["card refund", [2]],
  ["card nothing", []],
  ["car", []],
  ["note", []],
  ["true", []],
  ["false", []],
  ["created", []],
  ["order", []],
  ["payment", [0]],
  ["PAYMENT_DECLINED", [0]],
  ['"card declined"', [0]],
  ['"declined card"', [3]],
  ['"payment declined"', [0]],
  ['"was declined" refund', [2]],
  ['"card was declined"', [2]],
  ['"card the"', []],
  ['"twice twice"', [7]],
  ['"once upon" twice', [7]],
  ['"twice once"', []],
  ['"12 ab"', []],
  ['"ab 12"', [2]],
  ["ref*", [2]],
  ["dec* car*", [0, 1, 2, 3]],
  ["card*", [0, 1, 2, 3]],
  ["c*", [0, 1, 2, 3, 6, 8]],
  ["refund*", [2]],
  ["refunds*", []],
  ["1250", [4]],
  ["12", [2]],
  ["125*", [4]],
  ["0 5", [4]],
  ['"0 5"', [4]],
  ["straße", [5]],
  ["STRASSE", []],
  ["привет", [5]],
  ["при*", [5]],
  ["東京", [5]],
  ["東*", [5]],
  ["京", []],
  ["𝒳𐐨", [5]],
  ["𝒳*", [5]],
  ["é", [5]],
  ["e\u0301", [5]],
  ["e", []],
  ["and or not near", [6]],
  ["AND", [6]],
  ['"a b c d"', [6]],
  ["near*", [6]],
  ["ann@example.com", [8]],
  ["example", [8]],
  ["", WORDS.map((_, n) => n)],
];

const ODD = "%_*?\\\"'[a-z]~";

const FIELDS: readonly IndexedEvent[] = [
  indexed(0, {}, { entityId: "1", userId: "user-1", orgId: "org-1" }),
  indexed(1, {}, { entityId: "12", userId: "user-12", eventType: "Updated" }),
  indexed(2, {}, { entityId: "a b", orgId: "Org-1", entityType: "OrderItem" }),
  indexed(3, {}, { entityId: ODD, userId: "", eventType: "Deleted", orgId: "org-2" }),
  indexed(4, {}, { entityId: "é", timestamp: timestampOf(BEGIN * 1000 + 1_000_001) }),
];

const at = (n: number) => BEGIN * 1000 + n;
const isIn = (
  field: "eventType" | "entityId" | "userId" | "orgId" | "entityType",
  ...values: string[]
) => ({ kind: "in", field, values }) as const;
const starts = (field: "entityId" | "userId" | "orgId", value: string) =>
  ({ kind: "startsWith", field, value }) as const;
const within = (from: number | null, to: number | null) => ({ kind: "micros", from, to }) as const;
const not = (item: SearchCondition) => ({ kind: "not", item }) as const;
const and = (...items: SearchCondition[]) => ({ kind: "and", items }) as const;
const or = (...items: SearchCondition[]) => ({ kind: "or", items }) as const;

type ConditionCase = readonly [what: string, condition: SearchCondition, found: readonly number[]];

const FIELD_CASES: readonly ConditionCase[] = [
  ["one value", isIn("entityId", "1"), [0]],
  ["one of several values", isIn("eventType", "Updated", "Deleted", "Other"), [1, 3]],
  ["none of no values", isIn("eventType"), []],
  ["a value in another case", isIn("orgId", "ORG-1"), []],
  ["a type of entity", isIn("entityType", "OrderItem"), [2]],
  ["a value with a space", isIn("entityId", "a b"), [2]],
  ["a value of signs", isIn("entityId", ODD), [3]],
  ["an empty value", isIn("userId", ""), [3]],
  ["a letter beyond ASCII", isIn("entityId", "é"), [4]],
  ["an id", { kind: "in", field: "eventId", values: [eventId(3), eventId(77)] }, [3]],
  ["a beginning", starts("userId", "user-1"), [0, 1]],
  ["an empty beginning of what is there", starts("userId", ""), [0, 1, 3]],
  ["a beginning in another case", starts("orgId", "org"), [0, 3]],
  ["a beginning of signs", starts("entityId", "%_*"), [3]],
  ["a sign that stands for itself", starts("entityId", "?"), []],
  ["what is there", { kind: "present", field: "orgId" }, [0, 2, 3]],
  ["what is not there", not({ kind: "present", field: "orgId" }), [1, 4]],
  ["not a value, or nothing", not(isIn("userId", "user-1")), [1, 2, 3, 4]],
  ["from a moment on", within(at(1_000_001), null), [2, 3, 4]],
  ["up to a moment", within(null, at(1_000_000)), [0, 1]],
  ["a moment", within(at(1_000_001), at(1_000_001)), [4]],
  ["no time", within(at(2), at(1)), []],
  ["any time", within(null, null), [0, 1, 2, 3, 4]],
  ["all of these", and(starts("userId", "user"), isIn("eventType", "Created")), [0]],
  ["one of these", or(isIn("entityId", "1"), isIn("entityId", "12")), [0, 1]],
  ["none of these", not(or(isIn("entityId", "1"), starts("orgId", "org"))), [1, 2, 4]],
  ["all of nothing", and(), [0, 1, 2, 3, 4]],
  ["one of nothing", or(), []],
  ["not all of nothing", not(and()), []],
  ["deep inside", and(or(and(isIn("entityId", "1"), not(not(starts("userId", "u")))))), [0]],
];

const PATHS: readonly unknown[] = [
  { error_code: "PAYMENT_DECLINED", customer: { city: "Paris" } }, // 0
  { error_code: "payment_declined", customer: { city: "Paris", zip: "" } }, // 1
  { items: [{ sku: "A" }, { sku: "B", tags: [["x"], "y"] }], customer: null }, // 2
  `{"total":19.90,"big":12345678901234567890,"e":1e3,"done":true,"none":null}`, // 3
  { total: "19.90", big: "12345678901234567890", e: "1e3", done: "true", none: "null" }, // 4
  { "a.b": "point", customer: {}, items: [] }, // 5
  { a: { b: "point" }, "%_*?": { "é 東": "odd" }, A: "other case" }, // 6
];

const path = (path: readonly string[], ...values: string[]) =>
  ({ kind: "path", path, values }) as const;
const hasPath = (...path: string[]) => ({ kind: "pathPresent", path }) as const;

const PATH_CASES: readonly ConditionCase[] = [
  ["a text", path(["error_code"], "PAYMENT_DECLINED"), [0]],
  ["a text's beginning", path(["error_code"], "PAYMENT"), []],
  ["one of several", path(["error_code"], "payment_declined", "PAYMENT_DECLINED", "x"), [0, 1]],
  ["one of none", path(["error_code"]), []],
  ["a text inside", path(["customer", "city"], "Paris"), [0, 1]],
  ["an empty text", path(["customer", "zip"], ""), [1]],
  ["a text in an array", path(["items", "sku"], "B"), [2]],
  ["a text in arrays in an array", path(["items", "tags"], "x"), [2]],
  ["two texts of an array", and(path(["items", "sku"], "A"), path(["items", "sku"], "B")), [2]],
  ["no text of an array", not(path(["items", "sku"], "A")), [0, 1, 3, 4, 5, 6]],
  ["no place in an array", path(["items", "0", "sku"], "A"), []],
  ["a value above a path", path(["customer"], "Paris"), []],
  ["a value below a path", path(["error_code", "x"], "PAYMENT_DECLINED"), []],
  ["a number by its JSON", path(["total"], "19.90"), [3, 4]],
  ["a number by another JSON", path(["total"], "19.9"), []],
  ["all digits of a number", path(["big"], "12345678901234567890"), [3, 4]],
  ["other digits", path(["big"], "12345678901234567891"), []],
  ["an exponent as it stands", path(["e"], "1e3"), [3, 4]],
  ["true", path(["done"], "true"), [3, 4]],
  ["a null is nothing", path(["none"], "null"), [4]],
  ["a key with a point", path(["a", "b"], "point"), [5, 6]],
  ["a path with a point", path(["a.b"], "point"), [5, 6]],
  ["odd keys", path(["%_*?", "é 東"], "odd"), [6]],
  ["a key in its case", path(["A"], "other case"), [6]],
  ["there", hasPath("error_code"), [0, 1]],
  ["there inside", hasPath("customer", "city"), [0, 1]],
  ["there, but empty", hasPath("customer", "zip"), [1]],
  ["there in an array", hasPath("items", "sku"), [2]],
  ["an object is no value", hasPath("customer"), []],
  ["an array of objects is no value", hasPath("items"), []],
  ["a null is no value", hasPath("none"), [4]],
  ["not there", not(hasPath("total")), [0, 1, 2, 5, 6]],
];

const NUMBERS: readonly unknown[] = [
  { total: 10 }, // 0
  { total: 10.5 }, // 1
  { total: -3 }, // 2
  { total: "10" }, // 3
  { total: null, items: [{ price: 5 }, { price: 50 }, { price: 20 }] }, // 4
  { items: { price: 7 } }, // 5
  `{"total":1e999,"items":[{"price":[1,[100]]}]}`, // 6
  {}, // 7
  { total: 9007199254740993 }, // 8
];

const number = (column: string, operator: "gt" | "gte" | "lt" | "lte", value: number) =>
  ({ kind: "number", column, operator, value }) as const;

const NUMBER_CASES: readonly ConditionCase[] = [
  ["greater", number("total", "gt", 10), [1, 8]],
  ["greater or equal", number("total", "gte", 10), [0, 1, 8]],
  ["less", number("total", "lt", 10), [2]],
  ["less or equal", number("total", "lte", 10), [0, 2]],
  ["greater than a fraction", number("total", "gt", 10.25), [1, 8]],
  ["less than zero", number("total", "lt", 0), [2]],
  ["between", and(number("total", "gte", 10), number("total", "lt", 10.5)), [0]],
  ["one of several is greater", number("items_price", "gt", 30), [4, 6]],
  ["one of several is less", number("items_price", "lt", 6), [4, 6]],
  [
    "several, by two of them",
    and(
      number("items_price", "lt", 6),
      number("items_price", "gt", 40),
    ),
    [4, 6],
  ],
  ["not greater, or no number", not(number("total", "gt", 10)), [0, 2, 3, 4, 5, 6, 7]],
  ["any number", number("total", "gte", -Number.MAX_VALUE), [0, 1, 2, 8]],
];
