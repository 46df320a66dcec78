/** What goes between the searcher and its workers. */

import type { ErrorCode } from "../../errors.ts";
import type { SearchPage, SearchQuery } from "../store.ts";
import type { SqliteSearchOptions } from "./searcher.ts";

export type ToReader =
  | {
    readonly kind: "open";
    readonly options: SqliteSearchOptions;
    /** Holds the number of the search that is given up. */
    readonly givenUp: SharedArrayBuffer;
  }
  | {
    readonly kind: "search";
    readonly id: number;
    readonly query: SearchQuery;
    readonly secondsMax: number;
  };

export type FromReader =
  | { readonly kind: "page"; readonly id: number; readonly page: SearchPage }
  | {
    readonly kind: "failed";
    readonly id: number;
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint: string | null;
  };
