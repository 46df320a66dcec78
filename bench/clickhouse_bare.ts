/** The least that an insert can be: a request with the bytes, and its answer. */

import { post } from "../lib/clickhouse/post.ts";
import { EVENTS_DATA } from "../lib/clickhouse/tables.ts";
import type { ClickhouseSettings } from "../lib/clickhouse/url.ts";

/** Inserts an Arrow stream with the settings of the sink; throws what ClickHouse says. */
export async function insertBare(
  { origin, user, password, database }: ClickhouseSettings,
  pieces: readonly Uint8Array[],
  token: string,
): Promise<void> {
  const url = new URL(origin);
  url.searchParams.set("query", `INSERT INTO ${database}.${EVENTS_DATA} FORMAT ArrowStream`);
  url.searchParams.set("async_insert", "0");
  url.searchParams.set("insert_deduplicate", "1");
  url.searchParams.set("insert_deduplication_token", token);
  const headers = { "X-ClickHouse-User": user, "X-ClickHouse-Key": password };
  const answer = await post(url, { headers, pieces, signal: AbortSignal.timeout(60_000) });
  const said = await answer.text();
  if (!answer.ok || said !== "") throw new Error(`${answer.status}: ${said}`);
}
