/**
 * Elasticsearch and the sink are killed at random moments while events come, and Elasticsearch has too
 * much to do in between. More kills, other moments: FRAISEQL_TEST_SEED=7 FRAISEQL_TEST_KILLS=20.
 */

import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { openElasticsearchIndex } from "../../lib/elasticsearch/event_index.ts";
import { readElasticsearchUrl } from "../../lib/elasticsearch/url.ts";
import { listDead } from "../../lib/events/dead.ts";
import { eventHash } from "../../lib/events/event_sums.ts";
import { limits } from "../../lib/limits.ts";
import { elasticsearchLag } from "../../sinks/elasticsearch_lag.ts";
import { events } from "../lib/events/events.ts";
import { randomOf } from "../lib/random.ts";
import { type Program, run } from "../serve/serve.ts";
import { startElasticsearchNode } from "../services/elasticsearch_node.ts";
import { testNats } from "../services/nats.ts";
import { Bridged } from "./bridged.ts";
import { startBusyElasticsearch } from "./busy_elasticsearch.ts";

await testNats();

const kills = Number(Deno.env.get("FRAISEQL_TEST_KILLS") ?? 5);

Deno.test(`sink elasticsearch loses no event and has none twice through ${kills} kills of Elasticsearch`, async () => {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql-kills-" });
  const random = randomOf(Number(Deno.env.get("FRAISEQL_TEST_SEED") ?? 1));
  let node = await startElasticsearchNode({ folder });
  const { port, url } = node;
  const busy = startBusyElasticsearch(url, random);
  const settings = readElasticsearchUrl(url);
  const index = openElasticsearchIndex({
    settings,
    columns: [],
    retentionDays: 36_500,
    limits: limits(),
  });
  await Bridged.run(async (bridged) => {
    const env = {
      FRAISEQL_NATS_URL: bridged.url,
      FRAISEQL_ELASTICSEARCH_URL: busy.url,
      FRAISEQL_EVENT_RETENTION_DAYS: "36500",
      FRAISEQL_LOG_LEVEL: "error",
      FRAISEQL_LIMITS_RETRY_WAIT_MS_MAX: "500",
      // Small requests, so that there are many moments to be killed at.
      FRAISEQL_LIMITS_PULL_MESSAGES_MAX: "3",
    };
    let program: Program = run(["sink", "elasticsearch"], env);
    await program.said(/at work/);
    let [published, isOver] = [0, false];
    const publishing = (async () => {
      while (!isOver || published < eventsMin) {
        await bridged.publish(events(published, published + 200));
        published += 200;
        await delay(400 * random());
      }
    })();
    for (let n = 0; n < kills; n++) {
      await delay(300 + random() * 1500);
      await node.kill();
      if (n % 2 === 1) {
        program.signal("SIGKILL");
        await program.ended;
        program = run(["sink", "elasticsearch"], env);
        await program.said(/at work|waiting/);
      }
      node = await startElasticsearchNode({ folder, port });
    }
    isOver = true;
    await publishing;
    while ((await elasticsearchLag(bridged.nats))?.messages !== 0) {
      await delay(100);
      if (program.stderr().includes("fraiseql:")) throw new Error(program.stderr());
    }
    const { signal } = new AbortController();
    const all = events(0, published);
    const hash = all.reduce((sum, { id }) => BigInt.asUintN(64, sum + eventHash(id)), 0n);
    deepEqual(await index.sums(0, signal), [
      { entityType: "Order", hour: "2026-01-01T00", count: all.length, hash },
    ]);
    const counted = await (await fetch(`${url}/fraiseql-events-*/_count`)).json();
    equal(counted.count, all.length);
    deepEqual(await Array.fromAsync(listDead(bridged.nats, {}, 10)), [], "nothing was given up");
    for (const [fault, times] of Object.entries(busy.faults)) ok(times > 0, `it met ${fault}`);
    equal(await program.stop(), 0, program.stderr());
  });
  await index.close();
  await busy.stop();
  await node.stop();
  await Deno.remove(folder, { recursive: true });
});

const eventsMin = 10_000;
