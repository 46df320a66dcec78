/** `searchEvents`: arguments and selections -> a `SearchRead`. */

import type { FieldNode } from "graphql";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { SearchColumn } from "../search_columns.ts";
import type { SearchCondition, SearchQuery, Term } from "../search/store.ts";
import { parseTerms } from "../search/terms.ts";
import { toCondition, toCount } from "./conditions.ts";
import { EVENTS } from "./event_relations.ts";
import type { FieldWalk, Place } from "./plan_walk.ts";
import type { PageSelection, Selection } from "./read_plan.ts";
import { dataCondition, fieldCondition } from "./search_conditions.ts";
import { readSearchCursor } from "./search_cursors.ts";
import type {
  HighlightSelection,
  HitSelection,
  SearchRead,
  SearchSelection,
} from "./search_read.ts";
import { short } from "./scalars.ts";

type Input = Readonly<Record<string, unknown>>;

export type SearchLimits = Pick<
  Limits,
  "searchWordsMax" | "searchValuesMax" | "searchHitsMax" | "searchDepthMax"
>;

/** What a search takes beside its own arguments. */
export interface SearchContext {
  readonly columns: readonly SearchColumn[];
  readonly limits: SearchLimits;
  readonly walk: FieldWalk;
  /** What an event's own fields become. */
  readonly selectNode: (nodes: readonly FieldNode[], at: Place) => readonly Selection[];
}

/** The search that a field asks for; `BAD_INPUT` and `TOO_LARGE` for what cannot be searched. */
export function planSearch(
  nodes: readonly FieldNode[],
  values: Input,
  context: SearchContext,
): SearchRead {
  const { limits } = context;
  const text = values.text as string | null | undefined;
  const terms = parseTerms(text ?? "", limits.searchWordsMax);
  const order = orderOf((values.orderBy ?? []) as readonly Input[], terms);
  const first = toCount(values.first, "first") ?? firstByDefault;
  if (first > limits.searchHitsMax) {
    throw new AppError("TOO_LARGE", `first: ${first} is more than ${limits.searchHitsMax}`, {
      hint: "go on behind the last cursor by after (limit search_hits_max)",
    });
  }
  const after = values.after as string | null | undefined;
  return {
    query: {
      terms,
      condition: conditionOf(values, context),
      order,
      first,
      after: after === null || after === undefined
        ? null
        : readSearchCursor(after, { order, terms }),
    },
    selection: new SearchPlanner(context).selection(nodes),
  };
}

/** What a person looks at. */
const firstByDefault = 20;

function conditionOf(values: Input, { columns, walk, limits }: SearchContext) {
  const where = toCondition(values.where as Input, EVENTS.fields, "where", walk.budget);
  const data = ((values.data ?? []) as readonly Input[]).map((input, i) =>
    dataCondition(input, columns, `data[${i}]`, walk.budget)
  );
  const items = [...where ? [fieldCondition(where)] : [], ...data];
  const depth = Math.max(0, ...items.map(depthOf));
  if (depth > limits.searchDepthMax) {
    throw new AppError(
      "TOO_LARGE",
      `the conditions are nested ${depth} levels deep, more than ${limits.searchDepthMax}`,
      { hint: "write and, or and not in fewer levels (limit search_depth_max)" },
    );
  }
  const count = items.reduce((sum, item) => sum + valuesIn(item), 0);
  if (count > limits.searchValuesMax) {
    throw new AppError(
      "TOO_LARGE",
      `the search names ${count} values, more than ${limits.searchValuesMax}`,
      { hint: "search in several queries, or raise search_values_max" },
    );
  }
  const [only, ...more] = items;
  if (!only) return null;
  return more.length === 0 ? only : { kind: "and", items } as const;
}

function depthOf(condition: SearchCondition): number {
  switch (condition.kind) {
    case "and":
    case "or":
      return 1 + Math.max(0, ...condition.items.map(depthOf));
    case "not":
      return 1 + depthOf(condition.item);
    default:
      return 0;
  }
}

function valuesIn(condition: SearchCondition): number {
  switch (condition.kind) {
    case "and":
    case "or":
      return condition.items.reduce((sum, item) => sum + valuesIn(item), 0);
    case "not":
      return valuesIn(condition.item);
    case "in":
    case "path":
      return condition.values.length;
    default:
      return 1;
  }
}

function orderOf(inputs: readonly Input[], terms: readonly Term[]): SearchQuery["order"] {
  if (inputs.length > 1) {
    throw new AppError("BAD_INPUT", `orderBy: ${inputs.length} keys, and a search has one`, {
      hint: "events of one moment are in order of their ids",
    });
  }
  const [key = "timestamp", direction = "DESC"] = Object.entries(inputs[0] ?? {})[0] ?? [];
  const isDescending = String(direction).startsWith("DESC");
  if (key === "timestamp") return isDescending ? "newest" : "oldest";
  if (!isDescending) {
    throw new AppError("BAD_INPUT", "orderBy[0].relevance: the best come first, by DESC alone");
  }
  if (terms.length === 0) {
    throw new AppError(
      "BAD_INPUT",
      "orderBy[0].relevance: there is no text that events could fit",
      {
        hint: "give text, or order by timestamp",
      },
    );
  }
  return "relevance";
}

class SearchPlanner {
  constructor(private readonly context: SearchContext) {}

  selection(nodes: readonly FieldNode[]): SearchSelection[] {
    return this.each(nodes, 2, (name, field, inner): SearchSelection => {
      switch (field) {
        case "__typename":
          return { kind: "constant", name, value: "EntityEventSearch" };
        case "total":
          return { kind: "total", name };
        case "edges":
          return { kind: "edges", name, parts: this.hit(inner) };
        case "pageInfo":
          return { kind: "pageInfo", name, parts: this.pageInfo(inner) };
        default:
          throw new Error(`validation let EntityEventSearch.${short(field)} pass`);
      }
    });
  }

  private hit(nodes: readonly FieldNode[]): HitSelection[] {
    return this.each(nodes, 3, (name, field, inner): HitSelection => {
      switch (field) {
        case "__typename":
          return { kind: "constant", name, value: "EntityEventHit" };
        case "cursor":
          return { kind: "cursor", name };
        case "highlights":
          return { kind: "highlights", name, parts: this.highlight(inner) };
        case "node": {
          const selection = this.context.selectNode(inner, { depth: 3, factor: 1 });
          return { kind: "node", name, selection };
        }
        default:
          throw new Error(`validation let EntityEventHit.${short(field)} pass`);
      }
    });
  }

  private highlight(nodes: readonly FieldNode[]): HighlightSelection[] {
    return this.each(
      nodes,
      4,
      (name, field): HighlightSelection =>
        field === "__typename"
          ? { kind: "constant", name, value: "EntityEventHighlight" }
          : { kind: field as "path" | "text", name },
    );
  }

  private pageInfo(nodes: readonly FieldNode[]): PageSelection[] {
    return this.each(
      nodes,
      3,
      (name, field): PageSelection =>
        field === "__typename"
          ? { kind: "constant", name, value: "PageInfo" }
          : { kind: field as Exclude<PageSelection["kind"], "constant">, name },
    );
  }

  private each<Part>(
    nodes: readonly FieldNode[],
    depth: number,
    make: (name: string, field: string, nodes: readonly FieldNode[]) => Part,
  ): Part[] {
    const { walk } = this.context;
    return [...walk.collect(nodes)].map(([name, inner]) => {
      walk.count(1, depth, inner);
      return make(name, inner[0]?.name.value ?? "", inner);
    });
  }
}
