/** The sink of searched events as it runs, within a test, on either store. */

import { readElasticsearchUrl } from "../../lib/elasticsearch/url.ts";
import { AppError } from "../../lib/errors.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { runElasticsearch } from "../../sinks/elasticsearch.ts";
import type { ElasticsearchState } from "../../sinks/elasticsearch_state.ts";
import { openSearchIndex, type SearchSettings } from "../../sinks/search_place.ts";
import { testElasticsearch } from "../services/elasticsearch.ts";

/** No event of a test is too old. */
const retentionDays = 36_500;

/** A store with nothing in it. */
export interface SearchPlace {
  readonly settings: SearchSettings;
  /** What the program is told, so that it uses the same. */
  readonly env: Readonly<Record<string, string>>;
  /** All that it has is gone, as by a mishap; while no sink works on it. */
  lose(): Promise<void>;
  remove(): Promise<void>;
}

/** The stores, by what they are called. */
export const SEARCH_PLACES: Readonly<Record<string, () => Promise<SearchPlace>>> = {
  Elasticsearch: async () => {
    const url = (await testElasticsearch()).url();
    const elasticsearch = readElasticsearchUrl(url);
    const { base, prefix } = elasticsearch;
    const remove = async () => {
      const found = await fetch(`${base}/_cat/indices/${prefix}fraiseql-events-*?h=index`);
      for (const name of (await found.text()).split("\n").filter((name) => name !== "")) {
        await (await fetch(`${base}/${name}`, { method: "DELETE" })).body?.cancel();
      }
    };
    return {
      settings: { kind: "elasticsearch", elasticsearch, columns: [], retentionDays },
      env: { FRAISEQL_ELASTICSEARCH_URL: url, FRAISEQL_SINKS: "elasticsearch" },
      lose: remove,
      remove,
    };
  },
  "the embedded search": async () => {
    const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-search-" });
    const folder = `${dataDir}/search`;
    return {
      settings: { kind: "embedded", folder, columns: [], retentionDays },
      env: { FRAISEQL_DATA_DIR: dataDir, FRAISEQL_SINKS: "elasticsearch" },
      async lose() {
        for await (const { name } of Deno.readDir(folder)) {
          if (name.startsWith("fraiseql-events-")) await Deno.remove(`${folder}/${name}`);
        }
      },
      remove: () => Deno.remove(dataDir, { recursive: true }),
    };
  },
};

export interface Searching {
  readonly states: ElasticsearchState[];
  readonly lines: string[];
  /** Waits for the condition; throws what ended the run before. */
  until(condition: () => boolean | Promise<boolean>): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a sink within this process, on that account and that store. */
export function searching(
  { url, limits: some }: { readonly url: string; readonly limits: Limits },
  search: SearchSettings,
): Searching {
  const stopping = new AbortController();
  const states: ElasticsearchState[] = [];
  const lines: string[] = [];
  const ended = runElasticsearch({
    nats: readNatsUrl(url),
    search,
    limits: limits({ ...some, retryWaitMsMax: 200, searchFlushMsMax: 20 }),
    log: createLog("info", (line) => void lines.push(line)),
    onState: (state) => void states.push(state),
    signal: stopping.signal,
  });
  let failure: { readonly error: unknown } | null = null;
  ended.catch((error) => failure = { error });
  return {
    states,
    lines,
    async until(condition) {
      while (!await condition()) {
        if (failure) throw failure.error;
        await new Promise((done) => setTimeout(done, 30));
      }
    },
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** How many events a store has; 0 while there is none. */
export async function countStored(settings: SearchSettings): Promise<number> {
  const index = openSearchIndex(settings, limits());
  try {
    const sums = await index.sums(0, new AbortController().signal);
    return sums.reduce((all, { count }) => all + count, 0);
  } catch (error) {
    if (error instanceof AppError && error.code === "UNAVAILABLE") return 0;
    throw error;
  } finally {
    await index.close();
  }
}
