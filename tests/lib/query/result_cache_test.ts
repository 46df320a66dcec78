/** The result cache alone, over scripted reads and a clock that the test moves. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import { limits } from "../../../lib/limits.ts";
import { createMetrics } from "../../../lib/metrics.ts";
import { ResultCache, type ResultKey } from "../../../lib/query/result_cache.ts";
import { counted } from "../../flight/serve.ts";

const KiB = 1024;

const query: ResultKey = {
  role: "shop",
  viewer: "anyone",
  generation: 0,
  statements: [{ text: "select $1", parameters: ["1"] }],
};

/** Keys that differ from `query`, and from each other, in one thing. */
const others: [name: string, key: ResultKey][] = [
  ["another parameter", { ...query, statements: [{ text: "select $1", parameters: ["2"] }] }],
  ["a parameter that is null", {
    ...query,
    statements: [{ text: "select $1", parameters: [null] }],
  }],
  ["no parameter", { ...query, statements: [{ text: "select $1", parameters: [] }] }],
  ["another text", { ...query, statements: [{ text: "select $1 ", parameters: ["1"] }] }],
  ["a statement more", { ...query, statements: [...query.statements, ...query.statements] }],
  ["another reading of the schema", { ...query, generation: 1 }],
  ["another role", { ...query, role: "shop2" }],
  [
    "a text that looks like a parameter",
    { ...query, statements: [{ text: 'select $1",["1"]],["', parameters: [] }] },
  ],
];

function scripted(some: Partial<Record<"bytes" | "entryBytes" | "seconds", number>> = {}) {
  const clock = { ms: 5_000 };
  const metrics = createMetrics();
  const cache = new ResultCache({
    seconds: some.seconds ?? 60,
    limits: limits({
      resultCacheBytesMax: some.bytes ?? 1024 * KiB,
      resultCacheEntryBytesMax: some.entryBytes ?? 64 * KiB,
    }),
    metrics,
    now: () => clock.ms,
  });
  let reads = 0;
  const ages: number[] = [];
  const { signal } = new AbortController();
  const open = (
    key: ResultKey,
    chunks: readonly (Uint8Array | Error)[] = [Uint8Array.of(1)],
    stop = signal,
  ) =>
    cache.rows(key, () => {
      reads++;
      return sameBuffer(chunks);
    }, { signal: stop, fromCache: (age) => ages.push(age) });
  const ask = async (key: ResultKey, chunks?: readonly (Uint8Array | Error)[]) => {
    const given: number[][] = [];
    for await (const { bytes, start, end } of open(key, chunks)) {
      given.push([...bytes.subarray(start, end)]);
    }
    return given;
  };
  return {
    cache,
    clock,
    ages,
    open,
    ask,
    reads: () => reads,
    bytes: () => counted(metrics, "fraiseql_result_cache_bytes"),
    entries: () => counted(metrics, "fraiseql_result_cache_entries"),
    hits: () => counted(metrics, "fraiseql_result_cache_hits_total"),
    misses: () => counted(metrics, "fraiseql_result_cache_misses_total"),
  };
}

/** Chunks that lie in one buffer, overwritten by the next, as those of a socket do. */
async function* sameBuffer(chunks: readonly (Uint8Array | Error)[]): AsyncGenerator<RowChunk> {
  const buffer = new Uint8Array(256 * KiB);
  for (const [index, chunk] of chunks.entries()) {
    await Promise.resolve();
    if (chunk instanceof Error) throw chunk;
    buffer.fill(0xee);
    buffer.set(chunk, 3 + index);
    yield { statement: index, bytes: buffer, start: 3 + index, end: 3 + index + chunk.length };
  }
}

const kib = (count: number) => new Uint8Array(count * KiB);

Deno.test("ResultCache.rows() gives again the bytes of every chunk, with their statement", async () => {
  const { open, ask, reads, ages } = scripted();
  const first = await ask(query, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  deepEqual(first, [[1, 2], [3]]);
  deepEqual(await ask(query), first);
  const statements: number[] = [];
  for await (const { statement } of open(query)) statements.push(statement);
  deepEqual([statements, reads(), ages], [[0, 1], 1, [0, 0]]);
});

Deno.test("ResultCache.rows() keeps a result without rows too", async () => {
  const { ask, reads, ages } = scripted();
  deepEqual([await ask(query, []), await ask(query)], [[], []]);
  deepEqual([reads(), ages], [1, [0]]);
});

Deno.test("ResultCache.rows() tells the age in whole seconds since before the read, and ends at the time to live", async () => {
  const { ask, clock, reads, ages } = scripted({ seconds: 10 });
  await ask(query);
  clock.ms += 9_999;
  await ask(query);
  deepEqual([reads(), ages], [1, [9]]);
  clock.ms += 1;
  await ask(query);
  deepEqual([reads(), ages], [2, [9]]);
});

Deno.test("ResultCache.rows() does not keep what was too old when it came to its end", async () => {
  const { open, clock, entries } = scripted({ seconds: 10 });
  for await (const _ of open(query)) clock.ms += 10_000;
  equal(await entries(), 0);
});

for (const [name, key] of others) {
  Deno.test(`ResultCache.rows() never gives the rows of a query to one with ${name}`, async () => {
    const { ask, reads } = scripted();
    await ask(query, [Uint8Array.of(1)]);
    deepEqual(await ask(key, [Uint8Array.of(2)]), [[2]]);
    deepEqual([await ask(query), await ask(key), reads()], [[[1]], [[2]], 2]);
  });
}

Deno.test("ResultCache.rows() keeps nothing of a read that fails", async () => {
  const { ask, bytes, entries } = scripted();
  await rejects(ask(query, [Uint8Array.of(1), new Error("gone")]), /gone/);
  deepEqual(await ask(query, [Uint8Array.of(2)]), [[2]]);
  await rejects(ask(others[0]![1], [new Error("at once")]), /at once/);
  deepEqual([await entries(), (await bytes()) < KiB], [1, true]);
});

Deno.test("ResultCache.rows() keeps nothing of a read that its reader leaves", async () => {
  const { open, ask, bytes, reads } = scripted();
  for await (const _ of open(query, [kib(1), kib(1)])) break;
  equal(await bytes(), 0);
  deepEqual(await ask(query, [Uint8Array.of(2)]), [[2]]);
  equal(reads(), 2);
});

Deno.test("ResultCache.rows() reads for each of two equal queries at once, and neither waits or loses rows", async () => {
  const { open, ask, reads } = scripted();
  const slow = open(query, [Uint8Array.of(1), Uint8Array.of(2)]);
  await slow.next();
  deepEqual(await ask(query, [Uint8Array.of(3)]), [[3]]);
  const { value } = await slow.next();
  equal(value?.bytes[value.start], 2);
  await slow.next();
  equal(reads(), 2);
});

Deno.test("ResultCache.rows() keeps the later of two reads, though the earlier ended last", async () => {
  const { open, ask, clock, entries } = scripted();
  const slow = open(query, [Uint8Array.of(1)]);
  await slow.next();
  clock.ms += 1;
  await ask(query, [Uint8Array.of(2)]);
  await slow.next();
  deepEqual([await ask(query), await entries()], [[[2]], 1]);
});

Deno.test("ResultCache.rows() streams a result above resultCacheEntryBytesMax whole, and keeps none of it", async () => {
  const { ask, bytes, reads } = scripted({ entryBytes: 4 * KiB });
  // Beside the rows an entry takes what its objects take.
  for (const [size, kept] of [[3, true], [4, false]] as const) {
    const key = { ...query, role: `reads ${size}` };
    const [chunk] = await ask(key, [kib(size)]);
    equal(chunk?.length, size * KiB);
    const before = reads();
    await ask(key, [kib(size)]);
    equal(reads() === before, kept);
  }
  equal(await bytes() <= 4 * KiB, true);
});

Deno.test("ResultCache.rows() drops what was used least recently to stay within resultCacheBytesMax", async () => {
  const { ask, bytes, entries, reads } = scripted({ bytes: 16 * KiB });
  const key = (n: number) => ({ ...query, role: `role ${n}` });
  await ask(key(1), [kib(6)]);
  await ask(key(2), [kib(6)]);
  await ask(key(1));
  await ask(key(3), [kib(6)]);
  deepEqual([await entries(), (await bytes()) <= 16 * KiB], [2, true]);
  await ask(key(1));
  await ask(key(3));
  equal(reads(), 3);
  await ask(key(2));
  equal(reads(), 4);
});

Deno.test("ResultCache.rows() counts reads under way, and keeps none where they alone fill resultCacheBytesMax", async () => {
  const { open, ask, bytes, entries } = scripted({ bytes: 16 * KiB });
  const reads = Array.from({ length: 4 }, (_, n) => open({ ...query, role: `${n}` }, [kib(6)]));
  for (const read of reads) await read.next();
  await ask({ ...query, role: "last" }, [kib(6)]);
  equal(await bytes() <= 16 * KiB, true);
  equal(await entries(), 0);
  for (const read of reads) await read.next();
  deepEqual([await entries(), await bytes() <= 16 * KiB], [2, true]);
});

Deno.test("ResultCache.rows() counts a dropped result until its last reader has it", async () => {
  const { cache, open, ask, bytes } = scripted({ bytes: 16 * KiB });
  await ask(query, [kib(5), kib(5)]);
  const slow = open(query);
  await slow.next();
  cache.clear();
  equal(await bytes() > 10 * KiB, true);
  // No room beside it, though it is no longer found.
  await ask(query, [kib(6)]);
  equal(await bytes() > 10 * KiB, true);
  const { value } = await slow.next();
  equal(value && value.end - value.start, 5 * KiB);
  await slow.next();
  equal(await bytes(), 0);
});

Deno.test("ResultCache.rows() stops giving kept rows to who has left", async () => {
  const { open, ask } = scripted();
  await ask(query, [Uint8Array.of(1), Uint8Array.of(2)]);
  const leaving = new AbortController();
  const rows = open(query, [], leaving.signal);
  await rows.next();
  leaving.abort();
  await rejects(rows.next(), { code: "CANCELLED" });
  deepEqual(await ask(query), [[1], [2]]);
});

Deno.test("ResultCache.clear() drops all, and what is being read is not kept", async () => {
  const { cache, open, ask, bytes, entries, reads } = scripted();
  await ask(query);
  const under = open(others[0]![1]);
  await under.next();
  cache.clear();
  await under.next();
  deepEqual([await entries(), await bytes()], [0, 0]);
  await ask(query);
  equal(reads(), 3);
});

Deno.test("ResultCache lets go of what is too old, though nobody asks for it again", async () => {
  const { ask, clock, entries } = scripted({ seconds: 10 });
  for (let n = 0; n < 5; n++) await ask({ ...query, role: `role ${n}` });
  equal(await entries(), 5);
  clock.ms += 10_000;
  await ask(query);
  equal(await entries(), 1);
});

Deno.test("ResultCache counts hits and misses", async () => {
  const { ask, hits, misses } = scripted();
  await ask(query);
  await ask(query);
  await ask(query);
  await ask(others[0]![1]);
  deepEqual([await hits(), await misses()], [2, 2]);
});
