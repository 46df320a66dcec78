/** `ordersAggregate` and its like: arguments and selections -> an `AggregateRead`. */

import type { FieldNode } from "graphql";
import { AppError } from "../errors.ts";
import {
  aggregateColumns,
  COLUMN_FUNCTIONS,
  FAMILY_NAMES,
  type FunctionRow,
  groupColumns,
  type TruncateBy,
} from "./aggregates.ts";
import { type ConditionBudget, given, toCondition, toCount } from "./conditions.ts";
import { locationOf } from "./parse.ts";
import type { FieldWalk, Place } from "./plan_walk.ts";
import type {
  AggregateCondition,
  AggregateOrder,
  AggregateRead,
  AggregateSelection,
  Group,
  Measure,
  OrderDirection,
} from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { LeafType, Relation } from "./schema.ts";
import { isTimeZone, zoneHint } from "./time_zones.ts";

type Input = Readonly<Record<string, unknown>>;

/** The groups that a field asks for; `BAD_INPUT` for what grouping cannot give. */
export function planAggregate(
  relation: Relation,
  nodes: readonly FieldNode[],
  values: Input,
  walk: FieldWalk,
  at: Place,
): AggregateRead {
  const { budget } = walk;
  const groups = toGroups((values.groupBy ?? []) as readonly Input[], relation, budget);
  const having = values.having as Input | null | undefined;
  const conditions = having ? toConditions(having, relation, "having", budget) : [];
  return {
    relation,
    groups,
    selection: new Selections(relation, groups, walk, at).of(nodes),
    where: toCondition(values.where as Input, relation.fields, "where", budget),
    having: conditions.length > 0 ? { kind: "and", items: conditions } : null,
    order: toAggregateOrder((values.orderBy ?? []) as readonly Input[], relation, groups, budget),
    limit: toCount(values.limit, "limit"),
    offset: toCount(values.offset, "offset"),
  };
}

function toGroups(
  inputs: readonly Input[],
  relation: Relation,
  budget: ConditionBudget,
): Group[] {
  const columns = groupColumns(relation);
  const groups: Group[] = [];
  for (const [i, { field, by, timeZone }] of inputs.entries()) {
    budget.take();
    const place = `groupBy[${i}]`;
    const column = columns.find(({ name }) => name === field);
    if (!column) throw new Error(`validation let the field ${short(field)} pass`);
    if (groups.some((group) => group.column === column)) {
      throw new AppError("BAD_INPUT", `${place}: ${column.name} is there already`, {
        hint: "ask for the same field by another period in a query of its own",
      });
    }
    groups.push({ column, ...toPeriod(column.type, by, timeZone, place) });
  }
  return groups;
}

/** Kinds that can be cut to a period; hours of a date would all be its first. */
const PERIODS: Readonly<Record<string, { readonly hours: boolean; readonly zone: boolean }>> = {
  date: { hours: false, zone: false },
  timestamp: { hours: true, zone: false },
  timestamptz: { hours: true, zone: true },
};

function toPeriod(
  type: LeafType,
  by: unknown,
  timeZone: unknown,
  place: string,
): Pick<Group, "by" | "timeZone"> {
  const refuse = (what: string, why: string, hint: string) =>
    new AppError("BAD_INPUT", `${place}.${what}: ${why}`, { hint });
  if (by === null || by === undefined) {
    if (timeZone === null || timeZone === undefined) return { by: null, timeZone: null };
    throw refuse("timeZone", "means nothing without by", "give by: DAY, for instance");
  }
  const period = PERIODS[type.scalar.kind];
  if (!period) {
    throw refuse(
      "by",
      `values of type ${type.graphql} have no ${String(by).toLowerCase()}`,
      "leave it out, or group by a date or a time",
    );
  }
  if (!period.hours && (by === "HOUR" || by === "MINUTE")) {
    throw refuse("by", "a date has no hours", "group by DAY or longer");
  }
  if (!period.zone && timeZone !== null && timeZone !== undefined) {
    throw refuse(
      "timeZone",
      `values of type ${type.graphql} are in no time zone`,
      "leave it out; only a DateTime can be seen from another zone",
    );
  }
  const zone = period.zone ? String(timeZone ?? "UTC") : null;
  if (zone !== null && !isTimeZone(zone)) {
    throw refuse("timeZone", `${short(zone)} is no time zone`, zoneHint(zone));
  }
  return { by: by as TruncateBy, timeZone: zone };
}

class Selections {
  constructor(
    private readonly relation: Relation,
    private readonly groups: readonly Group[],
    private readonly walk: FieldWalk,
    private readonly at: Place,
  ) {}

  of(nodes: readonly FieldNode[]): AggregateSelection[] {
    const { typeName } = this.relation;
    return this.each(nodes, 1, `${typeName}Aggregate`, (name, field, inner) => {
      if (field === "count") return { kind: "measure", name, measure: { function: "count" } };
      if (field === "group") return { ...this.keys(inner), name };
      const row = COLUMN_FUNCTIONS.find((candidate) => candidate.name === field);
      if (!row) throw new Error(`validation let ${typeName}Aggregate.${field} pass`);
      return { ...this.values(row, inner), name };
    });
  }

  private keys(nodes: readonly FieldNode[]): AggregateSelection & { kind: "parts" } {
    const type = `${this.relation.typeName}AggregateGroup`;
    const parts = this.each(nodes, 2, type, (name, field, inner) => {
      const group = this.groups.findIndex(({ column }) => column.name === field);
      if (group >= 0) return { kind: "group", name, group };
      throw new AppError("BAD_INPUT", `group.${field}: rows are not grouped by ${field}`, {
        hint: `add { field: ${field} } to groupBy`,
        ...locationOf(inner),
      });
    });
    return { kind: "parts", name: "", isGroup: true, parts };
  }

  private values(
    row: FunctionRow,
    nodes: readonly FieldNode[],
  ): AggregateSelection & { kind: "parts" } {
    const columns = new Measures(this.relation, row);
    const parts = this.each(nodes, 2, columns.typeName, (name, field) => {
      return { kind: "measure", name, measure: columns.of(field) };
    });
    return { kind: "parts", name: "", isGroup: false, parts };
  }

  private each(
    nodes: readonly FieldNode[],
    depth: number,
    typeName: string,
    make: (name: string, field: string, nodes: readonly FieldNode[]) => AggregateSelection,
  ): AggregateSelection[] {
    return [...this.walk.collect(nodes)].map(([name, inner]) => {
      const field = inner[0]?.name.value ?? "";
      this.walk.count(this.at.factor, this.at.depth + depth, inner);
      if (field === "__typename") return { kind: "constant", name, value: typeName };
      return make(name, field, inner);
    });
  }
}

/** The values that one function gives of a relation. */
class Measures {
  readonly typeName: string;
  readonly #columns: ReturnType<typeof aggregateColumns>;

  constructor(relation: Relation, private readonly row: FunctionRow) {
    this.#columns = aggregateColumns(relation, row.family);
    this.typeName = `${relation.typeName}Aggregate${FAMILY_NAMES[row.family]}`;
  }

  of(field: string): Measure {
    const [column, type] = this.#columns.find(([{ name }]) => name === field) ?? [];
    if (!column || !type) throw new Error(`validation let ${this.typeName}.${field} pass`);
    return { function: this.row.name, column, type };
  }
}

function toConditions(
  input: Input,
  relation: Relation,
  place: string,
  budget: ConditionBudget,
): AggregateCondition[] {
  const nested = (value: unknown, at: string): AggregateCondition => {
    budget.take();
    return { kind: "and", items: toConditions(given(value, at), relation, at, budget) };
  };
  return Object.entries(input).flatMap(([name, value]): AggregateCondition[] => {
    const at = `${place}.${name}`;
    budget.take();
    if (name === "and" || name === "or") {
      const list = given<readonly unknown[]>(value, at);
      return [{ kind: name, items: list.map((item, i) => nested(item, `${at}[${i}]`)) }];
    }
    if (name === "not") return [{ kind: "not", item: nested(value, at) }];
    if (name === "count") return comparisons(given(value, at), { function: "count" }, at, budget);
    const row = COLUMN_FUNCTIONS.find((candidate) => candidate.name === name);
    if (!row) throw new Error(`validation let ${at} pass`);
    const measures = new Measures(relation, row);
    return Object.entries(given<Input>(value, at)).flatMap(([field, operators]) =>
      comparisons(given(operators, `${at}.${field}`), measures.of(field), `${at}.${field}`, budget)
    );
  });
}

function comparisons(
  input: Input,
  measure: Measure,
  place: string,
  budget: ConditionBudget,
): AggregateCondition[] {
  return Object.entries(input).map(([operator, value]) => {
    const at = `${place}.${operator}`;
    budget.take();
    return { kind: "compare", measure, operator, value: given(value, at), place: at };
  });
}

function toAggregateOrder(
  inputs: readonly Input[],
  relation: Relation,
  groups: readonly Group[],
  budget: ConditionBudget,
): AggregateOrder[] {
  return inputs.map((input, i) => {
    budget.take();
    const [name = "", value] = Object.entries(input)[0] ?? [];
    const place = `orderBy[${i}].${name}`;
    if (name === "count") {
      return { by: { function: "count" }, direction: given<OrderDirection>(value, place) };
    }
    const [field = "", direction] = Object.entries(given<Input>(value, place))[0] ?? [];
    const way = given<OrderDirection>(direction, `${place}.${field}`);
    const row = COLUMN_FUNCTIONS.find((candidate) => candidate.name === name);
    if (row) return { by: new Measures(relation, row).of(field), direction: way };
    const group = groups.findIndex(({ column }) => column.name === field);
    if (group >= 0) return { by: { group }, direction: way };
    throw new AppError("BAD_INPUT", `${place}.${field}: rows are not grouped by ${field}`, {
      hint: `add { field: ${field} } to groupBy`,
    });
  });
}
