/** How a ClickHouse is reached, whichever it is: the one named, or the embedded one. */

import { type ClickhouseSettings, readClickhouseUrl } from "../lib/clickhouse/url.ts";
import type { Config } from "../lib/config.ts";

/** What the configuration names beside the URL beats what stands in it. */
export function clickhouseSettings(
  config: Pick<Config, "clickhouseUser" | "clickhousePassword" | "clickhouseDatabase">,
  url: string,
): ClickhouseSettings {
  return readClickhouseUrl(url, {
    user: config.clickhouseUser,
    password: config.clickhousePassword,
    database: config.clickhouseDatabase,
  });
}
