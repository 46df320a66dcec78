/** The side of Elasticsearch that finds events. */

// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import { abortError, AppError, type ErrorCode } from "../errors.ts";
import type {
  SearchHit,
  SearchOptions,
  SearchPage,
  SearchQuery,
  SearchStore,
} from "../search/store.ts";
import { pause } from "../waiting.ts";
import {
  type ClientLimits,
  connectElasticsearch,
  type Elasticsearch,
  noElasticsearch,
  readAnswer,
} from "./client.ts";
import { answerFault, isLate } from "./errors.ts";
import { type FoundHits, readHits } from "./hits.ts";
import { namesWith } from "./names.ts";
import { type Clause, relevanceBody, timeBodies } from "./query.ts";
import { refuseMissing } from "./sums.ts";
import type { ElasticsearchSettings } from "./url.ts";

export interface SearchStoreOptions {
  readonly settings: ElasticsearchSettings;
  readonly limits: ClientLimits;
}

/** Opens it; nothing is asked before the first search. */
export function openElasticsearchSearch({ settings, limits }: SearchStoreOptions): SearchStore {
  const elasticsearch = connectElasticsearch(settings, limits);
  const { template } = namesWith(settings.prefix);
  return {
    async search(query, options) {
      const asker = new Asker(elasticsearch, options);
      const isByTime = query.order !== "relevance";
      try {
        const found = await (isByTime ? byTime(asker, query) : byRelevance(asker, query));
        if (found.shards === 0) await refuseMissing(elasticsearch, template, options.signal);
        return found.page;
      } catch (error) {
        throw asSearched(error);
      }
    },
    close() {
      elasticsearch.close();
      return Promise.resolve();
    },
  };
}

/**
 * Who searches is not who is refused: that is this program. Nor are they told which user it is, which
 * stands in Elasticsearch's reason; the sink's log has it.
 */
function asSearched(error: unknown): unknown {
  if (!(error instanceof AppError) || !ofOurs.includes(error.code)) return error;
  const { status } = answerFault(error);
  const { hint } = error;
  return new AppError("UNAVAILABLE", `Elasticsearch answered a search with ${status}`, {
    ...hint !== undefined && { hint },
    cause: error,
  });
}

const ofOurs: readonly ErrorCode[] = ["UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"];

/** A page, and how many parts of indices were looked at. */
interface Found {
  readonly shards: number;
  readonly page: SearchPage;
}

async function byTime(asker: Asker, query: SearchQuery): Promise<Found> {
  const { first, wantsTotal } = query;
  const bodies = timeBodies(query);
  const [times, counted] = await bothEnded(
    asker.json<Times>(bodies.times),
    wantsTotal ? asker.json<Counted>(bodies.count) : Promise.resolve(null),
  );
  const found = times.hits.hits;
  const last = found.at(-1)?.sort[0];
  // What came since is beyond the page, or on it.
  const hits = last === undefined || first === 0 ? [] : await asker.hits(bodies.page(last));
  return {
    shards: times._shards.total,
    page: {
      hits: hits.slice(0, first),
      total: counted?.hits.total.value ?? null,
      hasMore: Math.max(hits.length, found.length) > first,
    },
  };
}

interface Times {
  readonly _shards: { readonly total: number };
  readonly hits: { readonly hits: readonly { readonly sort: readonly [number] }[] };
}

interface Counted {
  readonly hits: { readonly total: { readonly value: number } };
}

async function byRelevance(asker: Asker, query: SearchQuery): Promise<Found> {
  const { hits, total, shards } = await asker.found(relevanceBody(query));
  return {
    shards,
    page: {
      hits: hits.slice(0, query.first),
      total: query.wantsTotal ? total : null,
      hasMore: hits.length > query.first,
    },
  };
}

/** Asks for one search, in several steps, within the time that it has. */
class Asker {
  readonly #endMs: number;
  /** Until then it is asked again where a part of an index cannot be asked. */
  readonly #shardsMs = performance.now() + shardsWaitMs;

  constructor(
    private readonly elasticsearch: Elasticsearch,
    private readonly options: SearchOptions,
  ) {
    this.#endMs = performance.now() + options.secondsMax * 1000;
  }

  async found(body: Clause): Promise<FoundHits> {
    const found = readHits(await this.#bytes(body));
    if (found.timedOut) throw this.#late();
    return found;
  }

  async hits(body: Clause): Promise<readonly SearchHit[]> {
    return (await this.found(body)).hits;
  }

  async json<Answer>(body: Clause): Promise<Answer> {
    const { base } = this.elasticsearch.settings;
    const answer = readAnswer<Answer & TimedOut>(base, await this.#bytes(body));
    if (answer.timed_out) throw this.#late();
    if (!("hits" in answer)) throw noElasticsearch(base);
    return answer;
  }

  async #bytes(body: Clause): Promise<Uint8Array> {
    const { signal } = this.options;
    const leftMs = Math.ceil(this.#endMs - performance.now());
    if (leftMs <= 0) throw this.#late();
    const { pattern } = namesWith(this.elasticsearch.settings.prefix);
    // A part of what there is would be taken for all of it. The answer is not thinned out by
    // `filter_path` or `_source`: Elasticsearch would write its numbers anew.
    const path = `/${pattern}/_search?allow_partial_search_results=false`;
    try {
      return await this.elasticsearch.bytes("POST", path, {
        body: { ...body, timeout: `${leftMs}ms` },
        signal,
        msMax: leftMs + graceMs,
      });
    } catch (error) {
      if (isLate(error)) throw this.#late();
      if (!isOfShards(error) || performance.now() > this.#shardsMs) throw error;
    }
    await pause(againMs, signal);
    if (signal.aborted) throw abortError(signal);
    return await this.#bytes(body);
  }

  #late(): AppError {
    const { secondsMax } = this.options;
    return new AppError(
      "TIMEOUT",
      `the search took longer than ${Number(secondsMax.toFixed(1))} s`,
      {
        hint: "ask for a shorter time or rarer words, or without total",
      },
    );
  }
}

interface TimedOut {
  readonly timed_out?: boolean;
}

/** Elasticsearch keeps the time itself, and says so a little later. */
const graceMs = 1000;

/** A month's index is there a moment before it can be asked, and so after a node has gone. */
const shardsWaitMs = 3000;
const againMs = 50;

function isOfShards(error: unknown): boolean {
  return error instanceof AppError && error.code === "UNAVAILABLE" &&
    answerFault(error).type === "search_phase_execution_exception";
}

/** Waits for both also where one fails, so that nothing goes on behind the back. */
async function bothEnded<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return await Promise.all([a, b]);
}
