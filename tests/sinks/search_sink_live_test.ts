/** The sink of searched events on a store in memory: the contract of every sink, and what it alone does. */

import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { AppError } from "../../lib/errors.ts";
import { createLog } from "../../lib/log.ts";
import type { IndexedEvent } from "../../lib/search/store.ts";
import { indexEvents, toIndexed } from "../../sinks/indexer.ts";
import { writeEvent } from "../../lib/events/entity_event.ts";
import { SearchSink } from "../../sinks/search_sink.ts";
import { testSink } from "../contracts/sink.ts";
import { event } from "../lib/events/events.ts";
import { testNats } from "../services/nats.ts";
import { MemoryDocuments, MemoryIndex } from "./memory_index.ts";

await testNats();

/** No event of a test is too old. */
const retentionDays = 36_500;
const log = createLog("error", () => {});
const { signal } = new AbortController();

const sinkOn = (documents: MemoryDocuments) =>
  new SearchSink({
    index: new MemoryIndex(documents),
    name: "memory",
    retentionDays,
    aheadDaysMax: 366,
    log,
  });

testSink<readonly IndexedEvent[]>("SearchSink in memory", {
  kinds: ["acknowledged"],
  make() {
    const documents = new MemoryDocuments();
    documents.refusal = ({ entityId }) => entityId === "refused" ? "no" : null;
    return Promise.resolve({
      sink: () => sinkOn(documents),
      encode: (messages) => indexEvents(messages, []),
      storedIds: () => Promise.resolve([...documents.byId.keys()]),
      down: () => Promise.resolve(void (documents.isDown = true)),
      up: () => Promise.resolve(void (documents.isDown = false)),
      close: () => Promise.resolve(),
    });
  },
  refused: (n) => event(n, { entityId: "refused" }),
});

function indexed(n: number, timestamp: string): IndexedEvent {
  const line = new TextEncoder().encode(writeEvent(event(n, { timestamp })));
  const found = toIndexed(line, []);
  if (!("eventId" in found)) throw new Error(found.reason);
  return found;
}

/** So many days ago. */
const ago = (days: number) =>
  new Date(Date.now() - days * 86_400_000).toISOString().replace("Z", "000Z");

Deno.test("SearchSink leaves out and counts what is older than the retention, and names the rows of the rest", async () => {
  const documents = new MemoryDocuments();
  documents.refusal = ({ entityId }) => entityId === "3" ? "no" : null;
  const counts: number[] = [];
  const sink = new SearchSink({
    index: new MemoryIndex(documents),
    name: "memory",
    retentionDays: 90,
    aheadDaysMax: 30,
    log,
    onTooOld: (count) => counts.push(count),
  });
  const days = [91, 89, 400, 1];
  const payload = days.map((day, n) => indexed(n, ago(day)));
  deepEqual(await sink.write(payload, signal), [{ row: 3, reason: "no" }]);
  deepEqual([...documents.byId.keys()], [event(1).id]);
  deepEqual(counts, [2]);
});

Deno.test("SearchSink refuses what is further ahead than it may be, and stores what is not", async () => {
  const documents = new MemoryDocuments();
  documents.refusal = ({ entityId }) => entityId === "2" ? "no" : null;
  const payload = [-367, -365, 1, 2].map((day, n) => indexed(n, ago(day)));
  const [first, ...others] = await sinkOn(documents).write(payload, signal);
  equal(first?.row, 0);
  equal(first?.reason, `its time is more than 366 days ahead: ${payload[0]?.timestamp}`);
  deepEqual(others, [{ row: 2, reason: "no" }]);
  deepEqual([...documents.byId.keys()], [event(1).id, event(3).id]);
});

Deno.test("SearchSink refuses no data where the store refuses the sink itself", async () => {
  const documents = new MemoryDocuments();
  const sink = sinkOn(documents);
  for (const code of ["UNAUTHENTICATED", "FORBIDDEN", "BAD_INPUT", "INTERNAL"] as const) {
    documents.fault = new AppError(code, "not you", { hint: "ask" });
    const payload = [indexed(1, ago(1))];
    await rejects(sink.write(payload, signal), { code: "UNAVAILABLE", message: "not you" });
  }
});

Deno.test("SearchSink sweeps once it is connected, and tells which months are gone", async () => {
  const documents = new MemoryDocuments();
  documents.oldMonths.push("2020.01");
  const lines: string[] = [];
  const swept = Promise.withResolvers<void>();
  const sink = new SearchSink({
    index: new MemoryIndex(documents),
    name: "memory",
    retentionDays,
    aheadDaysMax: 366,
    log: createLog("info", (line) => {
      lines.push(line);
      swept.resolve();
    }),
  });
  await sink.connect(signal);
  await sink.connect(signal);
  await swept.promise;
  await sink.close();
  equal(lines.length, 1);
  equal(lines[0]?.includes("2020.01"), true);
  equal(documents.sweeps, 1);
});
