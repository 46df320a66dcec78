/** Coerced `where` and `orderBy` inputs -> conditions and order terms. */

import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Condition, OrderDirection, OrderTerm } from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Column, Link, Relation } from "./schema.ts";

type Fields = ReadonlyMap<string, Column | Link>;
type Input = Readonly<Record<string, unknown>>;

/** Counts conditions and order keys over a whole operation, so that no input grows without bound. */
export class ConditionBudget {
  #left: number;
  #depth = 0;
  readonly #most: number;
  readonly #depthMax: number;

  constructor(limits: Pick<Limits, "filterConditionsMax" | "queryDepthMax">) {
    this.#left = this.#most = limits.filterConditionsMax;
    this.#depthMax = limits.queryDepthMax;
  }

  checkDepth(links: number): void {
    if (links > this.#depthMax) throw tooDeep(this.#depthMax);
  }

  /** Each link is a join, in conditions as in selections. */
  follow<Result>(inner: () => Result): Result {
    this.checkDepth(++this.#depth);
    const result = inner();
    this.#depth--;
    return result;
  }

  /** The keys of a path that a selection follows: they grow the statement as conditions do. */
  takePath(keys: number): void {
    this.#left -= keys;
    if (this.#left >= 0) return;
    throw new AppError(
      "TOO_LARGE",
      `the paths of the query have more than ${this.#most} keys, its conditions counted`,
      {
        hint:
          "a path has a key for each level of the JSON; ask for many paths in several queries " +
          "(limit filter_conditions_max)",
      },
    );
  }

  take(): void {
    if (--this.#left >= 0) return;
    throw new AppError(
      "TOO_LARGE",
      `the query has more than ${this.#most} conditions and order keys`,
      {
        hint: "use `in` with a list for many values of one field (limit filter_conditions_max)",
      },
    );
  }
}

function tooDeep(most: number): AppError {
  return new AppError("TOO_LARGE", `related types are nested deeper than ${most} in an input`, {
    hint: "ask in several queries, or raise the limit query_depth_max",
  });
}

/** The conditions of a `where`; null where it has none. */
export function toCondition(
  input: Input | null | undefined,
  fields: Fields,
  place: string,
  budget: ConditionBudget,
): Condition | null {
  if (input === null || input === undefined) return null;
  const items = objectConditions(input, fields, [], place, budget);
  return items.length === 0 ? null : { kind: "and", items };
}

function objectConditions(
  input: Input,
  fields: Fields,
  outer: readonly Column[],
  place: string,
  budget: ConditionBudget,
): Condition[] {
  const items: Condition[] = [];
  const nested = (value: unknown, at: string): Condition => ({
    kind: "and",
    items: objectConditions(given(value, at), fields, outer, at, budget),
  });
  for (const [name, value] of Object.entries(input)) {
    const at = `${place}.${name}`;
    budget.take();
    if (name === "and" || name === "or") {
      const list = given(value, at) as unknown as readonly unknown[];
      // Each counts, so that a list of empty objects does not grow for nothing.
      const parts = list.map((item, i) => {
        budget.take();
        return nested(item, `${at}[${i}]`);
      });
      items.push({ kind: name, items: parts });
      continue;
    }
    if (name === "not") {
      items.push({ kind: "not", item: nested(value, at) });
      continue;
    }
    const field = fields.get(name);
    if (!field) throw new AppError("BAD_INPUT", `${at}: there is no such field`);
    const inner = given(value, at);
    if (field.kind !== "column") {
      const conditions = budget.follow(() =>
        objectConditions(inner, field.target.fields, [], at, budget)
      );
      items.push({ kind: "link", link: field, item: { kind: "and", items: conditions } });
    } else if (field.type.kind === "composite") {
      const parts = field.type.composite.fields;
      items.push(...objectConditions(inner, parts, [...outer, field], at, budget));
    } else {
      items.push(...columnConditions(inner, [...outer, field], at, budget));
    }
  }
  return items;
}

function columnConditions(
  input: Input,
  columns: readonly Column[],
  place: string,
  budget: ConditionBudget,
): Condition[] {
  const items: Condition[] = [];
  for (const [operator, value] of Object.entries(input)) {
    const at = `${place}.${operator}`;
    if (operator !== "path") {
      budget.take();
      items.push({ kind: "compare", columns, operator, value: given(value, at), place: at });
      continue;
    }
    const list = given(value, at) as unknown as readonly Input[];
    for (const [i, condition] of list.entries()) {
      const { path, ...operators } = condition;
      for (const [name, operand] of Object.entries(operators)) {
        const there = `${at}[${i}].${name}`;
        budget.take();
        items.push({
          kind: "jsonPath",
          columns,
          path: path as readonly string[],
          operator: name,
          value: given(operand, there),
          place: there,
        });
      }
    }
  }
  return items;
}

/**
 * A null where a condition should be is refused: SQL would find nothing by it, and leaving it out
 * would find everything. A client whose variable is null by mistake should hear of it.
 */
export function given<T = Input>(value: unknown, place: string): T {
  if (value !== null && value !== undefined) return value as T;
  throw new AppError("BAD_INPUT", `${place} is null`, {
    hint: "leave it out for no condition; `isNull: true` finds rows without a value",
  });
}

/** The terms of an `orderBy`, in the order given. */
export function toOrder(
  inputs: readonly Input[] | null | undefined,
  relation: Relation,
  place: string,
  budget: ConditionBudget,
): OrderTerm[] {
  return (inputs ?? []).map((input, i) => {
    budget.take();
    const links: Link[] = [];
    let fields = relation.fields;
    let inner: Input = input;
    for (;;) {
      const [name, value] = Object.entries(inner)[0] ?? [];
      const field = fields.get(name ?? "");
      if (field?.kind === "one" && value) {
        budget.take();
        budget.checkDepth(links.push(field));
        fields = field.target.fields;
        inner = value as Input;
      } else if (field?.kind === "column" && typeof value === "string") {
        return { links, column: field, direction: value as OrderDirection };
      } else {
        throw new AppError(
          "BAD_INPUT",
          `${place}[${i}]: ${short(input)} names no field to order by`,
          {
            hint: "write one field each, like [{ createdAt: DESC }, { user: { name: ASC } }]",
          },
        );
      }
    }
  });
}

/** `limit` and `offset`: a whole number from 0, or null. */
export function toCount(value: unknown, place: string): number | null {
  if (value === null || value === undefined) return null;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new AppError("BAD_INPUT", `${place}: ${short(value)} is not a whole number from 0`);
}
