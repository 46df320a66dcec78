/** Searches as statements: the shape of what they give, and their rows as PostgreSQL would send them. */

import type { ResultField } from "../arrow/result_field.ts";
import type { RowChunk } from "../arrow/row_chunk.ts";
import { AppError } from "../errors.ts";
import type {
  SearchHit,
  SearchOptions,
  SearchPage,
  SearchQuery,
  SearchStore,
} from "../search/store.ts";
import { BinaryRows } from "./binary_rows.ts";
import { searchCursor } from "./search_cursors.ts";
import {
  attributes,
  constant,
  edgesField,
  edgesOid,
  hitParts,
  type PageFound,
  pageInfoPart,
  type Part,
  totalPart,
} from "./search_fields.ts";
import type { SearchRead } from "./search_read.ts";

export interface SearchStatement {
  readonly source: "search";
  readonly query: SearchRead["query"];
  readonly wantsTotal: boolean;
  readonly shape: SearchShape;
}

/** One object with all hits in it, or a row for each of them. */
type SearchShape =
  | {
    readonly kind: "object";
    readonly parts: readonly (Part<PageFound> | EdgesPart)[];
  }
  | { readonly kind: "hits"; readonly parts: readonly Part<SearchHit>[] };

interface EdgesPart {
  readonly field: ResultField;
  readonly oid: number;
  readonly edges: readonly Part<SearchHit>[];
}

export interface CompiledSearch {
  readonly statement: SearchStatement;
  readonly fields: readonly ResultField[];
}

/** The search as one object, or `asHits` as the rows that Arrow has of it. */
export function compileSearch({ query, selection }: SearchRead, asHits: boolean): CompiledSearch {
  const wantsTotal = selection.some(({ kind }) => kind === "total");
  const shape = asHits ? hitsShape({ query, selection }) : objectShape({ query, selection });
  return {
    statement: { source: "search", query, wantsTotal, shape },
    fields: shape.parts.map(({ field }) => field),
  };
}

function hitsShape({ query, selection }: SearchRead): SearchShape {
  const edges = selection.flatMap((part) => part.kind === "edges" ? part.parts : []);
  return { kind: "hits", parts: hitParts(edges, query, true) };
}

function objectShape({ query, selection }: SearchRead): SearchShape {
  const parts = selection.map((part): Part<PageFound> | EdgesPart => {
    switch (part.kind) {
      case "constant":
        return constant(part);
      case "total":
        return totalPart(part.name);
      case "pageInfo":
        return pageInfoPart(part.name, part.parts);
      case "edges": {
        const edges = hitParts(part.parts, query, false);
        return { field: edgesField(part.name, edges), oid: edgesOid, edges };
      }
      default:
        return part satisfies never;
    }
  });
  return { kind: "object", parts };
}

export interface SearchRowsOptions extends SearchOptions {
  readonly rowBytesMax: number;
  /** Told of the total, where it was asked for, before the first chunk. */
  readonly found?: (total: number) => void;
}

/**
 * The rows of a search, in chunks that say `statement: 0`; the store is asked for a part of them at a
 * time. A chunk's bytes are valid until the next one is asked for.
 */
export async function* searchRows(
  statement: SearchStatement,
  store: SearchStore,
  options: SearchRowsOptions,
): AsyncGenerator<RowChunk, undefined> {
  const { shape, wantsTotal } = statement;
  const pages = hitPages(statement, store, options);
  const rows = new BinaryRows(options.rowBytesMax);
  if (shape.kind === "object") {
    yield* chunk(await objectRow(statement, shape.parts, pages, rows, options));
    return undefined;
  }
  const values = shape.parts.flatMap((part) => part.values);
  for await (const { hits, total } of pages) {
    if (wantsTotal && total !== null) options.found?.(total);
    for (const hit of hits) {
      rows.row(values.map((write) => () => write(rows, hit)));
      if (rows.byteLength >= chunkBytes) yield* chunk(rows);
    }
    yield* chunk(rows);
  }
  return undefined;
}

function* chunk(rows: BinaryRows): Generator<RowChunk> {
  const { bytes } = rows;
  if (bytes.length > 0) yield { statement: 0, bytes, start: 0, end: bytes.length };
  rows.clear();
}

/** About what is written before it is given on. */
const chunkBytes = 256 * 1024;

async function objectRow(
  { query }: SearchStatement,
  parts: readonly (Part<PageFound> | EdgesPart)[],
  pages: AsyncIterable<SearchPage>,
  rows: BinaryRows,
  { rowBytesMax, found }: SearchRowsOptions,
): Promise<BinaryRows> {
  const lists = parts.flatMap((part) =>
    "edges" in part ? { part, records: new BinaryRows(rowBytesMax) } : []
  );
  let count = 0;
  let [total, hasMore]: [number | null, boolean] = [null, false];
  let [first, last]: (SearchHit | null)[] = [null, null];
  for await (const page of pages) {
    if (page.total !== null) {
      total = page.total;
      found?.(total);
    }
    hasMore = page.hasMore;
    for (const hit of page.hits) {
      for (const { part, records } of lists) records.record(attributes(part.edges, records, hit));
      first ??= hit;
      last = hit;
    }
    count += page.hits.length;
  }
  const cursorOf = (hit: SearchHit | null | undefined) =>
    hit ? searchCursor(query, hit.place) : null;
  const page: PageFound = {
    total,
    hasMore,
    isFirst: query.after === null,
    firstCursor: cursorOf(first),
    lastCursor: cursorOf(last),
  };
  rows.row(parts.flatMap((part) => {
    if ("edges" in part) {
      const records = lists.find((list) => list.part === part)?.records;
      return () => rows.records(count, records?.bytes ?? new Uint8Array());
    }
    return part.values.map((write) => () => write(rows, page));
  }));
  return rows;
}

/** What `first` asks for, in pages that are held in memory one after the other. */
async function* hitPages(
  { query, wantsTotal, shape }: SearchStatement,
  store: SearchStore,
  { signal, secondsMax }: SearchOptions,
): AsyncGenerator<SearchPage> {
  const began = performance.now();
  // Rows without a column would be rows of nothing.
  let left = shape.kind === "hits" && shape.parts.length === 0 ? 0 : query.first;
  let { after } = query;
  let [step, most] = [firstHits, hitsAtOnceMax];
  for (let isFirst = true; isFirst || left > 0; isFirst = false) {
    const rest = secondsMax - (performance.now() - began) / 1000;
    if (rest <= 0) {
      throw new AppError("TIMEOUT", `the search took more than ${secondsMax} seconds`, {
        hint: "give a smaller first, or more conditions (limit statement_seconds_max)",
      });
    }
    const first = Math.min(left, step);
    const { page, asked } = await searchOrSmaller(
      { ...query, first, after, wantsTotal: wantsTotal && isFirst },
      store,
      { signal, secondsMax: rest },
    );
    if (asked < first) most = asked;
    yield page;
    left -= page.hits.length;
    step = Math.min(most, nextStep(page));
    const last = page.hits.at(-1);
    if (!page.hasMore || !last) return;
    after = last.place;
  }
}

/** A page with fewer hits where as many are more than the store gives at once, and how many. */
async function searchOrSmaller(
  query: SearchQuery,
  store: SearchStore,
  options: SearchOptions,
): Promise<{ readonly page: SearchPage; readonly asked: number }> {
  try {
    return { page: await store.search(query, options), asked: query.first };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "TOO_LARGE" || query.first <= 1) throw error;
    const first = Math.floor(query.first / 4) || 1;
    return await searchOrSmaller({ ...query, first }, store, options);
  }
}

/** How many hits of such a size are asked for at once. */
function nextStep({ hits }: SearchPage): number {
  const chars = hits.reduce((sum, { event }) => sum + event.data.length, 0);
  const each = Math.max(1, chars / Math.max(1, hits.length));
  return Math.max(1, Math.floor(charsAtOnce / each));
}

/** Nobody knows yet how large they are: an event may have 4 MiB. */
const firstHits = 100;
/** More at once are hardly faster. */
const hitsAtOnceMax = 1000;
/** UTF-16 units of data that are held in memory, twice for a moment. */
const charsAtOnce = 4 * 1024 * 1024;
