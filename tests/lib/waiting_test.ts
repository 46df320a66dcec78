/** Waits that end early, in time, or with what was waited for. */

import { rejects, strictEqual as equal } from "node:assert/strict";
import { pause, within } from "../../lib/waiting.ts";

Deno.test("pause() ends when its signal is aborted, also before it began", async () => {
  const stop = new AbortController();
  const paused = pause(3_600_000, stop.signal);
  stop.abort();
  await paused;
  await pause(3_600_000, stop.signal);
});

Deno.test("pause() ends by itself", async () => {
  await pause(1);
  await pause(1, new AbortController().signal);
});

Deno.test("within() tells whether it came in time, and leaves no timer behind", async () => {
  equal(await within(3_600_000, Promise.resolve()), true);
  equal(await within(1, new Promise(() => {})), false);
});

Deno.test("within() throws what it waited for was rejected with", async () => {
  await rejects(within(3_600_000, Promise.reject(new Error("x"))), /x/);
});
