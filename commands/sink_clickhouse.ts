/** The ClickHouse that the sink writes to, for commands that look into it. */

import { type Clickhouse, connectClickhouse } from "../lib/clickhouse/client.ts";
import type { Config } from "../lib/config.ts";
import { runningUrl } from "../lib/embedded/services_file.ts";
import { clickhouseSettings } from "./clickhouse.ts";

/** The one that is named, or the embedded one of the data folder; null where that does not run. */
export async function sinkClickhouseOf(config: Config): Promise<Clickhouse | null> {
  const url = config.clickhouseUrl ?? await runningUrl(config.dataDir, "clickhouse");
  if (url === null) return null;
  const settings = clickhouseSettings(config, url);
  return connectClickhouse(settings, config.limits);
}
