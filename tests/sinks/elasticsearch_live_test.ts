/** From NATS into the store of searched events, by the sink as it runs. */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { listDead, replayDead } from "../../lib/events/dead.ts";
import { writeEvent } from "../../lib/events/entity_event.ts";
import { eventHash } from "../../lib/events/event_sums.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { limits } from "../../lib/limits.ts";
import { elasticsearchLag } from "../../sinks/elasticsearch_lag.ts";
import { openSearchIndex } from "../../sinks/search_place.ts";
import {
  elasticsearchPermissions,
  startElasticsearchSink,
} from "../../sinks/start_elasticsearch.ts";
import { event, events } from "../lib/events/events.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "./bridged.ts";
import { countStored, SEARCH_PLACES, searching, type SearchPlace } from "./searching.ts";

await testNats();
await testElasticsearch();

const { signal } = new AbortController();

for (const [name, make] of Object.entries(SEARCH_PLACES)) {
  const test = (sentence: string, work: (bridged: Bridged, place: SearchPlace) => Promise<void>) =>
    Deno.test(`runElasticsearch() on ${name} ${sentence}`, async () => {
      const place = await make();
      try {
        await Bridged.run((bridged) => work(bridged, place));
      } finally {
        await place.remove();
      }
    });

  test("stores 20,000 events, each once, and tells how far it is", async (bridged, place) => {
    const all = events(0, 20_000);
    for (let i = 0; i < all.length; i += 5000) await bridged.publish(all.slice(i, i + 5000));
    equal(await elasticsearchLag(bridged.nats), null);
    const run = searching(bridged, place.settings);
    await run.until(() => run.states.at(-1)?.events === all.length);
    await run.stop();
    const hash = all.reduce((sum, { id }) => BigInt.asUintN(64, sum + eventHash(id)), 0n);
    const index = openSearchIndex(place.settings, limits());
    deepEqual(await index.sums(0, signal), [
      { entityType: "Order", hour: "2026-01-01T00", count: all.length, hash },
    ]);
    await index.close();
    const last = run.states.at(-1);
    deepEqual([last?.kind, last?.pending, last?.lagSeconds, last?.tooOld], ["working", 0, 0, 0]);
    const lag = await elasticsearchLag(bridged.nats);
    deepEqual([lag?.messages, lag?.seconds], [0, 0]);
    await bridged.publish(events(20_000, 20_300));
    equal((await elasticsearchLag(bridged.nats))?.messages, 3);
  });

  test("takes no more at once than searchPullBytesMax", async (bridged, place) => {
    const all = events(0, 2000);
    await bridged.publish(all);
    const bytes = all.reduce((sum, event) => sum + writeEvent(event).length, 0);
    const searchPullBytesMax = 64 * 1024;
    const small = { url: bridged.url, limits: { ...bridged.limits, searchPullBytesMax } };
    const run = searching(small, place.settings);
    await run.until(() => run.states.at(-1)?.events === all.length);
    await run.stop();
    const stored = new Set(run.states.map(({ events }) => events).filter((count) => count > 0));
    ok(bytes > 3 * searchPullBytesMax);
    ok(stored.size >= bytes / searchPullBytesMax, `${[...stored]}`);
  });

  test("stores from a worker that may reach NATS and the store alone", async (bridged, place) => {
    await bridged.publish(events(0, 100));
    const { settings } = place;
    const nats = readNatsUrl(bridged.url);
    const stored = Promise.withResolvers<void>();
    const worker = startElasticsearchSink(
      { nats, search: settings, limits: bridged.limits, logLevel: "error" },
      (state) => state.events === 100 && stored.resolve(),
    );
    await Promise.race([stored.promise, worker.ended]);
    await worker.stop(10_000);
    await worker.ended;
    equal(await countStored(settings), 100);
    const { net, read = [], write = [] } = elasticsearchPermissions({ nats, search: settings });
    const isEmbedded = settings.kind === "embedded";
    const folders = isEmbedded ? [settings.folder] : [];
    const servers = isEmbedded ? [] : [new URL(settings.elasticsearch.base).host];
    deepEqual([net, read, write], [[...nats.servers, ...servers], folders, folders]);
  });

  test(
    "leaves out and counts what is too old, and parks what is no event",
    async (bridged, place) => {
      const now = new Date().toISOString().replace("Z", "000Z");
      const young = event(2, { timestamp: now });
      await bridged.publishLines([[writeEvent(event(1)), "no event", writeEvent(young)]]);
      const run = searching(bridged, { ...place.settings, retentionDays: 30 });
      await run.until(() => (run.states.at(-1)?.sequence ?? 0) > 0);
      await run.stop();
      equal(run.states.at(-1)?.tooOld, 1);
      equal(await countStored(place.settings), 1);
      const dead = await Array.fromAsync(listDead(bridged.nats, { worker: "elasticsearch" }, 10));
      deepEqual(dead.map(({ reason }) => reason), ["no JSON object"]);
    },
  );

  test("takes what is replayed to it", async (bridged, place) => {
    await bridged.publishLines([["no event"]]);
    const run = searching(bridged, place.settings);
    const parked = () => Array.fromAsync(listDead(bridged.nats, { worker: "elasticsearch" }, 10));
    await run.until(async () => (await parked()).length > 0);
    const [dead] = await parked();
    if (!dead) throw new Error("it was parked");
    const data = new TextEncoder().encode(writeEvent(event(1)));
    await replayDead(bridged.nats, { ...dead, data });
    await run.until(async () => await countStored(place.settings) === 1);
    await run.stop();
    deepEqual(await parked(), []);
  });

  test("has nothing twice where the stream was made anew", async (bridged, place) => {
    await bridged.publish(events(0, 300));
    const run = searching(bridged, place.settings);
    await run.until(async () => await countStored(place.settings) === 300);
    await bridged.makeAnew("FRAISEQL_EVENTS");
    await bridged.publish(events(200, 400));
    await run.until(async () => await countStored(place.settings) === 400);
    await run.stop();
  });
}
