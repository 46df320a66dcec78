/** Which of the two stores of searched events there is, and the ways to it. */

import { openElasticsearchIndex } from "../lib/elasticsearch/event_index.ts";
import { openElasticsearchSearch } from "../lib/elasticsearch/event_search.ts";
import type { ElasticsearchSettings } from "../lib/elasticsearch/url.ts";
import type { Limits } from "../lib/limits.ts";
import type { SearchColumn } from "../lib/search_columns.ts";
import type { SearchIndex, SearchStore } from "../lib/search/store.ts";
import { sqliteIndex } from "../lib/search/sqlite/sqlite_index.ts";
import { openSqliteSearch } from "../lib/search/sqlite/sqlite_search.ts";

/** Plain data: it goes to a worker. */
export type SearchSettings =
  & {
    readonly columns: readonly SearchColumn[];
    readonly retentionDays: number;
  }
  & (
    | { readonly kind: "elasticsearch"; readonly elasticsearch: ElasticsearchSettings }
    /** A file a month in that folder. */
    | { readonly kind: "embedded"; readonly folder: string }
  );

/** The side that is written; nothing is asked of it before it is used. */
export function openSearchIndex(settings: SearchSettings, limits: Limits): SearchIndex {
  const { retentionDays } = settings;
  const columns = settings.columns.map(({ name }) => name);
  switch (settings.kind) {
    case "elasticsearch": {
      const { elasticsearch } = settings;
      return openElasticsearchIndex({ settings: elasticsearch, columns, retentionDays, limits });
    }
    case "embedded":
      return sqliteIndex({ folder: settings.folder, columns, retentionDays });
    default:
      return settings satisfies never;
  }
}

/** The side that is searched; nothing is asked of it before it is used. */
export function openSearchStore(settings: SearchSettings, limits: Limits): SearchStore {
  switch (settings.kind) {
    case "elasticsearch":
      return openElasticsearchSearch({ settings: settings.elasticsearch, limits });
    case "embedded":
      return openSqliteSearch({ folder: settings.folder, limits });
    default:
      return settings satisfies never;
  }
}

/** As people are told of it. */
export function searchStoreName({ kind }: SearchSettings): string {
  return kind === "elasticsearch" ? "Elasticsearch" : "the embedded search";
}
