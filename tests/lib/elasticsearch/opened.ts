/** An Elasticsearch for one test: names that no other has, removed at its end. */

import { connectElasticsearch, type Elasticsearch } from "../../../lib/elasticsearch/client.ts";
import { openElasticsearchIndex } from "../../../lib/elasticsearch/event_index.ts";
import { openElasticsearchSearch } from "../../../lib/elasticsearch/event_search.ts";
import { dropElasticsearch } from "../../../lib/elasticsearch/migrate.ts";
import { type Names, namesWith } from "../../../lib/elasticsearch/names.ts";
import {
  type ElasticsearchSettings,
  readElasticsearchUrl,
} from "../../../lib/elasticsearch/url.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import type { SearchIndex, SearchStore } from "../../../lib/search/store.ts";
import { query } from "../../contracts/search_events.ts";

/** Nothing takes so long; what hangs tells where. */
export const soon = () => AbortSignal.timeout(60_000);

export interface OpenedOptions {
  /** As `testElasticsearch().url()` gives it. */
  readonly url: string;
  readonly settings?: Partial<ElasticsearchSettings>;
  readonly columns?: readonly string[];
  readonly retentionDays?: number;
  readonly limits?: Partial<Limits>;
}

/** Both sides of it, and a client for whatever else is asked. */
export class Opened {
  readonly index: SearchIndex;
  readonly store: SearchStore;
  readonly client: Elasticsearch;
  readonly names: Names;
  readonly settings: ElasticsearchSettings;

  constructor(options: OpenedOptions) {
    const { url, columns = [], retentionDays = 90 } = options;
    const some = limits(options.limits);
    const straight = readElasticsearchUrl(url);
    this.settings = { ...straight, ...options.settings };
    this.index = openElasticsearchIndex({
      settings: this.settings,
      columns,
      retentionDays,
      limits: some,
    });
    this.store = openElasticsearchSearch({ settings: this.settings, limits: some });
    this.client = connectElasticsearch(straight, limits());
    this.names = namesWith(straight.prefix);
  }

  /** How many events are found once all that was written is to be seen. */
  async count(): Promise<number> {
    await this.client.json("POST", `/${this.names.pattern}/_refresh`, { signal: soon() });
    const page = await this.store.search(query([], { first: 0 }), {
      signal: soon(),
      secondsMax: 60,
    });
    return page.total ?? -1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await dropElasticsearch(this.client, soon());
    this.client.close();
    await this.index.close();
    await this.store.close();
  }
}
