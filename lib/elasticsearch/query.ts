/** A search as Elasticsearch's query: pure, so that its text can be looked at. */

import { AppError } from "../errors.ts";
import type { SearchCondition, SearchField, SearchQuery, Term } from "../search/store.ts";
import { isFound } from "../search/values.ts";
import { pageRowsMax, valueAt } from "./documents.ts";

export type Clause = Readonly<Record<string, unknown>>;

/** The body of a search. One hit more than asked for tells whether there are more. */
export function searchBody(query: SearchQuery, secondsMax: number): Clause {
  const { first, order, after, wantsTotal } = query;
  if (first > pageRowsMax) {
    throw new AppError("BAD_INPUT", `first: ${first} is more than ${pageRowsMax}`, {
      hint: "ask for fewer, and go on behind the last one by after",
    });
  }
  return {
    query: matchOf(query),
    size: first + 1,
    sort: SORTS[order],
    ...after !== null && { search_after: placeOf(after, order) },
    // Counting all hits costs, and ends the search for the first ones late.
    track_total_hits: wantsTotal,
    timeout: `${Math.ceil(secondsMax * 1000)}ms`,
  };
}

const micros = (order: "asc" | "desc") => ({ micros: { order, unmapped_type: "long" } });
const eventId = (order: "asc" | "desc") => ({ event_id: { order, unmapped_type: "keyword" } });

const SORTS: Readonly<Record<SearchQuery["order"], readonly Clause[]>> = {
  newest: [micros("desc"), eventId("desc")],
  oldest: [micros("asc"), eventId("asc")],
  relevance: [{ _score: { order: "desc" } }, micros("desc"), eventId("desc")],
};

function placeOf(after: readonly (string | number)[], order: SearchQuery["order"]) {
  const forms = order === "relevance" ? ["number", "number", "string"] : ["number", "string"];
  const fits = after.length === forms.length &&
    after.every((value, at) => typeof value === forms[at]) &&
    after.every((value, at) => forms[at] !== "number" || Number.isFinite(value));
  if (!fits) {
    throw new AppError("BAD_INPUT", "after: is no place of this search", {
      hint: "take the cursor of a hit of the same search, in the same order",
    });
  }
  return after;
}

function matchOf({ terms, condition, order }: SearchQuery): Clause {
  const words = terms.map(termOf);
  const filter = condition === null ? [] : [conditionOf(condition)];
  // What is only asked whether it is there needs no score.
  const bool = order === "relevance" ? { must: words, filter } : { filter: [...words, ...filter] };
  return { bool };
}

function termOf(term: Term): Clause {
  switch (term.kind) {
    case "word":
      return { term: { search_text: { value: term.word } } };
    case "prefix":
      return { prefix: { search_text: { value: term.word } } };
    case "phrase":
      return { match_phrase: { search_text: { query: term.words.join(" ") } } };
    default:
      return term satisfies never;
  }
}

function conditionOf(condition: SearchCondition): Clause {
  switch (condition.kind) {
    case "and":
      return { bool: { filter: condition.items.map(conditionOf) } };
    case "or":
      return either(condition.items.map(conditionOf));
    case "not":
      return { bool: { must_not: [conditionOf(condition.item)] } };
    case "in":
      return { terms: { [FIELDS[condition.field]]: condition.values } };
    case "startsWith":
      return { prefix: { [FIELDS[condition.field]]: { value: condition.value } } };
    case "present":
      return { exists: { field: FIELDS[condition.field] } };
    case "micros": {
      const { from, to } = condition;
      return {
        range: { micros: { ...from !== null && { gte: from }, ...to !== null && { lte: to } } },
      };
    }
    case "path":
      return either(
        condition.values.filter(isFound).flatMap((value) => [
          { term: { [fieldOf(condition.path)]: { value } } },
          { term: { data_values: { value: valueAt(condition.path, value) } } },
        ]),
      );
    case "pathPresent":
      return either([
        { exists: { field: fieldOf(condition.path) } },
        { term: { data_paths: { value: condition.path.join(".") } } },
      ]);
    case "number": {
      const { column, operator, value } = condition;
      return { range: { [`columns.${column}`]: { [operator]: value } } };
    }
    default:
      return condition satisfies never;
  }
}

function either(clauses: readonly Clause[]): Clause {
  if (clauses.length === 0) return { match_none: {} };
  return { bool: { should: clauses, minimum_should_match: 1 } };
}

/**
 * Elasticsearch has this field, and OpenSearch the other one: which is not there matches nothing and costs
 * nothing, so whoever searches need not know the server.
 */
const fieldOf = (path: readonly string[]) => `data.${path.join(".")}`;

const FIELDS: Readonly<Record<SearchField, string>> = {
  eventId: "event_id",
  eventType: "event_type",
  entityType: "entity_type",
  entityId: "entity_id",
  userId: "user_id",
  orgId: "org_id",
};
