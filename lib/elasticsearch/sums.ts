/** What Elasticsearch holds, by hour and type: for `verify`. */

// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import { eventHash, EventSums } from "../events/event_sums.ts";
import { AppError } from "../errors.ts";
import type { StoredSum } from "../search/store.ts";
import type { Elasticsearch } from "./client.ts";
import { namesWith } from "./names.ts";

interface Page {
  readonly _scroll_id?: string;
  readonly _shards: { readonly failed: number };
  readonly timed_out: boolean;
  readonly hits: { readonly hits: readonly Hit[] };
}

interface Hit {
  readonly _id: string;
  readonly fields?: {
    readonly entity_type?: readonly string[];
    readonly micros?: readonly number[];
  };
}

/**
 * Reads id, type and time of every event from that time on, and sums them here: the sums are then of
 * what is there, and not of what we once wrote beside it. Sees all that was written before.
 */
export async function sumIndices(
  elasticsearch: Elasticsearch,
  fromMicros: number,
  signal: AbortSignal,
): Promise<StoredSum[]> {
  const { pattern, template } = namesWith(elasticsearch.settings.prefix);
  const refreshed = await elasticsearch.json<{ readonly _shards: { readonly total: number } }>(
    "POST",
    `/${pattern}/_refresh`,
    { signal },
  );
  if (refreshed._shards.total === 0) await refuseMissing(elasticsearch, template, signal);
  const sums = new EventSums();
  let page = await elasticsearch.json<Page>(
    "POST",
    `/${pattern}/_search?scroll=${keptFor}&${noParts}`,
    { body: firstPage(fromMicros), signal },
  );
  try {
    while (page.hits.hits.length > 0) {
      // Asked for before this page is looked at, so that both sides work at once.
      const next = elasticsearch.json<Page>("POST", "/_search/scroll", {
        body: { scroll: keptFor, scroll_id: page._scroll_id },
        signal,
      });
      next.catch(() => {}); // thrown where it is awaited
      addPage(sums, page);
      page = await next;
    }
    refusePart(page);
  } finally {
    // Best effort: it ends by itself, and the signal may be why we are here.
    await elasticsearch.json("DELETE", "/_search/scroll", { body: { scroll_id: page._scroll_id } })
      .catch(() => {});
  }
  return sums.keys().map((key) => {
    const { count, hash } = sums.get(key);
    const space = key.indexOf(" ");
    return { hour: key.slice(0, space), entityType: key.slice(space + 1), count, hash };
  });
}

const keptFor = "2m";
const noParts = "allow_partial_search_results=false";
/** As many as Elasticsearch gives at once by default. */
const pageRows = 10_000;

function firstPage(fromMicros: number) {
  return {
    size: pageRows,
    sort: ["_doc"],
    _source: false,
    docvalue_fields: ["entity_type", "micros"],
    query: { range: { micros: { gte: fromMicros } } },
  };
}

function addPage(sums: EventSums, page: Page): void {
  refusePart(page);
  for (const { _id: id, fields } of page.hits.hits) {
    const [micros] = fields?.micros ?? [];
    const [entityType] = fields?.entity_type ?? [];
    if (micros === undefined || entityType === undefined) continue; // not of ours
    sums.add(entityType, hourOf(micros), 1, eventHash(id));
  }
}

function refusePart(page: Page): void {
  if (!page.timed_out && page._shards.failed === 0) return;
  throw new AppError("UNAVAILABLE", "Elasticsearch gave a part of its events only");
}

function hourOf(micros: number): string {
  return new Date(Math.floor(micros / 1000)).toISOString().slice(0, "2026-01-01T00".length);
}

/** Without a template there was never an event; with it there is none yet. */
export async function refuseMissing(
  elasticsearch: Elasticsearch,
  template: string,
  signal: AbortSignal,
): Promise<void> {
  if (await elasticsearch.find(`/_index_template/${template}`, { signal }) !== null) return;
  throw new AppError("UNAVAILABLE", `Elasticsearch has no ${template}`, {
    hint: "run fraiseql migrate",
  });
}
