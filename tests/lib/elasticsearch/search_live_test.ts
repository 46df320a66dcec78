/** What every store must hold to, on a real Elasticsearch. */

import { connectElasticsearch } from "../../../lib/elasticsearch/client.ts";
import { openElasticsearchIndex } from "../../../lib/elasticsearch/event_index.ts";
import { openElasticsearchSearch } from "../../../lib/elasticsearch/event_search.ts";
import { dropElasticsearch } from "../../../lib/elasticsearch/migrate.ts";
import { sweepIndices } from "../../../lib/elasticsearch/sweep.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import { limits } from "../../../lib/limits.ts";
import { testSearch } from "../../contracts/search.ts";
import { testElasticsearch } from "../../services/elasticsearch.ts";

const server = await testElasticsearch();

testSearch("Elasticsearch", {
  make(columns, retentionDays) {
    const settings = readElasticsearchUrl(server.url());
    const names = columns.map(({ name }) => name);
    const index = openElasticsearchIndex({
      settings,
      columns: names,
      retentionDays,
      limits: limits(),
    });
    const store = openElasticsearchSearch({ settings, limits: limits() });
    const elasticsearch = connectElasticsearch(settings, limits());
    return Promise.resolve({
      // A server with lifecycle policies removes old months by them, whatever time we say it is.
      index: {
        ...index,
        sweep: (now, signal) => sweepIndices(elasticsearch, now, retentionDays, signal),
      },
      store,
      async close() {
        await dropElasticsearch(elasticsearch, AbortSignal.timeout(60_000));
        elasticsearch.close();
        await index.close();
        await store.close();
      },
    });
  },
});
