/** Where the query path reads events: the ClickHouse that is named, or the one that `serve` runs. */

import { type Clickhouse, connectClickhouse } from "../lib/clickhouse/client.ts";
import { eventStore } from "../lib/clickhouse/event_store.ts";
import type { Config } from "../lib/config.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import type { EventStore } from "../lib/query/event_store.ts";
import { clickhouseSettings } from "./clickhouse.ts";

/** Null where the topology has no ClickHouse and none is named: the schema then has no events. */
export function eventStoreOf(config: Config): EventStore | null {
  if (config.clickhouseUrl === null && config.topology !== "full") return null;
  let known: { readonly url: string; readonly client: Clickhouse; at: number } | null = null;
  return eventStore(async () => {
    // The embedded one may come later than its first question, and again elsewhere.
    if (known && performance.now() - known.at < knownMsMax) return known.client;
    const url = config.clickhouseUrl ?? await runningUrl(config.dataDir, "clickhouse");
    if (url === null) return null;
    const client = known?.url === url ? known.client : clickhouseOf(config, url);
    known = { url, client, at: performance.now() };
    return client;
  }, config.limits);
}

/** A look takes about a millisecond. */
const knownMsMax = 1000;

function clickhouseOf(config: Config, url: string): Clickhouse {
  const settings = clickhouseSettings(config, url);
  return connectClickhouse(settings, config.limits);
}
