/** When the catalog is read again by itself, on a clock that the test moves. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { CatalogWatch } from "../../../lib/query/catalog_watch.ts";

/** A read a second at most; where there is only doubt, every 5 s. */
function scripted(answers: (boolean | Error)[] = [], catalogReadsPerMinuteMax = 60) {
  /** What the stamp says at each look, and when the looks began; the same unless told. */
  const looks: (boolean | Error)[] = [];
  const looked: number[] = [];
  const clock = { ms: 0 };
  const began: number[] = [];
  const log: string[] = [];
  /** Ends the read that is under way. */
  let end = () => {};
  const held = { isHeld: false, lookMs: 0 };
  const watch = new CatalogWatch({
    limits: limits({ catalogReadsPerMinuteMax, catalogAgeMsMax: 1000 }),
    isSame: async () => {
      looked.push(clock.ms);
      const same = looks.shift() ?? true;
      if (held.isHeld) await new Promise<void>((resolve) => end = resolve);
      if (same instanceof Error) throw same;
      clock.ms += held.lookMs;
      return same;
    },
    log: createLog("debug", (line) => log.push(line)),
    now: () => clock.ms,
    sleep: (ms) => {
      clock.ms += ms;
      return Promise.resolve();
    },
    read: async () => {
      began.push(clock.ms);
      const answer = answers.shift() ?? true;
      if (held.isHeld) await new Promise<void>((resolve) => end = resolve);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { watch, clock, began, looks, looked, log, held, end: () => end() };
}

Deno.test("CatalogWatch.changed() resolves when the catalog was read", async () => {
  const { watch, clock, began } = scripted();
  clock.ms = 60_000;
  await watch.changed();
  deepEqual(began, [60_000]);
});

Deno.test("CatalogWatch.changed() reads once for many streams that fail at once", async () => {
  const { watch, clock, began } = scripted();
  clock.ms = 60_000;
  await Promise.all(Array.from({ length: 100 }, () => watch.changed()));
  deepEqual(began, [60_000]);
});

Deno.test("CatalogWatch.changed() waits until catalogReadsPerMinuteMax allows a read, since the start too", async () => {
  for (const [perMinute, wanted] of [[60, [1000, 2000]], [120, [500, 1000]]] as const) {
    const { watch, clock, began } = scripted([], perMinute);
    clock.ms = 300;
    await watch.changed();
    await watch.changed();
    deepEqual(began, wanted);
  }
});

Deno.test("CatalogWatch.changed() reads again for a change that the read under way may have missed", async () => {
  const { watch, clock, began, held, end } = scripted();
  clock.ms = 60_000;
  held.isHeld = true;
  const first = watch.changed();
  while (began.length === 0) await Promise.resolve();
  const second = watch.changed();
  const third = watch.changed();
  held.isHeld = false;
  end();
  await Promise.all([first, second, third]);
  deepEqual(began, [60_000, 61_000]);
});

Deno.test("CatalogWatch.changed() reads every 5 s at most where three reads changed nothing, and does not wait", async () => {
  const { watch, clock, began } = scripted([false, new Error("gone"), false, false, true]);
  clock.ms = 60_000;
  for (let n = 0; n < 3; n++) await watch.changed();
  clock.ms = 66_999;
  for (let n = 0; n < 100; n++) await watch.changed();
  deepEqual(began.splice(0), [60_000, 61_000, 62_000]);
  clock.ms = 67_000;
  await watch.changed();
  clock.ms = 71_999;
  await watch.changed();
  deepEqual(began.splice(0), [67_000]);
  clock.ms = 72_000;
  await watch.changed();
  await watch.changed();
  deepEqual(began, [72_000, 73_000]);
});

Deno.test("CatalogWatch.doubted() reads every 5 s at most, since the start too", async () => {
  const { watch, clock, began } = scripted();
  for (const ms of [4_999, 5_000, 5_001, 9_999, 10_000]) {
    clock.ms = ms;
    for (let n = 0; n < 10; n++) await watch.doubted();
  }
  deepEqual(began, [5_000, 10_000]);
});

Deno.test("CatalogWatch.doubted() that changes nothing does not delay who is sure", async () => {
  const { watch, clock, began } = scripted([false, false, false, false]);
  for (const ms of [60_000, 70_000, 80_000]) {
    clock.ms = ms;
    await watch.doubted();
  }
  await watch.changed();
  deepEqual(began, [60_000, 70_000, 80_000, 81_000]);
});

Deno.test("CatalogWatch.doubted() waits for the read that is under way", async () => {
  const { watch, clock, began, held, end } = scripted();
  clock.ms = 60_000;
  held.isHeld = true;
  const reading = watch.changed();
  while (began.length === 0) await Promise.resolve();
  let isDone = false;
  const doubt = watch.doubted().then(() => isDone = true);
  await Promise.resolve();
  equal(isDone, false);
  end();
  await Promise.all([reading, doubt]);
  deepEqual(began, [60_000]);
});

Deno.test("CatalogWatch.changed() believes again who finds another schema once somebody asked by name", async () => {
  const { watch, clock, began } = scripted([false, false, false]);
  clock.ms = 60_000;
  for (let n = 0; n < 3; n++) await watch.changed();
  began.length = 0;
  await watch.refresh(() => Promise.resolve());
  await watch.changed();
  deepEqual(began, [63_000]);
});

Deno.test("CatalogWatch.changed() waits for what somebody asked for by name, also where it is not believed", async () => {
  const { watch, clock } = scripted([false, false, false]);
  clock.ms = 60_000;
  for (let n = 0; n < 3; n++) await watch.changed();
  let end = () => {};
  const refreshing = watch.refresh(() => new Promise((resolve) => end = resolve));
  let isDone = false;
  const changed = watch.changed().then(() => isDone = true);
  for (let n = 0; n < 10; n++) await Promise.resolve();
  equal(isDone, false);
  end();
  await Promise.all([refreshing, changed]);
});

Deno.test("CatalogWatch.refresh() throws what the read throws, and who waits for it goes on", async () => {
  const { watch, clock, began } = scripted();
  clock.ms = 60_000;
  const refreshing = watch.refresh(() => Promise.reject(new Error("gone")));
  const changed = watch.changed();
  await rejects(refreshing, { message: "gone" });
  await changed;
  deepEqual(began, [61_000]);
});

Deno.test("CatalogWatch.current() looks every half of catalogAgeMsMax at most, and lets nobody wait before it is over", async () => {
  const { watch, clock, looked } = scripted();
  for (const [ms, waits] of [[499, false], [500, false], [999, false], [2_000, true]] as const) {
    clock.ms = ms;
    const looks = [watch.current(), watch.current()];
    equal(looks[0] !== null, waits);
    await Promise.all(looks);
    for (let n = 0; n < 10; n++) await Promise.resolve();
  }
  deepEqual(looked, [500, 2_000]);
});

Deno.test("CatalogWatch.current() resolves when a catalog that looks changed was read", async () => {
  const { watch, clock, began, looks } = scripted();
  looks.push(false);
  clock.ms = 60_000;
  await watch.current();
  deepEqual(began, [60_000]);
});

Deno.test("CatalogWatch.current() reads no more often than catalogReadsPerMinuteMax, whatever looks say", async () => {
  const { watch, clock, began, looks } = scripted([false, false], 6);
  looks.push(false, false);
  for (const ms of [60_000, 62_000]) {
    clock.ms = ms;
    await watch.current();
  }
  deepEqual(began, [60_000, 70_000]);
});

Deno.test("CatalogWatch.current() looks more rarely where a look takes long, every 10 s at least", async () => {
  const { watch, clock, looked, held } = scripted();
  held.lookMs = 100;
  clock.ms = 60_000;
  await watch.current();
  for (const [ms, lookMs] of [[62_499, 0], [65_000, 2_000], [69_999, 0], [75_000, 0]] as const) {
    [clock.ms, held.lookMs] = [ms, lookMs];
    await watch.current();
  }
  deepEqual(looked, [60_000, 65_000, 75_000]);
});

Deno.test("CatalogWatch.current() lets queries go on by what is known where a look fails", async () => {
  const { watch, clock, began, looks, log } = scripted();
  looks.push(new Error("gone"));
  clock.ms = 60_000;
  await watch.current();
  equal(watch.current(), null);
  deepEqual(began, []);
  equal(JSON.parse(log[0] ?? "").event, "catalog could not be looked at");
});

Deno.test("CatalogWatch.confirm() looks once more for those who doubt while a look is under way", async () => {
  const { watch, clock, looked, held, end } = scripted();
  clock.ms = 60_000;
  held.isHeld = true;
  const first = watch.confirm();
  while (looked.length === 0) await Promise.resolve();
  const others = [watch.confirm(), watch.confirm()];
  held.isHeld = false;
  end();
  await Promise.all([first, ...others]);
  equal(looked.length, 2);
});

Deno.test("CatalogWatch logs each read, and a failed one resolves too", async () => {
  const { watch, clock, log } = scripted([new Error("gone"), true, false]);
  for (const ms of [60_000, 70_000, 80_000]) {
    clock.ms = ms;
    await watch.changed();
  }
  deepEqual(log.map((line) => JSON.parse(line)).map(({ level, event }) => [level, event]), [
    ["warn", "catalog could not be read again"],
    ["info", "catalog read again"],
    ["debug", "catalog read again"],
  ]);
});
