import {
  deepStrictEqual as deepEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { limits } from "../../../../lib/limits.ts";
import { sqliteIndex } from "../../../../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../../../../lib/search/sqlite/sqlite_search.ts";
import type { SearchCondition } from "../../../../lib/search/store.ts";
import { eventId, indexed, query } from "../../../contracts/search_events.ts";

const signal = new AbortController().signal;

/** A folder of its own, and the store in it, as often as it is opened. */
class World {
  readonly #close: (() => Promise<void>)[] = [];

  private constructor(readonly folder: string) {}

  static async run(work: (world: World) => Promise<void>): Promise<void> {
    const world = new World(await Deno.makeTempDir({ prefix: "fraiseql-search-" }));
    try {
      await work(world);
    } finally {
      for (const close of world.#close) await close();
      await Deno.remove(world.folder, { recursive: true });
    }
  }

  index(columns: readonly string[] = [], folder = this.folder) {
    const index = sqliteIndex({ folder, columns, retentionDays: 90, inUseMsMax: 0 });
    this.#close.push(() => index.close());
    return index;
  }

  store(some: Parameters<typeof limits>[0] = {}) {
    const store = openSqliteSearch({ folder: this.folder, limits: limits(some) });
    this.#close.push(() => store.close());
    return store;
  }

  async found(condition: SearchCondition | null = null): Promise<number[]> {
    const { hits } = await this.store().search(query([], { condition }), options);
    return hits.map(({ event }) => Number(event.entityId));
  }

  path(month: string): string {
    return join(this.folder, `fraiseql-events-${month}.sqlite`);
  }
}

const options = { signal, secondsMax: 60 };

Deno.test("a second writer of a folder is refused, and taken when the first has closed", () =>
  World.run(async (world) => {
    const first = world.index();
    await first.ensure(signal);
    await rejects(world.index().ensure(signal), {
      name: "AppError",
      code: "UNAVAILABLE",
      message: /is in use by process/,
    });
    await first.close();
    deepEqual(await world.index().write([indexed(1)], signal), []);
  }));

Deno.test("what is no UUID, or of a year that has no file, is refused by its place", () =>
  World.run(async (world) => {
    const events = [
      { ...indexed(1), eventId: "1" },
      indexed(2),
      { ...indexed(3), eventId: eventId(0xabc).toUpperCase() },
      { ...indexed(4), micros: Date.parse("+010000-01-01T00:00:00Z") * 1000 },
    ];
    deepEqual(await world.index().write(events, signal), [
      { row: 0, reason: "event_id is no UUID in lower case" },
      { row: 2, reason: "event_id is no UUID in lower case" },
      { row: 3, reason: "its year has not four digits" },
    ]);
    deepEqual(await world.found(), [2]);
  }));

Deno.test("a write that is given up stores nothing, and all of it when it comes again", () =>
  World.run(async (world) => {
    const index = world.index();
    const events = Array.from({ length: 3000 }, (_, n) => indexed(n));
    const gone = new AbortController();
    const writing = index.write(events, gone.signal);
    setTimeout(() => gone.abort(), 0);
    await rejects(writing, { name: "AppError", code: "CANCELLED" });
    deepEqual(await world.found(), []);
    deepEqual(await index.write(events, signal), []);
    equal((await world.store().search(query(), options)).total, 3000);
  }));

Deno.test("events of more months than are open at once are stored, in whatever order they come", () =>
  World.run(async (world) => {
    const index = world.index();
    const months = ["01", "05", "03", "07", "02", "12", "01", "06"];
    const events = months.map((month, n) =>
      indexed(n, {}, { timestamp: `2026-${month}-10T00:00:00.00000${n}Z` })
    );
    for (const event of events.toReversed()) await index.write([event], signal);
    await index.write(events, signal);
    deepEqual(await world.found(), [5, 3, 7, 1, 2, 4, 6, 0]);
  }));

Deno.test("more months than stay open are searched, time after time", () =>
  World.run(async (world) => {
    const events = Array.from({ length: 30 }, (_, n) => {
      const month = `${2020 + Math.floor(n / 12)}-${String(n % 12 + 1).padStart(2, "0")}`;
      return indexed(n, {}, { timestamp: `${month}-10T00:00:00.000000Z` });
    });
    await world.index().write(events, signal);
    const store = world.store({ searchReadersMax: 1 });
    for (let i = 0; i < 3; i++) {
      const { hits, total } = await store.search(query(), options);
      deepEqual([total, hits.map(({ event }) => Number(event.entityId))], [
        30,
        events.map((_, n) => 29 - n),
      ]);
    }
  }));

Deno.test("a column that is configured later holds for what comes then", () =>
  World.run(async (world) => {
    const first = world.index(["total"]);
    await first.write([indexed(1, { total: 5, items: { price: 5 } })], signal);
    await first.close();
    const then = world.index(["items_price", "total"]);
    await then.write([indexed(2, { total: 7, items: { price: 7 } })], signal);
    const above = (column: string) =>
      world.found({ kind: "number", column, operator: "gt", value: 1 });
    deepEqual(await above("total"), [2, 1]);
    deepEqual(await above("items_price"), [2]);
    deepEqual(await above("unknown"), []);
  }));

Deno.test("events are stored that have no number at a column whose name every object has", () =>
  World.run(async (world) => {
    deepEqual(await world.index(["constructor"]).write([indexed(1)], signal), []);
    deepEqual(await world.found(), [1]);
  }));

Deno.test("columns that differ in capitals alone are two", () =>
  World.run(async (world) => {
    const numbers = { total: [1, 1], Total: [2, 2] } as const;
    await world.index(["total", "Total"]).write([{ ...indexed(1), numbers }], signal);
    const is = (column: string, value: number) =>
      world.found({ kind: "number", column, operator: "gte", value });
    deepEqual([await is("total", 2), await is("Total", 2)], [[], [1]]);
  }));

Deno.test("a folder that cannot be made is named, with what to do", () =>
  World.run(async (world) => {
    const file = join(world.folder, "file");
    await Deno.writeTextFile(file, "");
    await rejects(world.index([], join(file, "search")).ensure(signal), {
      name: "AppError",
      code: "BAD_INPUT",
      message: /cannot keep data in .*file\/search/,
      hint: /FRAISEQL_DATA_DIR/,
    });
  }));

Deno.test("a file that cannot be opened is named, and what was to be stored may come again", () =>
  World.run(async (world) => {
    const index = world.index();
    await Deno.mkdir(world.path("2026.01"));
    await rejects(index.write([indexed(1)], signal), {
      name: "AppError",
      code: "UNAVAILABLE",
      message: /fraiseql-events-2026\.01\.sqlite cannot be opened: /,
    });
    await Deno.remove(world.path("2026.01"));
    deepEqual(await index.write([indexed(1)], signal), []);
    deepEqual(await world.found(), [1]);
  }));

const damages: [name: string, damage: (path: string) => Promise<void>][] = [
  ["no database", (path) => Deno.writeTextFile(path, "this is no database ".repeat(1000))],
  ["overwritten in the middle", async (path) => {
    const bytes = await Deno.readFile(path);
    await Deno.writeFile(path, bytes.fill(0xa5, 4096, bytes.length));
  }],
];

for (const [name, damage] of damages) {
  Deno.test(`a damaged file (${name}) is named by who writes, searches and sums up`, () =>
    World.run(async (world) => {
      const index = world.index();
      await index.write([indexed(1), indexed(2)], signal);
      await index.close(); // all is in the file then, and none of it beside
      await damage(world.path("2026.01"));
      const wanted = {
        name: "AppError",
        code: "UNAVAILABLE",
        message: /fraiseql-events-2026\.01\.sqlite is damaged: /,
        hint: /move it away/,
      } as const;
      await rejects(world.index().write([indexed(3)], signal), wanted);
      await rejects(world.store().search(query(), options), wanted);
      await rejects(world.index().sums(0, signal), wanted);
      ok((await Deno.stat(world.path("2026.01"))).size > 0, "it is still there");
    }));
}

Deno.test("a file of another version of the tables is refused and not touched", () =>
  World.run(async (world) => {
    const database = new DatabaseSync(world.path("2026.01"));
    database.exec("create table other (a); pragma user_version = 99");
    database.close();
    const wanted = { name: "AppError", code: "UNAVAILABLE", message: /has version 99/ } as const;
    await rejects(world.index().write([indexed(1)], signal), wanted);
    await rejects(world.store().search(query(), options), wanted);
  }));

Deno.test("a file that was being made when its writer ended is made anew", () =>
  World.run(async (world) => {
    new DatabaseSync(world.path("2026.01")).exec("pragma journal_mode = wal");
    deepEqual(await world.found(), []);
    await world.index().write([indexed(1)], signal);
    deepEqual(await world.found(), [1]);
  }));

Deno.test("where nothing was stored ever, searches and sums say so", () =>
  World.run(async (world) => {
    const folder = join(world.folder, "search");
    const wanted = { name: "AppError", code: "UNAVAILABLE", message: /no search store/ } as const;
    await rejects(sqliteIndex({ folder, columns: [], retentionDays: 90 }).sums(0, signal), wanted);
    const store = openSqliteSearch({ folder, limits: limits() });
    await rejects(store.search(query(), options), wanted);
    await store.close();
  }));

Deno.test("a month is swept while it is read, and read anew when it comes again", () =>
  World.run(async (world) => {
    const index = world.index();
    const store = world.store();
    const ids = async () =>
      (await store.search(query(), options)).hits.map(({ event }) => Number(event.entityId));
    await index.write([indexed(1)], signal);
    deepEqual(await ids(), [1]);
    // Held open, and within a read, as by another process.
    const held = new DatabaseSync(world.path("2026.01"), { readOnly: true });
    held.exec("begin");
    const count = () => held.prepare("select count(*) as n from events").get()?.["n"];
    equal(count(), 1);
    deepEqual(await index.sweep(new Date("2026-08-01"), signal), ["fraiseql-events-2026.01"]);
    equal(count(), 1);
    deepEqual(await ids(), []);
    await index.write([indexed(2)], signal);
    deepEqual(await ids(), [2]);
    held.close();
  }));

Deno.test("what a sweep left that was cut is removed, and nothing else", () =>
  World.run(async (world) => {
    await Deno.writeTextFile(`${world.path("2025.01")}-wal`, "");
    await Deno.writeTextFile(`${world.path("2025.01")}-shm`, "");
    await Deno.writeTextFile(join(world.folder, "others.sqlite-wal"), "");
    await world.index().write([indexed(1)], signal);
    const names = (await Array.fromAsync(Deno.readDir(world.folder))).map(({ name }) => name);
    deepEqual(names.filter((name) => /2025|others/.test(name)), ["others.sqlite-wal"]);
    deepEqual(await world.found(), [1]);
  }));
