/** The place of a hit as a text that clients keep and give back, like the cursors of connections. */

import { createHash } from "node:crypto";
import { AppError } from "../errors.ts";
import type { SearchHit, SearchQuery } from "../search/store.ts";
import { cursorParts } from "./cursors.ts";
import { short } from "./scalars.ts";

type Ordered = Pick<SearchQuery, "order" | "terms">;
type Place = SearchHit["place"];

/** The cursor of a hit. */
export function searchCursor(query: Ordered, place: Place): string {
  const json = JSON.stringify([searchDigest(query), ...place]);
  return new TextEncoder().encode(json).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The place that a cursor of the same order names; `BAD_INPUT` for anything else. */
export function readSearchCursor(text: string, query: Ordered): Place {
  const [digest, ...place] = cursorParts(text);
  const isPlace = place.every((part) => typeof part === "string" || typeof part === "number");
  if (digest === searchDigest(query) && isPlace) return place as Place;
  throw new AppError("BAD_INPUT", `after: ${short(text)} is no cursor of this search and order`, {
    hint: "give a cursor that searchEvents gave with the same orderBy",
  });
}

/** By relevance each search has an order of its own; by time all have the same. */
function searchDigest({ order, terms }: Ordered): string {
  const text = JSON.stringify(["search", order, ...order === "relevance" ? terms : []]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 8);
}
