/** A search as Elasticsearch's queries: pure, so that their text can be looked at. */

// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import { AppError } from "../errors.ts";
import type { SearchCondition, SearchField, SearchQuery, Term } from "../search/store.ts";
import { isFound } from "../search/values.ts";
import { pageRowsMax, valueAt } from "./documents.ts";

export type Clause = Readonly<Record<string, unknown>>;

/**
 * What is asked for a page in the order of time. Elasticsearch finds the first hits by one number alone
 * without looking at all of them, but not by two fields, nor where it has to count. So it is asked for
 * the count, for the time at which the page ends, and then for the page, of the hits up to there.
 */
export interface TimeBodies {
  readonly count: Clause;
  /** Gives times alone; of one hit more than the page has, which tells whether there are more. */
  readonly times: Clause;
  page(lastMicros: number): Clause;
}

export function timeBodies(query: SearchQuery): TimeBodies {
  refuseLarge(query);
  const isNewest = query.order !== "oldest";
  const order = isNewest ? "desc" : "asc";
  const match = matchOf(query);
  const behind = behindOf(query, isNewest);
  const common = { size: query.first + 1, track_total_hits: false };
  return {
    count: { query: match, size: 0, track_total_hits: true },
    times: { ...common, query: bothOf(match, behind), sort: [micros(order)], _source: false },
    page(last) {
      const range = { range: { micros: { [isNewest ? "gte" : "lte"]: last } } };
      const query = bothOf(match, { ...behind, filter: [...behind.filter, range] });
      return { ...common, query, sort: [micros(order), eventId(order)] };
    },
  };
}

/** What is asked for a page in the order of relevance: for that every hit is looked at. */
export function relevanceBody(query: SearchQuery): Clause {
  refuseLarge(query);
  const { first, after, wantsTotal } = query;
  return {
    query: matchOf(query),
    size: first + 1,
    sort: [{ _score: { order: "desc" } }, micros("desc"), eventId("desc")],
    ...after !== null && { search_after: placeOf(after, ["number", "number", "string"]) },
    track_total_hits: wantsTotal,
  };
}

function refuseLarge({ first }: SearchQuery): void {
  if (first <= pageRowsMax) return;
  throw new AppError("BAD_INPUT", `first: ${first} is more than ${pageRowsMax}`, {
    hint: "ask for fewer, and go on behind the last one by after",
  });
}

// An index without any event of ours has neither field.
const micros = (order: "asc" | "desc") => ({ micros: { order, unmapped_type: "long" } });
const eventId = (order: "asc" | "desc") => ({ event_id: { order, unmapped_type: "keyword" } });

interface Behind {
  readonly filter: readonly Clause[];
  readonly must_not: readonly Clause[];
}

/** What lies behind a place: not at its moment with an id up to its own, nor beyond its moment. */
function behindOf({ after }: SearchQuery, isNewest: boolean): Behind {
  if (after === null) return { filter: [], must_not: [] };
  const [time, id] = placeOf(after, ["number", "string"]);
  const seen = { range: { event_id: { [isNewest ? "gte" : "lte"]: id } } };
  return {
    filter: [{ range: { micros: { [isNewest ? "lte" : "gte"]: time } } }],
    must_not: [{ bool: { filter: [{ term: { micros: { value: time } } }, seen] } }],
  };
}

function bothOf(match: Clause, { filter, must_not }: Behind): Clause {
  return { bool: { filter: [match, ...filter], must_not } };
}

function placeOf(
  after: readonly (string | number)[],
  forms: readonly ("number" | "string")[],
): readonly (string | number)[] {
  const fits = after.length === forms.length &&
    after.every((value, at) => typeof value === forms[at]) &&
    after.every((value, at) => forms[at] !== "number" || Number.isFinite(value)) &&
    Number.isSafeInteger(after.at(-2)); // microseconds, and behind them the id
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
  // All of them are counted without looking at any, if it is said so.
  if (words.length === 0 && filter.length === 0) return { match_all: {} };
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
    case "path": {
      const { path } = condition;
      const values = condition.values.filter(isFound);
      if (values.length === 0) return either([]);
      // Not a clause for each: of those Elasticsearch takes some thousands, by its memory.
      return either([
        { terms: { [fieldOf(path)]: values } },
        { terms: { data_values: values.map((value) => valueAt(path, value)) } },
      ]);
    }
    case "pathPresent":
      return either([
        presentAt(fieldOf(condition.path)),
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

/** `exists` takes a star for a pattern of names, of which those within `data` are none. */
function presentAt(field: string): Clause {
  return field.includes("*") ? { prefix: { [field]: { value: "" } } } : { exists: { field } };
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
