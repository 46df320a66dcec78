/** What every store must hold to, on a real Elasticsearch. */

import { deepStrictEqual as equal, rejects } from "node:assert/strict";
import { indexed } from "../../contracts/search_events.ts";
import { testElasticsearch } from "../../services/elasticsearch.ts";
import { startElasticsearchProxy } from "../../services/elasticsearch_proxy.ts";
import { testElasticsearchContract } from "./contract.ts";
import { Opened, soon } from "./opened.ts";

const server = await testElasticsearch();

testElasticsearchContract("Elasticsearch", () => server.url());

/** As Elasticsearch 9 answered while the index of a new month came up. */
const noShards = () =>
  Response.json({
    error: {
      type: "search_phase_execution_exception",
      reason: "",
      caused_by: {
        type: "search_phase_execution_exception",
        reason: "Search rejected due to missing shards [[fraiseql-events-2026.11][0]].",
      },
    },
    status: 503,
  }, { status: 503 });

for (
  const [what, refusals, code] of [["a moment", 3, null], [
    "long",
    Infinity,
    "UNAVAILABLE",
  ]] as const
) {
  Deno.test(`search() of an index that cannot be asked for ${what} ${code === null ? "is asked again" : `is ${code}`}`, async () => {
    let asked = 0;
    const proxy = startElasticsearchProxy({
      target: new URL(server.url()).origin,
      answer: ({ path }) => /_search/.test(path) && asked++ < refusals ? noShards() : null,
    });
    try {
      await using opened = new Opened({ url: server.url(), settings: { base: proxy.url } });
      await opened.index.ensure(soon());
      await opened.index.write([indexed(1)], soon());
      const count = opened.count();
      if (code === null) equal([await count, asked > refusals], [1, true]);
      else await rejects(count, { code });
    } finally {
      await proxy.stop();
    }
  });
}
