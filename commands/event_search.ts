/** Where the query path searches events: the Elasticsearch that is named, or the store of `serve`. */

import type { Config } from "../lib/config.ts";
import type { SearchProvider } from "../lib/query/search_read.ts";
import { openSearchStore } from "../sinks/search_place.ts";
import { searchSettings } from "./search.ts";

/**
 * Null where no Elasticsearch is named and `serve` fills no store of its own: the schema then has no
 * search. Nothing is opened before the first search; who asks for it closes it.
 */
export function searchProviderOf(config: Config): SearchProvider | null {
  const isEmbedded = config.topology === "full" && config.sinks.includes("elasticsearch");
  if (config.elasticsearchUrl === null && !isEmbedded) return null;
  const { searchColumns: columns, limits } = config;
  return { store: openSearchStore(searchSettings(config), limits), columns };
}
