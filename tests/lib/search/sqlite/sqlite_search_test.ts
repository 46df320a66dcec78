import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { sqliteIndex } from "../../../../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../../../../lib/search/sqlite/sqlite_search.ts";
import { type Limits, limits } from "../../../../lib/limits.ts";
import type {
  IndexedEvent,
  SearchCondition,
  SearchPage,
  SearchStore,
} from "../../../../lib/search/store.ts";
import { eventId, indexed, query } from "../../../contracts/search_events.ts";
import { testSearch } from "../../../contracts/search.ts";
import { randomOf } from "../../random.ts";

testSearch("the embedded store", {
  async make(columns, retentionDays) {
    const folder = await Deno.makeTempDir({ prefix: "fraiseql-search-" });
    const names = columns.map(({ name }) => name);
    const index = sqliteIndex({ folder, columns: names, retentionDays });
    const store = openSqliteSearch({ folder, limits: limits() });
    return {
      index,
      store,
      async close() {
        await store.close();
        await index.close();
        await Deno.remove(folder, { recursive: true });
      },
    };
  },
});

const signal = new AbortController().signal;
const options = { signal, secondsMax: 60 };

/** Searches a store that holds the events. */
async function searching(
  events: readonly IndexedEvent[],
  some: Partial<Limits>,
  work: (store: SearchStore, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-search-" });
  const index = sqliteIndex({ folder, columns: [], retentionDays: 90 });
  const store = openSqliteSearch({ folder, limits: limits(some) });
  try {
    deepEqual(await index.write(events, signal), []);
    await work(store, folder);
  } finally {
    await store.close();
    await index.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Searches for their letters take long, and have no row to look at meanwhile. */
const many = Array.from(
  { length: 10_000 },
  (_, n) => indexed(n, { a: `a${n} b${n} c${n} d${n} e${n} f${n} g${n} h${n}`, n }),
);
const slow = query(
  [..."abcdefgh"].flatMap((letter) => [`${letter}*`, `${letter}1*`, `${letter}2*`]).join(" "),
  { first: 1 },
);

Deno.test("a search that takes too long ends as TIMEOUT, and the next one is answered", () =>
  searching(many, { searchReadersMax: 1 }, async (store) => {
    await rejects(store.search(slow, { signal, secondsMax: 0.001 }), {
      name: "AppError",
      code: "TIMEOUT",
    });
    equal((await store.search(query("a7"), options)).total, 1);
  }));

Deno.test("a search that is given up ends, and those that wait for its reader are answered", () =>
  searching(many, { searchReadersMax: 1 }, async (store) => {
    await store.search(query("a7"), options); // the reader is at work
    const gone = new AbortController();
    const given = store.search(slow, { signal: gone.signal, secondsMax: 60 });
    const waitsInVain = store.search(query("a8"), { signal: gone.signal, secondsMax: 60 });
    const waits = store.search(query("a9"), options);
    const wanted = { name: "AppError", code: "CANCELLED" } as const;
    const ended = Promise.all([rejects(given, wanted), rejects(waitsInVain, wanted), waits]);
    // Until the worker is asked, and not until it can have answered.
    for (let turn = 0; turn < 20; turn++) await null;
    gone.abort();
    const [, , { total }] = await ended;
    equal(total, 1);
  }));

Deno.test("searches under way when the store is closed end as UNAVAILABLE, and later ones too", () =>
  searching([indexed(1)], { searchReadersMax: 1 }, async (store) => {
    const asked = [store.search(query(), options), store.search(query(), options)];
    const ended = Promise.all(
      asked.map((search) => rejects(search, { name: "AppError", code: "UNAVAILABLE" })),
    );
    await store.close();
    await ended;
    await rejects(store.search(query(), options), { name: "AppError", code: "UNAVAILABLE" });
  }));

Deno.test("more searches than readers are all answered", () =>
  searching(many.slice(0, 10), { searchReadersMax: 3 }, async (store) => {
    const found = await Promise.all(
      many.slice(0, 10).map((_, n) => store.search(query(`a${n}`), options)),
    );
    deepEqual(found.map(({ total }) => total), Array(10).fill(1));
  }));

Deno.test("a page above searchPageBytesMax is refused as TOO_LARGE, and one of as much is given", () => {
  const events = [1, 2, 3].map((n) => indexed(n, "x".repeat(1022)));
  return searching(events, { searchPageBytesMax: 2048 }, async (store) => {
    equal((await store.search(query([], { first: 2 }), options)).hits.length, 2);
    await rejects(store.search(query([], { first: 3 }), options), {
      name: "AppError",
      code: "TOO_LARGE",
      hint: /search_page_bytes_max/,
    });
  });
});

Deno.test("of more hits than searchRankedMax the newest are ranked, and all are counted", () => {
  const best = indexed(0, "rare rare rare");
  const events = [best, ...[1, 2, 3].map((n) => indexed(n, "rare and other words"))];
  const ranked = query("rare", { order: "relevance" });
  const found = async (searchRankedMax: number) => {
    const numbers: string[] = [];
    await searching(events, { searchRankedMax }, async (store) => {
      const { hits, total, hasMore } = await store.search(ranked, options);
      deepEqual([total, hasMore], [4, false]);
      numbers.push(...hits.map(({ event }) => event.entityId));
    });
    return numbers;
  };
  return (async () => {
    deepEqual((await found(4))[0], "0");
    deepEqual((await found(3)).toSorted(), ["1", "2", "3"]);
  })();
});

Deno.test("events of one millisecond are ordered by microsecond and id, however many they are", () => {
  const random = randomOf(1);
  const events = Array.from(
    { length: 5000 },
    (_, n) =>
      indexed(n, {}, { timestamp: `2026-01-15T00:00:00.00000${Math.floor(random() * 10)}Z` }),
  );
  const order = events.toSorted((a, b) => b.micros - a.micros || (a.eventId < b.eventId ? 1 : -1))
    .map(({ entityId }) => entityId);
  const shuffled = events.toSorted((a, b) => Number(a.entityId) % 7 - Number(b.entityId) % 7);
  return searching(shuffled, {}, async (store) => {
    const found: string[] = [];
    let after: SearchPage["hits"][number]["place"] | null = null;
    do {
      const page: SearchPage = await store.search(query([], { first: 700, after }), options);
      found.push(...page.hits.map(({ event }) => event.entityId));
      after = page.hasMore ? page.hits.at(-1)?.place ?? null : null;
    } while (after);
    deepEqual(found, order);
  });
});

Deno.test("conditions nested deeper than FTS5 takes, and long lists of values, are answered", () =>
  searching(many.slice(0, 50), {}, async (store) => {
    const not = (item: SearchCondition): SearchCondition => ({ kind: "not", item });
    let deep: SearchCondition = { kind: "path", path: ["n"], values: ["7"] };
    for (let level = 0; level < 100; level++) {
      deep = { kind: level % 2 ? "and" : "or", items: [not(not(deep))] };
    }
    equal((await store.search(query([], { condition: deep }), options)).total, 1);
    const values = Array.from({ length: 20_000 }, (_, n) => String(n * 2));
    for (
      const condition of [
        { kind: "path", path: ["n"], values } as const,
        { kind: "in", field: "entityId", values } as const,
        { kind: "in", field: "eventId", values: values.map((_, n) => eventId(n * 2)) } as const,
      ]
    ) {
      equal((await store.search(query([], { condition }), options)).total, 25, condition.kind);
    }
  }));

Deno.test("a program without its files beside it searches in its own thread", () =>
  searching([indexed(1, "word"), indexed(2, "word")], {}, async (_store, folder) => {
    const program = `${folder}/program.ts`;
    const root = new URL("../../../../", import.meta.url);
    await Deno.writeTextFile(
      program,
      `
      import { openSqliteSearch } from "${new URL("lib/search/sqlite/sqlite_search.ts", root)}";
      import { limits } from "${new URL("lib/limits.ts", root)}";
      const store = openSqliteSearch({ folder: Deno.args[0]!, limits: limits() });
      const signal = new AbortController().signal;
      const query = { terms: [{ kind: "word", word: "word" }], condition: null, order: "oldest",
        first: 1, after: null, wantsTotal: true } as const;
      const page = await store.search(query, { signal, secondsMax: 60 });
      console.log(page.hits[0]?.event.entityId, page.total);
      await store.close();`,
    );
    const cwd = fileURLToPath(root);
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd })
        .output();
      equal(code, 0, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout);
    };
    await run("bundle", "--quiet", "--output", `${folder}/bundle.js`, program);
    const allowed = ["--allow-read", "--allow-write"];
    equal(await run("run", "--no-prompt", ...allowed, `${folder}/bundle.js`, folder), "1 2\n");
  }));
