/** The suite of every store on a server that Elasticsearch's words are spoken to. */

import { connectElasticsearch } from "../../../lib/elasticsearch/client.ts";
import { openElasticsearchIndex } from "../../../lib/elasticsearch/event_index.ts";
import { openElasticsearchSearch } from "../../../lib/elasticsearch/event_search.ts";
import { dropElasticsearch } from "../../../lib/elasticsearch/migrate.ts";
import { sweepIndices } from "../../../lib/elasticsearch/sweep.ts";
import { readElasticsearchUrl } from "../../../lib/elasticsearch/url.ts";
import { limits } from "../../../lib/limits.ts";
import { testSearch } from "../../contracts/search.ts";
import { soon } from "./opened.ts";

/** Runs it; `url` gives names that no other test has. */
export function testElasticsearchContract(name: string, url: () => string): void {
  testSearch(name, {
    make(columns, retentionDays) {
      const settings = readElasticsearchUrl(url());
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
        index: {
          ...index,
          // One with lifecycle policies removes old months by them, whatever time we say it is.
          sweep: (now, signal) => sweepIndices(elasticsearch, now, retentionDays, signal),
        },
        store,
        async close() {
          await dropElasticsearch(elasticsearch, soon());
          elasticsearch.close();
          await index.close();
          await store.close();
        },
      });
    },
  });
}
