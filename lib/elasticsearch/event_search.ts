/** The side of Elasticsearch that finds events. */

import { AppError } from "../errors.ts";
import type { SearchPage, SearchQuery, SearchStore } from "../search/store.ts";
import { type ClientLimits, connectElasticsearch, type Elasticsearch } from "./client.ts";
import { isLate } from "./errors.ts";
import { type FoundHits, readHits } from "./hits.ts";
import { namesWith } from "./names.ts";
import { searchBody } from "./query.ts";
import { refuseMissing } from "./sums.ts";
import type { ElasticsearchSettings } from "./url.ts";

export interface SearchStoreOptions {
  readonly settings: ElasticsearchSettings;
  readonly limits: ClientLimits;
}

/** Opens it; nothing is asked before the first search. */
export function openElasticsearchSearch({ settings, limits }: SearchStoreOptions): SearchStore {
  const elasticsearch = connectElasticsearch(settings, limits);
  return {
    async search(query, { signal, secondsMax }) {
      const found = await ask(elasticsearch, query, signal, secondsMax);
      if (found.timedOut) throw late(secondsMax);
      if (found.shards === 0) {
        await refuseMissing(elasticsearch, namesWith(settings.prefix).template, signal);
      }
      return pageOf(query, found);
    },
    close() {
      elasticsearch.close();
      return Promise.resolve();
    },
  };
}

async function ask(
  elasticsearch: Elasticsearch,
  query: SearchQuery,
  signal: AbortSignal,
  secondsMax: number,
): Promise<FoundHits> {
  const { pattern } = namesWith(elasticsearch.settings.prefix);
  // A part of what there is would be taken for all of it. The answer is not thinned out by
  // `filter_path` or `_source`: Elasticsearch would write its numbers anew.
  const path = `/${pattern}/_search?allow_partial_search_results=false`;
  const body = searchBody(query, secondsMax);
  const msMax = Math.ceil(secondsMax * 1000) + graceMs;
  try {
    return readHits(await elasticsearch.bytes("POST", path, { body, signal, msMax }));
  } catch (error) {
    if (isLate(error)) throw late(secondsMax);
    throw error;
  }
}

/** Elasticsearch keeps the time itself, and says so a little later. */
const graceMs = 1000;

function pageOf({ first, wantsTotal }: SearchQuery, { hits, total }: FoundHits): SearchPage {
  return {
    hits: hits.slice(0, first),
    total: wantsTotal ? total ?? 0 : null,
    hasMore: hits.length > first,
  };
}

function late(secondsMax: number): AppError {
  return new AppError("TIMEOUT", `the search took longer than ${secondsMax} s`, {
    hint: "ask for a shorter time or rarer words, or without total",
  });
}
