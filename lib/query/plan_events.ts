/** `eventsAggregate`: arguments and selections -> groups of events. */

import { type FieldNode, getArgumentValues, type GraphQLObjectType } from "graphql";
import { AppError } from "../errors.ts";
import type { TruncateBy } from "./aggregates.ts";
import { given, toCondition, toCount } from "./conditions.ts";
import { pathKeys } from "./event_conditions.ts";
import { EVENTS, GROUP_COLUMNS, type NumberFunction, NUMBERS } from "./event_relations.ts";
import type { FieldWalk } from "./plan_walk.ts";
import type { Condition, OrderDirection } from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Column } from "./schema.ts";
import { isTimeZone, zoneHint } from "./time_zones.ts";
import { asBadInput, type Variables } from "./variables.ts";

type Input = Readonly<Record<string, unknown>>;

/** A value of each event: at a path of its data, or a field. */
export type EventValue =
  | { readonly kind: "path"; readonly path: readonly string[] }
  | { readonly kind: "field"; readonly column: Column };

export interface EventGroup {
  readonly as: string;
  readonly value: EventValue;
  /** Of timestamp alone. */
  readonly period: { readonly by: TruncateBy; readonly timeZone: string } | null;
}

export type EventMeasure =
  | { readonly function: "count" }
  | { readonly function: "countDistinct"; readonly value: EventValue }
  | { readonly function: NumberFunction; readonly path: readonly string[] };

export type EventGroupSelection =
  | { readonly kind: "constant"; readonly name: string; readonly value: string }
  | { readonly kind: "measure"; readonly name: string; readonly measure: EventMeasure }
  | {
    readonly kind: "group";
    readonly name: string;
    readonly parts: readonly {
      readonly kind: "key" | "value" | "__typename";
      readonly name: string;
    }[];
  };

export type EventHaving =
  | { readonly kind: "and" | "or"; readonly items: readonly EventHaving[] }
  | { readonly kind: "not"; readonly item: EventHaving }
  | {
    readonly kind: "compare";
    readonly measure: EventMeasure;
    readonly operator: string;
    readonly value: unknown;
    readonly place: string;
  };

/** Groups of events. */
export interface EventGroupsRead {
  readonly groups: readonly EventGroup[];
  readonly selection: readonly EventGroupSelection[];
  readonly where: Condition | null;
  readonly having: EventHaving | null;
  readonly order: readonly {
    readonly by: EventMeasure | { readonly group: number };
    readonly direction: OrderDirection;
  }[];
  readonly limit: number | null;
}

/** The groups that the field asks for; `BAD_INPUT` for what grouping cannot give. */
export function planEventGroups(
  nodes: readonly FieldNode[],
  values: Input,
  type: GraphQLObjectType,
  variables: Variables,
  walk: FieldWalk,
): EventGroupsRead {
  const planner = new EventGroupPlanner(walk);
  const groups = planner.groups((values.groupBy ?? []) as readonly Input[]);
  const having = values.having as Input | null | undefined;
  return {
    groups,
    selection: planner.selection(nodes, type, variables),
    where: toCondition(values.where as Input, EVENTS.fields, "where", walk.budget),
    having: having ? { kind: "and", items: planner.having(having, "having") } : null,
    order: planner.order((values.orderBy ?? []) as readonly Input[], groups),
    limit: toCount(values.limit, "limit"),
  };
}

class EventGroupPlanner {
  constructor(private readonly walk: FieldWalk) {}

  groups(inputs: readonly Input[]): EventGroup[] {
    const groups: EventGroup[] = [];
    for (const [i, input] of inputs.entries()) {
      const place = `groupBy[${i}]`;
      this.walk.budget.take();
      const value = this.value(input, place);
      const named = value.kind === "path" ? value.path.join(".") : value.column.name;
      const as = (input.as as string | null | undefined) ?? named;
      if (as === "" || !as.isWellFormed()) {
        throw new AppError("BAD_INPUT", `${place}.as: ${short(as)} is no name`);
      }
      if (groups.some((group) => group.as === as)) {
        throw new AppError("BAD_INPUT", `${place}: ${short(as)} is there already`, {
          hint: "give each entry another `as`",
        });
      }
      groups.push({ as, value, period: period(value, input, place) });
    }
    return groups;
  }

  selection(
    nodes: readonly FieldNode[],
    type: GraphQLObjectType,
    variables: Variables,
  ): EventGroupSelection[] {
    return [...this.walk.collect(nodes)].map(([name, inner]): EventGroupSelection => {
      const node = inner[0];
      const field = node?.name.value ?? "";
      this.walk.count(1, 2, inner);
      if (field === "__typename") return { kind: "constant", name, value: type.name };
      const definition = type.getFields()[field];
      if (!node || !definition) throw new Error(`validation let ${type.name}.${field} pass`);
      if (field === "group") return { kind: "group", name, parts: this.parts(inner) };
      const values = asBadInput(() => getArgumentValues(definition, node, variables));
      return { kind: "measure", name, measure: this.measure(field, values, name) };
    });
  }

  private parts(nodes: readonly FieldNode[]) {
    return [...this.walk.collect(nodes)].map(([name, inner]) => {
      this.walk.count(1, 3, inner);
      return { kind: inner[0]?.name.value as "key" | "value" | "__typename", name };
    });
  }

  having(input: Input, place: string): EventHaving[] {
    return Object.entries(input).flatMap(([name, value]): EventHaving[] => {
      const at = `${place}.${name}`;
      this.walk.budget.take();
      if (name === "and" || name === "or") {
        const items = given<readonly unknown[]>(value, at).map((item, i): EventHaving => {
          this.walk.budget.take();
          return { kind: "and", items: this.having(given(item, at), `${at}[${i}]`) };
        });
        return [{ kind: name, items }];
      }
      if (name === "not") {
        return [{ kind: "not", item: { kind: "and", items: this.having(given(value, at), at) } }];
      }
      if (name === "count") return this.comparisons(given(value, at), { function: "count" }, at);
      return given<readonly Input[]>(value, at).flatMap((condition, i) => {
        const there = `${at}[${i}]`;
        const { path, field, ...operators } = condition;
        return this.comparisons(operators, this.measure(name, { path, field }, there), there);
      });
    });
  }

  private comparisons(input: Input, measure: EventMeasure, place: string): EventHaving[] {
    return Object.entries(input).map(([operator, value]) => {
      const at = `${place}.${operator}`;
      this.walk.budget.take();
      return { kind: "compare", measure, operator, value: given(value, at), place: at };
    });
  }

  order(inputs: readonly Input[], groups: readonly EventGroup[]) {
    return inputs.map((input, i) => {
      this.walk.budget.take();
      const [name = "", value] = Object.entries(input)[0] ?? [];
      const place = `orderBy[${i}].${name}`;
      if (name === "count") {
        const by = { function: "count" } as const;
        return { by, direction: given<OrderDirection>(value, place) };
      }
      const { direction, as, ...measured } = given<Input>(value, place);
      const way = given<OrderDirection>(direction, `${place}.direction`);
      if (name !== "group") return { by: this.measure(name, measured, place), direction: way };
      const group = groups.findIndex((candidate) => candidate.as === as);
      if (group >= 0) return { by: { group }, direction: way };
      throw new AppError("BAD_INPUT", `${place}.as: events are not grouped by ${short(as)}`, {
        hint: `groupBy has ${groups.map((known) => short(known.as)).join(", ") || "no entry"}`,
      });
    });
  }

  private measure(name: string, values: Input, place: string): EventMeasure {
    if (name === "count") return { function: "count" };
    if (name === "countDistinct") return { function: name, value: this.value(values, place) };
    const known = NUMBERS.find((row) => row.name === name);
    if (!known) throw new Error(`validation let ${name} pass`);
    return { function: known.name, path: this.path(values.path, place) };
  }

  private path(path: unknown, place: string): readonly string[] {
    const keys = path as readonly string[];
    this.walk.budget.takePath(keys.length);
    return pathKeys(keys, `${place}.path`);
  }

  private value({ path, field }: Input, place: string): EventValue {
    const hasPath = path !== null && path !== undefined;
    if (hasPath === (field !== null && field !== undefined)) {
      throw new AppError("BAD_INPUT", `${place}: give a path or a field, and not both`, {
        hint: 'like { path: ["status"] } or { field: timestamp, by: DAY }',
      });
    }
    if (hasPath) return { kind: "path", path: this.path(path, place) };
    const column = GROUP_COLUMNS.find(({ name }) => name === field);
    if (!column) throw new Error(`validation let the field ${short(field)} pass`);
    return { kind: "field", column };
  }
}

function period(value: EventValue, { by, timeZone }: Input, place: string): EventGroup["period"] {
  const hasZone = timeZone !== null && timeZone !== undefined;
  if (by === null || by === undefined) {
    if (!hasZone) return null;
    throw new AppError("BAD_INPUT", `${place}.timeZone: means nothing without by`, {
      hint: "give by: DAY, for instance",
    });
  }
  if (value.kind !== "field" || value.column.name !== "timestamp") {
    throw new AppError("BAD_INPUT", `${place}.by: only timestamp is cut to periods`, {
      hint: "leave it out, or group by { field: timestamp }",
    });
  }
  const zone = String(timeZone ?? "UTC");
  if (!isTimeZone(zone)) {
    throw new AppError("BAD_INPUT", `${place}.timeZone: ${short(zone)} is no time zone`, {
      hint: zoneHint(zone),
    });
  }
  return { by: by as TruncateBy, timeZone: zone };
}
