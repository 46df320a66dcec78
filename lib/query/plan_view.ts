/**
 * `OptimizedView` and `BulkExport`: a relation by PostgreSQL's own names, its columns in the
 * relation's order.
 */

import { coerceInputValue, type GraphQLError, type GraphQLInputType } from "graphql";
import { AppError } from "../errors.ts";
import { didYouMean } from "../config.ts";
import type { Limits } from "../limits.ts";
import { ConditionBudget, toCondition, toCount } from "./conditions.ts";
import { cut } from "./parse.ts";
import type { ExportRequest, ViewRequest } from "./query_engine.ts";
import type { OrderDirection, OrderTerm, Read } from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Column, DataSchema, Relation } from "./schema.ts";
import { wholeColumn } from "./sql.ts";
import { refuseDeep } from "./variables.ts";

export interface ViewOffer {
  /** Views offered beside those whose name begins with `va_`. */
  readonly names: readonly string[];
  readonly filterOf: (type: Column["type"]) => GraphQLInputType;
}

type ViewLimits = Pick<Limits, "filterConditionsMax" | "queryDepthMax" | "queryNestingMax">;

/** The read of a view; `NOT_FOUND` for one that is not offered, `BAD_INPUT` for what it has not. */
export function planView(
  request: ViewRequest,
  data: DataSchema,
  offer: ViewOffer,
  limits: ViewLimits,
): Read {
  return planRelation(findView(request.view, data, offer.names), request, offer, limits);
}

/** The same of any exposed relation. */
export function planExport(
  request: ExportRequest,
  data: DataSchema,
  offer: Pick<ViewOffer, "filterOf">,
  limits: ViewLimits,
): Read {
  return planRelation(findExposed(request.table, data), request, offer, limits);
}

function planRelation(
  relation: Relation,
  request: Omit<ViewRequest, "view">,
  offer: Pick<ViewOffer, "filterOf">,
  limits: ViewLimits,
): Read {
  const columns = new Map(relation.columns.map((column) => [column.column, column]));
  const budget = new ConditionBudget(limits);
  if (request.filter) refuseDeep(request.filter, limits.queryNestingMax, "the filter is");
  const filter = request.filter ? coerceFilter(request.filter, columns, offer, "filter") : null;
  return {
    relation,
    selection: relation.columns.map((column) => wholeColumn(column, true)),
    where: toCondition(filter, columns, "filter", budget),
    order: parseOrder(request.orderBy ?? "", columns, budget),
    limit: toCount(request.limit, "limit"),
    offset: toCount(request.offset, "offset"),
  };
}

function findView(name: string, data: DataSchema, names: readonly string[]): Relation {
  const offered = data.relations.filter((relation) =>
    relation.name.startsWith("va_") || names.includes(relation.name) ||
    names.includes(`${relation.schema}.${relation.name}`)
  );
  const found = named(name, offered);
  if (found) return found;
  const offeredNames = offered.map((relation) => relation.name);
  const near = didYouMean(name, offeredNames);
  throw new AppError("NOT_FOUND", `no view named ${short(name)} is offered`, {
    hint: near ||
      (offeredNames.length > 0
          ? `offered are ${offeredNames.slice(0, 20).join(", ")}`
          : "none is") +
        "; views named va_... are, and those listed in flight_views",
  });
}

function findExposed(name: string, { relations }: DataSchema): Relation {
  const found = named(name, relations);
  if (found) return found;
  const names = relations.map((relation) => relation.name);
  throw new AppError("NOT_FOUND", `no table or view named ${short(name)} is exposed`, {
    hint: didYouMean(name, names) || `exposed are ${names.slice(0, 20).join(", ") || "none"}`,
  });
}

/** By its name, or by `schema.name` where another schema has the name too. */
function named(name: string, relations: readonly Relation[]): Relation | undefined {
  return relations.find((relation) =>
    relation.name === name || `${relation.schema}.${relation.name}` === name
  );
}

type Input = Readonly<Record<string, unknown>>;
type Columns = ReadonlyMap<string, Column>;

/** What GraphQL's coercion does for `where`, by PostgreSQL's names. */
function coerceFilter(
  input: unknown,
  columns: Columns,
  offer: Pick<ViewOffer, "filterOf">,
  place: string,
): Input {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new AppError("BAD_INPUT", `${place}: ${short(input)} is not an object of conditions`, {
      hint: 'write it like {"status": {"eq": "paid"}}',
    });
  }
  const inner = (value: unknown, at: string) => coerceFilter(value, columns, offer, at);
  return Object.fromEntries(
    Object.entries(input).map(([name, value]) => {
      const at = `${place}.${name}`;
      const column = columns.get(name);
      if (name === "not") return [name, inner(value, at)];
      if (name === "and" || name === "or") {
        const list = Array.isArray(value) ? value : [value];
        return [name, list.map((item, i) => inner(item, `${at}[${i}]`))];
      }
      if (!column) {
        throw new AppError("BAD_INPUT", `${place}: there is no column ${short(name)}`, {
          hint: didYouMean(name, [...columns.keys()]) ||
            `it has ${[...columns.keys()].join(", ")}`,
        });
      }
      return [name, coerce(value, offer.filterOf(column.type), at)];
    }),
  );
}

function coerce(value: unknown, type: GraphQLInputType, place: string): unknown {
  return coerceInputValue(value, type, (path, invalid, error: GraphQLError) => {
    throw new AppError("BAD_INPUT", `${[place, ...path].join(".")}: ${cut(error.message)}`, {
      cause: invalid,
    });
  });
}

/** One item and the comma behind it, from where the last one ended. */
const orderItem =
  /\s*("(?:[^"]|"")+"|[^\s",]+)(?:\s+(asc|desc))?(?:\s+nulls\s+(first|last))?\s*(,|$)/iy;

/** `name [ASC|DESC] [NULLS FIRST|LAST], ...`: parsed, never pasted into SQL. */
function parseOrder(text: string, columns: Columns, budget: ConditionBudget): OrderTerm[] {
  const terms: OrderTerm[] = [];
  if (text.trim() === "") return terms;
  let more = true;
  for (let at = 0; more;) {
    orderItem.lastIndex = at;
    const match = orderItem.exec(text);
    if (!match) {
      throw new AppError("BAD_INPUT", `order_by: ${short(text.slice(at))} cannot be read`, {
        hint: "write a comma list of: name [ASC|DESC] [NULLS FIRST|LAST]",
      });
    }
    budget.take();
    terms.push(orderTerm(match, columns));
    at = orderItem.lastIndex;
    more = match[4] === ",";
  }
  return terms;
}

function orderTerm(match: RegExpExecArray, columns: Columns): OrderTerm {
  const [, word = "", direction = "asc", nulls] = match;
  const name = word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word;
  const column = columns.get(name);
  if (column?.type.kind !== "leaf" || !column.type.orderable) {
    const names = [...columns.values()].filter(({ type }) => type.kind === "leaf" && type.orderable)
      .map((orderable) => orderable.column);
    const what = column
      ? `the column ${short(name)} has no order`
      : `there is no column ${short(name)}`;
    throw new AppError("BAD_INPUT", `order_by: ${what}`, {
      hint: didYouMean(name, names) ||
        `it can be ordered by ${names.join(", ")}`,
    });
  }
  const suffix = nulls ? `_NULLS_${nulls.toUpperCase()}` : "";
  return {
    links: [],
    column,
    direction: `${direction.toUpperCase()}${suffix}` as OrderDirection,
  };
}
