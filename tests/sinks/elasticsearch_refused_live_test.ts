/** Events that Elasticsearch refuses or that change their types, from PostgreSQL to the dead letters. */

import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { mappingsOf } from "../../lib/elasticsearch/documents.ts";
import { namesWith } from "../../lib/elasticsearch/names.ts";
import { listDead } from "../../lib/events/dead.ts";
import { limits } from "../../lib/limits.ts";
import type { SearchCondition, Term } from "../../lib/search/store.ts";
import { elasticsearchLag } from "../../sinks/elasticsearch_lag.ts";
import { openSearchStore } from "../../sinks/search_place.ts";
import { run } from "../commands/program.ts";
import { Observed } from "../lib/observer/observed.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";
import { testNats } from "../services/nats.ts";
import { testPostgres } from "../services/postgres.ts";
import { SEARCH_PLACES, searching } from "./searching.ts";

const server = await testPostgres();
await testNats();
await testElasticsearch();

const table = { sql: "create table t (id int primary key, v jsonb)", tables: ["t"] };
/** Every hundredth is nested too deeply for the index; the others are of every type in turn. */
const rows = `insert into t select n, case when n % 100 = 0
  then '{"a":{"b":{"c":{"d":{"word":"deeply"}}}}}'::jsonb
  else (array['1', '"one"', 'true', '[1,"one"]', '{"one":1}', '{"one":{"two":"2"}}', '1.5e300']
    )[n % 7 + 1]::jsonb end
  from generate_series(1, 100000) n`;

Deno.test("of 100,000 events those that Elasticsearch refuses are parked with its reason, all others are found, and once the cause is mended dead replay brings them in", async () => {
  const place = await SEARCH_PLACES["Elasticsearch"]!();
  const { settings } = place;
  if (settings.kind !== "elasticsearch") throw new Error("it is Elasticsearch");
  const { base, prefix } = settings.elasticsearch;
  const month = `${base}/${namesWith(prefix).index(new Date().toISOString())}`;
  const mappings = mappingsOf("elasticsearch", { columns: [], retentionDays: 90 });
  const withDepth = (levels: number) => ({
    ...mappings,
    properties: {
      ...mappings.properties,
      data: { ...mappings.properties["data"], "depth_limit": levels },
    },
  });
  await put(month, { mappings: withDepth(4) });

  await Observed.run(server, table, async (observed) => {
    const { nats, natsUrl: url } = observed;
    const env = { ...place.env, DATABASE_URL: observed.url, FRAISEQL_NATS_URL: url };
    const parked = () => Array.fromAsync(listDead(nats, { worker: "elasticsearch" }, 2000));
    const store = openSearchStore(settings, limits());
    const found = async (terms: readonly Term[], condition: SearchCondition | null = null) => {
      const query = { terms, condition, order: "newest", first: 1, after: null } as const;
      const { signal } = new AbortController();
      return (await store.search({ ...query, wantsTotal: true }, { signal, secondsMax: 60 })).total;
    };
    const sink = searching({ url, limits: observed.limits }, settings);
    try {
      await observed.query(rows);
      await observed.publishAll();
      await sink.until(async () => (await elasticsearchLag(nats))?.messages === 0);
      const dead = await parked();
      equal(dead.length, 1000);
      equal(new Set(dead.map(({ eventId }) => eventId)).size, 1000);
      for (const { reason, entityType } of dead) {
        match(reason, /maximum depth limit of \[4\]/);
        equal(entityType, "t");
      }
      const differing = await run(["verify"], env);
      equal(differing.code, 1);
      match(differing.stdout, /100000 events of the last 90 days, 99000 in .*: NOT the same\n$/);
      equal(await found([]), 99_000);
      equal(await found([{ kind: "word", word: "one" }]), await count("%7 in (1, 3)"));
      const two: SearchCondition = { kind: "path", path: ["v", "one", "two"], values: ["2"] };
      equal(await found([], two), await count("%7 = 5"));
      equal(await found([{ kind: "word", word: "deeply" }]), 0);

      await put(`${month}/_mapping`, withDepth(20));
      const replayed = await run(["dead", "replay", "--worker", "elasticsearch"], env);
      equal(replayed.code, 0, replayed.stderr);
      const agreed = await run(["verify"], env);
      equal(agreed.code, 0, agreed.stdout);
      match(agreed.stdout, /100000 events of the last 90 days, 100000 in .*: the same\n$/);
      deepEqual(await parked(), []);
      equal(await found([{ kind: "word", word: "deeply" }]), 1000);
    } finally {
      await sink.stop();
      await store.close();
    }

    async function count(condition: string): Promise<number> {
      const [row] = await observed.query(
        `select count(*) from t where id%100 <> 0 and id${condition}`,
      );
      return Number(row?.[0]);
    }
  });
  await place.remove();
});

async function put(url: string, body: unknown): Promise<void> {
  const answer = await fetch(url, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
}
