/** The query engine over events that are searched, and nothing else. */

import { JsonDocument } from "../../../lib/http/to_json.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import type { IndexedEvent, SearchStore } from "../../../lib/search/store.ts";
import { COLUMNS } from "../../contracts/search_events.ts";
import { SearchModel } from "../../contracts/search_model.ts";
import { catalogOf, NO_DATABASE, SHOP } from "./catalogs.ts";

export interface Searched<Store extends SearchStore> {
  readonly engine: QueryEngine;
  readonly store: Store;
  /** What HTTP gives as `data`. */
  // deno-lint-ignore no-explicit-any -- it has the form of the query in the test
  data(text: string, variables?: Record<string, unknown>): Promise<any>;
}

/** Over events in memory. */
export async function searchEngine(
  events: readonly IndexedEvent[],
  some: Partial<Limits> = {},
): Promise<Searched<SearchModel>> {
  const store = new SearchModel();
  await store.write(events);
  return await engineOver(store, some);
}

/** The same over any store. */
export async function engineOver<Store extends SearchStore>(
  store: Store,
  some: Partial<Limits> = {},
): Promise<Searched<Store>> {
  const engine = await openEngine({
    database: NO_DATABASE,
    readCatalog: () => Promise.resolve(catalogOf(SHOP)),
    limits: limits(some),
    unrepresentable: "error",
    views: [],
    search: { store, columns: COLUMNS },
  });
  return {
    engine,
    store,
    async data(text, variables = {}) {
      const plan = engine.plan({ text, variables });
      const document = new JsonDocument(plan.roots, "error");
      const decoder = new TextDecoder();
      let json = "";
      const take = (pieces: readonly Uint8Array[]) => {
        for (const piece of pieces) json += decoder.decode(piece, { stream: true });
      };
      const { signal } = new AbortController();
      for await (const chunk of engine.rows(plan, { signal })) take(document.push(chunk));
      take(document.end());
      return JSON.parse(json).data;
    },
  };
}
