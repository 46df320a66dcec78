/** A search over the files of all months: pages of what each finds, in one order. */

import { AppError } from "../../errors.ts";
import type { Limits } from "../../limits.ts";
import type { SearchHit, SearchPage, SearchQuery } from "../store.ts";
import { uuidBytes, uuidText } from "./event_ids.ts";
import { type Match, matchOf } from "./match.ts";
import type { FoundRow, MonthReader } from "./month_reader.ts";
import { type Month, msOfRow } from "./months.ts";

/** Where a page ended: the hit's score for the order by relevance, else 0. */
interface Place {
  readonly score: number;
  readonly micros: number;
  readonly id: string;
}

type SearchLimits = Pick<Limits, "searchRankedMax" | "searchPageBytesMax">;

interface Found {
  readonly reader: MonthReader;
  readonly row: FoundRow;
}

/** Searches the months, which come oldest first; what is read of one stays open until the end. */
export function searchMonths(
  all: readonly Month[],
  open: (month: Month) => MonthReader | null,
  query: SearchQuery,
  { searchRankedMax, searchPageBytesMax }: SearchLimits,
): SearchPage {
  const after = query.after === null ? null : placeOf(query);
  const match = matchOf(query.terms, query.condition);
  const { fromMicros, toMicros } = match;
  const months = all.filter(({ startMs, endMs }) =>
    endMs * 1000 > fromMicros && startMs * 1000 <= toMicros
  );
  const search = new Search(query, match, after, searchRankedMax);
  let total = 0;
  for (const month of query.order === "oldest" ? months : months.toReversed()) {
    if (search.isFull && !query.wantsTotal) break;
    const reader = open(month);
    reader?.atOnce(() => {
      search.look(reader);
      if (query.wantsTotal) total += reader.count(match);
    });
  }
  const found = search.found();
  return {
    hits: hitsOf(query, found.slice(0, query.first), searchPageBytesMax),
    total: query.wantsTotal ? total : null,
    hasMore: found.length > query.first,
  };
}

/** The first of the rows behind a place, and one more, to know whether there are more. */
class Search {
  #found: Found[] = [];
  #ranked = 0;
  readonly #wanted: number;
  readonly #order: "newest" | "oldest";
  readonly #byScore: boolean;

  constructor(
    query: SearchQuery,
    private readonly match: Match,
    private readonly after: Place | null,
    /** Of more hits the newest are ranked: a score costs a look at each. */
    private readonly rankedMax: number,
  ) {
    this.#wanted = query.first + 1;
    this.#order = query.order === "oldest" ? "oldest" : "newest";
    this.#byScore = query.order === "relevance" && query.terms.length > 0;
  }

  /** No further month can have one of them. */
  get isFull(): boolean {
    return this.#byScore ? this.#ranked >= this.rankedMax : this.#found.length >= this.#wanted;
  }

  look(reader: MonthReader): void {
    if (this.isFull) return;
    if (this.#byScore) this.#lookByScore(reader);
    else this.#lookByTime(reader);
  }

  found(): readonly Found[] {
    this.#keepFirst();
    return this.#found;
  }

  /** The months come in order, and the rows in that of their milliseconds. */
  #lookByTime(reader: MonthReader): void {
    const { fromMicros, toMicros } = this.match;
    const micros = this.after?.micros;
    const isNewest = this.#order === "newest";
    let group: Found[] = [];
    let groupMs = NaN;
    for (
      const row of reader.rows({
        match: this.match,
        order: this.#order,
        fromMicros: isNewest ? fromMicros : Math.max(fromMicros, micros ?? -Infinity),
        toMicros: isNewest ? Math.min(toMicros, micros ?? Infinity) : toMicros,
        withScore: false,
        rowsMax: -1,
      })
    ) {
      const ms = msOfRow(reader.month, row.n);
      if (ms !== groupMs) {
        this.#found.push(...group.sort(this.#compare));
        if (this.isFull) return;
        [group, groupMs] = [[], ms];
      }
      if (!this.#isBehind(row)) continue;
      group.push({ reader, row });
      // One moment can have any number of events.
      if (group.length > this.#wanted + spareRows) {
        group.sort(this.#compare).length = this.#wanted;
      }
    }
    this.#found.push(...group.sort(this.#compare));
  }

  #lookByScore(reader: MonthReader): void {
    const { fromMicros, toMicros } = this.match;
    const rowsMax = this.rankedMax - this.#ranked;
    const wanted = { match: this.match, order: this.#order, withScore: true, rowsMax };
    for (const row of reader.rows({ ...wanted, fromMicros, toMicros })) {
      this.#ranked++;
      if (this.#isBehind(row)) this.#found.push({ reader, row });
      if (this.#found.length > this.#wanted + spareRows) this.#keepFirst();
    }
  }

  #keepFirst(): void {
    this.#found = this.#found.sort(this.#compare).slice(0, this.#wanted);
  }

  readonly #compare = (a: Found, b: Found): number => this.#comparePlaces(a.row, b.row);

  #isBehind(row: FoundRow): boolean {
    return this.after === null || this.#comparePlaces(row, this.after) > 0;
  }

  #comparePlaces(a: Place, b: Place): number {
    const sign = this.#order === "newest" ? -1 : 1;
    return (this.#byScore ? b.score - a.score : 0) ||
      sign * (a.micros - b.micros || (a.id < b.id ? -1 : Number(a.id > b.id)));
  }
}

/** Sorting now and then is cheaper than with each row. */
const spareRows = 1000;

function hitsOf({ order, first }: SearchQuery, found: readonly Found[], bytesMax: number) {
  let bytes = 0;
  return found.map(({ reader, row }): SearchHit => {
    const event = reader.atOnce(() => reader.event(row.n));
    bytes += event.data.length;
    if (bytes > bytesMax) {
      throw new AppError("TOO_LARGE", `${first} events have more than ${bytesMax} bytes of data`, {
        hint: "ask for fewer with first, and go on with after; or raise search_page_bytes_max",
      });
    }
    const place = [row.micros, uuidText(row.id)];
    return { event, place: order === "relevance" ? [row.score, ...place] : place };
  });
}

function placeOf({ order, after }: SearchQuery): Place {
  const place = after ?? [];
  const [score, micros, id] = order === "relevance" ? place : [0, ...place];
  const bytes = typeof id === "string" ? uuidBytes(id) : null;
  const length = order === "relevance" ? 3 : 2;
  if (
    place.length === length && bytes !== null && Number.isSafeInteger(micros) &&
    Number.isFinite(score)
  ) {
    return { score: Number(score), micros: Number(micros), id: bytes.toHex() };
  }
  throw new AppError("BAD_INPUT", "after: the search store has not given this place", {
    hint: "take after from a page of the same search, with the same order",
  });
}
