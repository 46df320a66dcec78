/** The store of searched events that the configuration names, or the embedded one of the data folder. */

import { join, resolve } from "node:path";
import type { Config } from "../lib/config.ts";
import { readElasticsearchUrl } from "../lib/elasticsearch/url.ts";
import type { SearchSettings } from "../sinks/search_place.ts";

/** How it is reached. */
export function searchSettings(config: Config): SearchSettings {
  const { elasticsearchUrl: url, searchColumns: columns, eventRetentionDays } = config;
  const common = { columns, retentionDays: eventRetentionDays };
  if (url === null) return { ...common, kind: "embedded", folder: searchFolder(config) };
  const elasticsearch = readElasticsearchUrl(url, {
    apiKey: config.elasticsearchApiKey,
    user: config.elasticsearchUser,
    password: config.elasticsearchPassword,
    ca: config.elasticsearchCa,
  });
  return { ...common, kind: "elasticsearch", elasticsearch };
}

/** Where the embedded store has its files. */
export function searchFolder({ dataDir }: Pick<Config, "dataDir">): string {
  return join(resolve(dataDir), "search");
}
