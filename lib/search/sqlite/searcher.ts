/** Searches the files of a folder, in the thread that it is called in. */

import { AppError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { SearchPage, SearchQuery } from "../store.ts";
import type { Month } from "./months.ts";
import { OpenMonths } from "./open_months.ts";
import { searchMonths } from "./search_months.ts";

export interface SqliteSearchOptions {
  /** `<data dir>/search`. */
  readonly folder: string;
  readonly limits: Pick<Limits, "searchRankedMax" | "searchPageBytesMax" | "searchReadersMax">;
}

export class Searcher {
  readonly #months: OpenMonths;
  #endMs = Infinity;
  #isGivenUp: () => boolean = () => false;

  constructor(private readonly options: SqliteSearchOptions) {
    this.#months = new OpenMonths(options.folder, () => this.#check());
  }

  /** One at a time. `isGivenUp` is asked with each row that is looked at. */
  async search(
    query: SearchQuery,
    secondsMax: number,
    isGivenUp: () => boolean,
  ): Promise<SearchPage> {
    this.#isGivenUp = isGivenUp;
    this.#endMs = performance.now() + secondsMax * 1000;
    try {
      const months = await this.#months.months();
      const open = (month: Month) => this.#months.reader(month);
      const page = searchMonths(months, open, query, this.options.limits);
      this.#check(); // it may have looked at no row
      return page;
    } catch (error) {
      // What is wrong with a file may be over when it is opened again.
      if (!(error instanceof AppError) || error.code === "UNAVAILABLE") this.#months.close();
      throw error;
    }
  }

  #check(): void {
    if (this.#isGivenUp()) throw new AppError("CANCELLED", "the search was given up");
    if (performance.now() > this.#endMs) {
      throw new AppError("TIMEOUT", "the search took longer than its deadline");
    }
  }

  close(): void {
    this.#months.close();
  }
}
