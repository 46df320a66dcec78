/** A search as plain data: what `plan_search.ts` makes of a field and `search_rows.ts` reads. */

import type { SearchColumn } from "../search_columns.ts";
import type { SearchQuery, SearchStore } from "../search/store.ts";
import type { EdgeSelection, PageSelection } from "./read_plan.ts";

/** Where events are searched. */
export interface SearchProvider {
  readonly store: SearchStore;
  /** The numbers that its conditions can compare. */
  readonly columns: readonly SearchColumn[];
}

export interface SearchRead {
  readonly query: Omit<SearchQuery, "wantsTotal">;
  readonly selection: readonly SearchSelection[];
}

export type SearchSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "total"; readonly name: string }
  | { readonly kind: "edges"; readonly name: string; readonly parts: readonly HitSelection[] }
  | { readonly kind: "pageInfo"; readonly name: string; readonly parts: readonly PageSelection[] };

export type HitSelection =
  | EdgeSelection
  | {
    readonly kind: "highlights";
    readonly name: string;
    readonly parts: readonly HighlightSelection[];
  };

export type HighlightSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "path" | "text"; readonly name: string };
