/** A validated document, its variables and the data schema -> reads. Pure: no row is touched. */

import {
  type DocumentNode,
  type FieldNode,
  getArgumentValues,
  getNamedType,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from "graphql";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { SearchColumn } from "../search_columns.ts";
import { aggregateLinks } from "./aggregates.ts";
import { chooseOperation } from "./choose_operation.ts";
import { FieldCollector } from "./collect_fields.ts";
import { ConditionBudget, toCondition, toCount, toOrder } from "./conditions.ts";
import { toDistinct } from "./distinct_on.ts";
import { introspect } from "./introspect.ts";
import { locationOf, tooLarge } from "./parse.ts";
import { planAggregate } from "./plan_aggregate.ts";
import { planConnection } from "./plan_connection.ts";
import { type EventGroupsRead, planEventGroups } from "./plan_events.ts";
import { planSearch, type SearchLimits } from "./plan_search.ts";
import type { FieldWalk } from "./plan_walk.ts";
import type { QueryRequest } from "./query_engine.ts";
import type { AggregateRead, Condition, ConnectionRead, Read, Selection } from "./read_plan.ts";
import { type Root, rootFields } from "./root_fields.ts";
import { parameterText } from "./scalars.ts";
import type { Column, CompositeType, DataSchema, Relation } from "./schema.ts";
import type { SearchRead } from "./search_read.ts";
import { asBadInput, coerceVariables, type Values, type Variables } from "./variables.ts";

type PlanLimits =
  & Pick<
    Limits,
    | "queryDepthMax"
    | "queryCostMax"
    | "queryRootFieldsMax"
    | "filterConditionsMax"
    | "queryNestingMax"
  >
  & SearchLimits;

/** A root field that is read, or known already. */
export type PlannedRoot =
  | {
    readonly kind: "rows" | "row";
    readonly name: string;
    readonly field: string;
    readonly read: Read;
  }
  | {
    readonly kind: "aggregates";
    readonly name: string;
    readonly field: string;
    readonly read: AggregateRead;
  }
  | {
    readonly kind: "connection";
    readonly name: string;
    readonly field: string;
    readonly read: ConnectionRead;
  }
  | {
    readonly kind: "eventGroups";
    readonly name: string;
    readonly field: string;
    readonly read: EventGroupsRead;
  }
  | {
    readonly kind: "search";
    readonly name: string;
    readonly field: string;
    readonly read: SearchRead;
  }
  | {
    readonly kind: "value";
    readonly name: string;
    readonly field: string;
    readonly value: unknown;
  };

export interface PlannedOperation {
  readonly operationName: string | null;
  readonly roots: readonly PlannedRoot[];
  /** What `queryCostMax` bounds. */
  readonly cost: number;
}

/** Plans the operation that the request names. */
export function planQuery(
  document: DocumentNode,
  request: QueryRequest,
  schema: GraphQLSchema,
  data: DataSchema,
  limits: PlanLimits,
  searchColumns: readonly SearchColumn[] = [],
): PlannedOperation {
  const operation = chooseOperation(document, request.operationName ?? null);
  if (operation.operation !== "query") {
    throw new AppError(
      "UNSUPPORTED",
      `${operation.operation}s are not supported: the API reads only`,
      {
        hint: "send a query",
      },
    );
  }
  const variables = request.variables ?? {};
  const given = { document, operation, variables, schema, data, limits, searchColumns };
  return new Planner(given).plan();
}

interface PlannerInput {
  readonly document: DocumentNode;
  readonly operation: OperationDefinitionNode;
  readonly variables: Values;
  readonly schema: GraphQLSchema;
  readonly data: DataSchema;
  readonly limits: PlanLimits;
  readonly searchColumns: readonly SearchColumn[];
}

class Planner {
  readonly #variables: Variables;
  readonly #collector: FieldCollector;
  readonly #budget: ConditionBudget;
  readonly #roots: ReadonlyMap<string, Root>;
  readonly #walk: FieldWalk;
  #cost = 0;

  private readonly operation: OperationDefinitionNode;
  private readonly schema: GraphQLSchema;
  private readonly limits: PlanLimits;
  private readonly searchColumns: readonly SearchColumn[];

  constructor(given: PlannerInput) {
    const { document, operation, variables, schema, data, limits } = given;
    this.operation = operation;
    this.schema = schema;
    this.limits = limits;
    this.searchColumns = given.searchColumns;
    this.#variables = coerceVariables(schema, operation, variables, limits.queryNestingMax);
    this.#budget = new ConditionBudget(limits);
    this.#collector = new FieldCollector(document, this.#variables);
    this.#roots = rootFields(data);
    this.#walk = {
      budget: this.#budget,
      collect: (nodes) => this.#collector.below(nodes),
      count: (cost, depth, nodes) => this.#count(cost, depth, nodes),
    };
  }

  plan(): PlannedOperation {
    const query = this.schema.getQueryType();
    if (!query) throw new Error("the schema has no query type");
    const collected = this.#collector.collect([this.operation.selectionSet]);
    if (collected.size > this.limits.queryRootFieldsMax) {
      throw tooLarge(
        `more than ${this.limits.queryRootFieldsMax} root fields`,
        "query_root_fields_max",
      );
    }
    const { schema, operation } = this;
    const { fragments } = this.#collector;
    const introspected = introspect(
      { schema, operation, fragments, variables: this.#variables },
      collected,
    );
    const roots = [...collected].map(([name, nodes]) =>
      this.#root(name, nodes, query, introspected)
    );
    return { operationName: this.operation.name?.value ?? null, roots, cost: this.#cost };
  }

  #root(
    name: string,
    nodes: readonly FieldNode[],
    query: GraphQLObjectType,
    introspected: Values,
  ): PlannedRoot {
    const field = nodes[0]?.name.value ?? "";
    if (field === "__typename") return { kind: "value", name, field, value: query.name };
    if (field.startsWith("__")) return { kind: "value", name, field, value: introspected[name] };
    const root = this.#roots.get(field);
    const definition = query.getFields()[field];
    if (!root || !definition) return { kind: "value", name, field, value: null };
    this.#count(1, 1, nodes);
    const { kind, relation } = root;
    switch (kind) {
      case "rows":
        return { kind, name, field, read: this.#read(relation, nodes, definition, 1, 1) };
      case "row":
        return { kind, name, field, read: this.#rowRead(relation, nodes, definition) };
      case "aggregates":
        return { kind, name, field, read: this.#aggregate(relation, nodes, definition, 1, 1) };
      case "connection":
        return { kind, name, field, read: this.#connection(relation, nodes, definition) };
      case "eventGroups":
        return { kind, name, field, read: this.#eventGroups(nodes, definition) };
      case "search":
        return { kind, name, field, read: this.#search(relation, nodes, definition) };
      default:
        return kind satisfies never;
    }
  }

  #eventGroups(
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
  ): EventGroupsRead {
    const values = this.#arguments(nodes, definition);
    const type = getNamedType(definition.type) as GraphQLObjectType;
    return planEventGroups(nodes, values, type, this.#variables, this.#walk);
  }

  #search(
    relation: Relation,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
  ): SearchRead {
    return planSearch(nodes, this.#arguments(nodes, definition), {
      columns: this.searchColumns,
      limits: this.limits,
      walk: this.#walk,
      selectNode: (inner, { depth, factor }) =>
        this.#relationSelection(relation, inner, depth, factor),
    });
  }

  #aggregate(
    relation: Relation,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
    depth: number,
    factor: number,
  ): AggregateRead {
    const values = this.#arguments(nodes, definition);
    return planAggregate(relation, nodes, values, this.#walk, { depth, factor });
  }

  #connection(
    relation: Relation,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
  ): ConnectionRead {
    const values = this.#arguments(nodes, definition);
    return planConnection(
      relation,
      nodes,
      values,
      this.#walk,
      (inner, { depth, factor }) => this.#relationSelection(relation, inner, depth, factor),
    );
  }

  /** One row by its key. */
  #rowRead(
    relation: Relation,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
  ): Read {
    const values = this.#arguments(nodes, definition);
    const items = relation.key.map((column): Condition => ({
      kind: "compare",
      columns: [column],
      operator: "eq",
      value: values[column.name],
      place: column.name,
    }));
    return {
      relation,
      selection: this.#relationSelection(relation, nodes, 1, 1),
      where: { kind: "and", items },
      order: [],
      limit: null,
      offset: null,
    };
  }

  #read(
    relation: Relation,
    nodes: readonly FieldNode[],
    definition: GraphQLField<unknown, unknown>,
    depth: number,
    factor: number,
  ): Read {
    const values = this.#arguments(nodes, definition);
    const order = toOrder(values.orderBy as Values[], relation, "orderBy", this.#budget);
    const distinctOn = toDistinct(values.distinctOn as string[] | undefined, relation, order);
    return {
      relation,
      selection: this.#relationSelection(relation, nodes, depth, factor),
      where: toCondition(values.where as Values, relation.fields, "where", this.#budget),
      order,
      limit: toCount(values.limit, "limit"),
      offset: toCount(values.offset, "offset"),
      ...distinctOn.length > 0 && { distinctOn },
      ...typeof values.after === "string" &&
        { after: parameterText({ kind: "int8" }, values.after, "after") },
    };
  }

  #relationSelection(
    relation: Relation,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const type = this.schema.getType(relation.typeName) as GraphQLObjectType;
    const collected = this.#collector.below(nodes);
    return [...collected].map(([name, inner]): Selection => {
      const field = inner[0]?.name.value ?? "";
      this.#count(factor, depth + 1, inner);
      if (field === "__typename") return { kind: "constant", name, value: relation.typeName };
      const meaning = relation.fields.get(field);
      const definition = type.getFields()[field];
      switch (meaning?.kind) {
        case "column":
          return this.#column(name, meaning, inner, depth + 1, factor, definition);
        case "one":
          return {
            kind: "one",
            name,
            link: meaning,
            selection: this.#relationSelection(meaning.target, inner, depth + 1, factor),
          };
        case "many": {
          if (!definition) throw new Error(`no definition of ${relation.typeName}.${field}`);
          const read = this.#read(
            meaning.target,
            inner,
            definition,
            depth + 1,
            factor * listFactor,
          );
          return { kind: "many", name, link: meaning, read };
        }
        default: {
          const link = aggregateLinks(relation).get(field);
          if (!link || !definition) {
            throw new Error(`validation let ${relation.typeName}.${field} pass`);
          }
          const read = this.#aggregate(
            link.target,
            inner,
            definition,
            depth + 1,
            factor * listFactor,
          );
          return { kind: "aggregates", name, link, read };
        }
      }
    });
  }

  #column(
    name: string,
    column: Column,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
    definition: GraphQLField<unknown, unknown> | undefined,
  ): Selection {
    const type = column.type.kind === "array" ? column.type.item : column.type;
    const parts = type.kind === "composite"
      ? this.#compositeSelection(type.composite, nodes, depth, factor)
      : [];
    if (!definition?.args.length) return { kind: "column", name, column, parts };
    const path = this.#arguments(nodes, definition).path as readonly string[] | null | undefined;
    this.#budget.takePath(path?.length ?? 0);
    return { kind: "column", name, column, parts, ...path?.length && { path } };
  }

  #compositeSelection(
    composite: CompositeType,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const type = this.schema.getType(composite.typeName) as GraphQLObjectType;
    return [...this.#collector.below(nodes)].map(([name, inner]): Selection => {
      const field = inner[0]?.name.value ?? "";
      this.#count(factor, depth + 1, inner);
      if (field === "__typename") return { kind: "constant", name, value: composite.typeName };
      const attribute = composite.fields.get(field);
      if (!attribute) throw new Error(`validation let ${composite.typeName}.${field} pass`);
      return this.#column(name, attribute, inner, depth + 1, factor, type.getFields()[field]);
    });
  }

  /** Counts while it expands, so that fragments in fragments stop at the limit and not after it. */
  #count(cost: number, depth: number, nodes: readonly FieldNode[]): void {
    this.#cost += cost;
    const at = locationOf(nodes).locations?.[0];
    if (this.#cost > this.limits.queryCostMax) {
      throw tooLarge(`a cost above ${this.limits.queryCostMax}`, "query_cost_max", at);
    }
    if (depth > this.limits.queryDepthMax) {
      throw tooLarge(
        `fields nested deeper than ${this.limits.queryDepthMax}`,
        "query_depth_max",
        at,
      );
    }
  }

  #arguments(nodes: readonly FieldNode[], definition: GraphQLField<unknown, unknown>): Values {
    const node = nodes[0];
    if (!node) throw new Error("a field without a node");
    return asBadInput(() => getArgumentValues(definition, node, this.#variables));
  }
}

/** What a related list counts for: nobody knows its length beforehand. */
const listFactor = 10;
