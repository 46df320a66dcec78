/**
 * The embedded store between processes: who writes is killed, others read meanwhile, the disk is full.
 * More kills, other moments: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=60.
 */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { differences, EventSums } from "../../../../lib/events/event_sums.ts";
import { limits } from "../../../../lib/limits.ts";
import { sqliteIndex } from "../../../../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../../../../lib/search/sqlite/sqlite_search.ts";
import { indexed, query } from "../../../contracts/search_events.ts";
import { residentBytes } from "../../../serve/serve.ts";
import { randomOf } from "../../random.ts";

const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 6);
const callEvents = 400;

Deno.test(`who writes is killed ${kills} times in the middle, and each call is stored whole or not at all`, () =>
  inFolder(async (folder) => {
    const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
    const most = 1_000_000; // it is always in the middle
    let stored = 0;
    for (let n = 0; n < kills; n++) {
      const writer = program("writer_program.ts", [folder, stored, most, callEvents]);
      await writer.said(new RegExp(`stored ${stored + callEvents}\\n`));
      await delay(random() * 300);
      writer.child.kill("SIGKILL");
      await writer.child.status;
      const said = writer.stdout().trim().split("\n").map((line) => Number(line.split(" ")[1]));
      stored = said.at(-1) ?? stored;
      const held = await heldIn(folder);
      equal(held.events % callEvents, 0, "a call is whole");
      ok(held.events >= stored, `${stored} were said to be stored, ${held.events} are`);
    }
    // As the sink does: what was not said to be stored comes again.
    const end = stored + 3 * callEvents;
    const writer = program("writer_program.ts", [folder, stored, end, callEvents]);
    deepEqual((await writer.child.status).code, 0, writer.stdout());
    deepEqual(differences(sumsOf(end), await heldIn(folder)), []);
    equal(await foundIn(folder), end, "each is found too");
  }));

Deno.test("two processes search while a third writes, and see whole calls alone", () =>
  inFolder(async (folder) => {
    const count = 50 * callEvents;
    const writer = program("writer_program.ts", [folder, 0, count, callEvents]);
    await writer.said(/stored/);
    const readers = [1, 2].map(() => program("reader_program.ts", [folder, callEvents]));
    deepEqual((await writer.child.status).code, 0, writer.stdout());
    for (const { child, stdout } of readers) {
      await delay(500); // the one may have just started, and is to see the end
      await child.stdin.close();
      equal((await child.status).code, 0, stdout());
      match(stdout(), new RegExp(`^[1-9]\\d* searches, ${count} events\\n$`));
    }
  }));

Deno.test("a disk that is full is named, and all is stored once when there is room", () =>
  inFolder(async (folder) => {
    const count = 20 * callEvents;
    // No file may grow beyond 1 MB, which SQLite is told of as it is of a full disk.
    const full = program("writer_program.ts", [folder, 0, count, callEvents], "1000");
    await full.said(/failed/);
    match(full.stdout(), /"code":"UNAVAILABLE","hint":"make room on its disk/);
    match(full.stdout(), /2026\.01\.sqlite cannot be written or read: /);
    full.child.kill("SIGKILL");
    await full.child.status;
    const stored = /(?:stored (\d+)\n)*/.exec(full.stdout())?.[1] ?? "0";
    const { events } = await heldIn(folder);
    ok(events < count);
    equal(events % callEvents, 0);
    const writer = program("writer_program.ts", [folder, Number(stored), count, callEvents]);
    equal((await writer.child.status).code, 0, writer.stdout());
    deepEqual(differences(sumsOf(count), await heldIn(folder)), []);
  }));

Deno.test("writing takes no more memory after a hundred thousand events than after twenty", () =>
  inFolder(async (folder) => {
    const writer = program("writer_program.ts", [folder, 0, 1_000_000, 2000]);
    let [early, most] = [0, 0];
    const timer = setInterval(() => {
      most = Math.max(most, residentBytes(writer.child.pid));
      if (/stored 20000\n/.test(writer.stdout()) && early === 0) early = most;
    }, 20);
    await writer.said(/stored 100000\n/);
    clearInterval(timer);
    writer.child.kill("SIGKILL");
    await writer.child.status;
    ok(early > 0 && most < early + 50 * 1024 * 1024, `${early} bytes at first, ${most} later`);
  }));

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-search-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts a program of this folder; with a limit in KiB on the size of its files. */
function program(name: string, args: readonly (string | number)[], fileKiB = "unlimited") {
  const file = fileURLToPath(new URL(name, import.meta.url));
  const words = [Deno.execPath(), "run", "--quiet", "--no-check", "--allow-all", file, ...args];
  // The signal would end it before the write can fail.
  const script = `trap "" XFSZ; ulimit -f ${fileKiB}; exec "$@"`;
  const child = new Deno.Command("bash", {
    args: ["-c", script, "bash", ...words.map(String)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let wake = () => {};
  const reading = child.stdout.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(part) {
        text += part;
        wake();
      },
    }),
  );
  let hasEnded = false;
  void reading.then(() => {
    hasEnded = true;
    wake();
  });
  return {
    child,
    stdout: () => text,
    async said(words: RegExp): Promise<void> {
      while (!words.test(text)) {
        ok(!hasEnded, `it ended without ${words}: ${text}`);
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
}

async function heldIn(folder: string): Promise<EventSums> {
  const index = sqliteIndex({ folder, columns: [], retentionDays: 90 });
  const sums = new EventSums();
  for (const sum of await index.sums(0, new AbortController().signal)) {
    sums.add(sum.entityType, sum.hour, sum.count, sum.hash);
  }
  return sums;
}

async function foundIn(folder: string): Promise<number | null> {
  const store = openSqliteSearch({ folder, limits: limits() });
  const options = { signal: new AbortController().signal, secondsMax: 60 };
  const { total } = await store.search(query("order words", { first: 0 }), options);
  await store.close();
  return total;
}

/** Of the events below a number. */
function sumsOf(count: number): EventSums {
  const sums = new EventSums();
  for (let n = 0; n < count; n++) {
    const { entityType, timestamp, eventId } = indexed(n);
    sums.addEvent(entityType, timestamp, eventId);
  }
  return sums;
}
