/** A validated document, its variables and the data schema -> reads. Pure: no row is touched. */

import {
  type DocumentNode,
  executeSync,
  type FieldNode,
  type FragmentDefinitionNode,
  getArgumentValues,
  getDirectiveValues,
  getVariableValues,
  GraphQLError,
  type GraphQLField,
  GraphQLIncludeDirective,
  GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { aggregateLinks } from "./aggregates.ts";
import { ConditionBudget, toCondition, toCount, toOrder } from "./conditions.ts";
import { hasPages } from "./cursors.ts";
import { fromGraphql, fromGraphqls, locationOf, tooLarge } from "./parse.ts";
import { planAggregate } from "./plan_aggregate.ts";
import { planConnection } from "./plan_connection.ts";
import type { FieldWalk } from "./plan_walk.ts";
import type { QueryRequest } from "./query_engine.ts";
import type {
  AggregateRead,
  Condition,
  ConnectionRead,
  OrderTerm,
  Read,
  Selection,
} from "./read_plan.ts";
import { short } from "./scalars.ts";
import type { Column, CompositeType, DataSchema, Relation } from "./schema.ts";

type PlanLimits = Pick<
  Limits,
  | "queryDepthMax"
  | "queryCostMax"
  | "queryRootFieldsMax"
  | "filterConditionsMax"
  | "queryNestingMax"
>;

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
  return new Planner(document, operation, request.variables ?? {}, schema, data, limits).plan();
}

function chooseOperation(document: DocumentNode, name: string | null): OperationDefinitionNode {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const names = operations.flatMap((operation) => operation.name?.value ?? []);
  if (name === null || name === "") {
    const [only, ...more] = operations;
    if (only && more.length === 0) return only;
    throw new AppError("BAD_INPUT", `the document has ${operations.length} operations`, {
      hint: operations.length === 0
        ? "write one, like { __typename }"
        : `name one of them in operationName: ${names.join(", ")}`,
    });
  }
  const found = operations.find((operation) => operation.name?.value === name);
  if (found) return found;
  throw new AppError("BAD_INPUT", `the document has no operation named ${short(name)}`, {
    hint: names.length > 0 ? `it has ${names.join(", ")}` : "its operation has no name",
  });
}

type Values = Readonly<Record<string, unknown>>;

/** A response name and every field node that gives it. */
type Collected = ReadonlyMap<string, readonly FieldNode[]>;

class Planner {
  readonly #variables: { [variable: string]: unknown };
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  readonly #budget: ConditionBudget;
  readonly #roots: ReadonlyMap<string, Root>;
  readonly #walk: FieldWalk;
  #cost = 0;

  constructor(
    private readonly document: DocumentNode,
    private readonly operation: OperationDefinitionNode,
    variables: Values,
    private readonly schema: GraphQLSchema,
    data: DataSchema,
    private readonly limits: PlanLimits,
  ) {
    this.#variables = coerceVariables(schema, operation, variables, limits);
    this.#budget = new ConditionBudget(limits);
    this.#fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : []
      ),
    );
    this.#roots = rootsOf(data);
    this.#walk = {
      budget: this.#budget,
      collect: (nodes) => this.#collectBelow(nodes),
      count: (cost, depth, nodes) => this.#count(cost, depth, nodes),
    };
  }

  plan(): PlannedOperation {
    const query = this.schema.getQueryType();
    if (!query) throw new Error("the schema has no query type");
    const collected = this.#collect([this.operation.selectionSet]);
    if (collected.size > this.limits.queryRootFieldsMax) {
      throw tooLarge(
        `more than ${this.limits.queryRootFieldsMax} root fields`,
        "query_root_fields_max",
      );
    }
    const introspected = this.#introspect(collected);
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
      default:
        return kind satisfies never;
    }
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
    };
  }

  #relationSelection(
    relation: Relation,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const type = this.schema.getType(relation.typeName) as GraphQLObjectType;
    const collected = this.#collectBelow(nodes);
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
    path?.forEach(() => this.#budget.take());
    return { kind: "column", name, column, parts, ...path?.length && { path } };
  }

  #compositeSelection(
    composite: CompositeType,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const type = this.schema.getType(composite.typeName) as GraphQLObjectType;
    return [...this.#collectBelow(nodes)].map(([name, inner]): Selection => {
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

  #collectBelow(nodes: readonly FieldNode[]): Collected {
    return this.#collect(nodes.flatMap((node) => node.selectionSet ?? []));
  }

  /** GraphQL's CollectFields, with the merged selection sets of one response name together. */
  #collect(sets: readonly SelectionSetNode[]): Collected {
    const fields = new Map<string, FieldNode[]>();
    const visited = new Set<string>();
    const add = (set: SelectionSetNode): void => {
      for (const selection of set.selections) {
        if (!this.#included(selection)) continue;
        switch (selection.kind) {
          case Kind.FIELD: {
            const name = selection.alias?.value ?? selection.name.value;
            const nodes = fields.get(name);
            if (nodes) nodes.push(selection);
            else fields.set(name, [selection]);
            break;
          }
          case Kind.INLINE_FRAGMENT:
            // Every type is an object type, so validation has seen to it that conditions match.
            add(selection.selectionSet);
            break;
          case Kind.FRAGMENT_SPREAD: {
            const fragment = this.#fragments.get(selection.name.value);
            if (!fragment || visited.has(selection.name.value)) break;
            visited.add(selection.name.value);
            add(fragment.selectionSet);
            break;
          }
          default:
            return selection satisfies never;
        }
      }
    };
    for (const set of sets) add(set);
    return fields;
  }

  #included(node: Parameters<typeof getDirectiveValues>[1]): boolean {
    if (!node.directives?.length) return true;
    return asBadInput(() => {
      const skip = getDirectiveValues(GraphQLSkipDirective, node, this.#variables);
      const include = getDirectiveValues(GraphQLIncludeDirective, node, this.#variables);
      return skip?.if !== true && include?.if !== false;
    });
  }

  /** Answers `__schema` and `__type` by graphql-js itself, from the root fields that ask for them. */
  #introspect(collected: Collected): Values {
    const nodes = [...collected.values()].flat().filter((node) =>
      /^__(schema|type)$/.test(node.name.value)
    );
    if (nodes.length === 0) return {};
    this.#checkIntrospection(nodes);
    const operation = {
      ...this.operation,
      selectionSet: { kind: Kind.SELECTION_SET, selections: nodes },
    } as const;
    const answer = executeSync({
      schema: this.schema,
      document: { kind: Kind.DOCUMENT, definitions: [operation, ...this.#fragments.values()] },
      variableValues: this.#variables,
    });
    if (answer.errors) throw fromGraphqls(answer.errors, "BAD_INPUT");
    return answer.data ?? {};
  }

  /** Reading a schema of hundreds of types takes a moment; asking for it many times is refused. */
  #checkIntrospection(roots: readonly FieldNode[]): void {
    const schemas = new Set(
      roots.filter((node) => node.name.value === "__schema").map((node) => node.alias?.value ?? ""),
    );
    let aliases = 0;
    const spread = new Set<string>();
    const count = (set: SelectionSetNode | undefined): void => {
      for (const selection of set?.selections ?? []) {
        if (selection.kind === Kind.FIELD && selection.alias) aliases++;
        if (selection.kind !== Kind.FRAGMENT_SPREAD) count(selection.selectionSet);
        else if (!spread.has(selection.name.value)) {
          spread.add(selection.name.value);
          count(this.#fragments.get(selection.name.value)?.selectionSet);
        }
      }
    };
    roots.forEach((node) => count(node.selectionSet));
    if (schemas.size <= schemaFieldsMax && aliases <= introspectionAliasesMax) return;
    throw new AppError("TOO_LARGE", "the introspection asks for the same under many names", {
      hint: `ask __schema once, with at most ${introspectionAliasesMax} aliases in it`,
    });
  }
}

/**
 * Without aliases an introspection is bounded by the schema: validation allows two lists in one
 * another. Each alias multiplies that, and no tool uses one there.
 */
const introspectionAliasesMax = 3;
const schemaFieldsMax = 2;

/** What a related list counts for: nobody knows its length beforehand. */
const listFactor = 10;

function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Values,
  limits: PlanLimits,
): { [variable: string]: unknown } {
  refuseDeep(variables, limits.queryNestingMax, "the variables are");
  const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variables, {
    maxErrors: 20,
  });
  if (coerced.errors) throw fromGraphqls(coerced.errors, "BAD_INPUT");
  return coerced.coerced;
}

/** A variable that is null where the default would not be is found only when it is used. */
function asBadInput<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (error instanceof GraphQLError) throw fromGraphql(error, "BAD_INPUT");
    throw error;
  }
}

/** Coercion recurses, JSON.parse does not: what is too deep must not reach it. */
export function refuseDeep(input: Values, most: number, what: string): void {
  let level: unknown[] = [input];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) {
      throw new AppError("TOO_LARGE", `${what} nested deeper than ${most}`);
    }
    level = level.flatMap((value) =>
      typeof value === "object" && value !== null
        ? Object.values(value).filter((inner) => typeof inner === "object" && inner !== null)
        : []
    );
  }
}

/**
 * The columns of `distinctOn`. PostgreSQL takes the first row of each, so the order must begin with
 * them, in any sequence.
 */
function toDistinct(
  names: readonly string[] | null | undefined,
  relation: Relation,
  order: readonly OrderTerm[],
): Column[] {
  const columns = [...new Set(names ?? [])].flatMap((name) => {
    const field = relation.fields.get(name);
    return field?.kind === "column" ? [field] : [];
  });
  const missing = new Set(columns);
  const fits = order.every(({ links, column }) => {
    if (missing.size === 0) return true;
    missing.delete(column);
    return links.length === 0 && columns.includes(column);
  });
  if (fits) return columns;
  const wanted = columns.map(({ name }) => name).join(", ");
  throw new AppError(
    "BAD_INPUT",
    `orderBy does not begin with the fields of distinctOn: ${wanted}`,
    {
      hint: "begin with them, each in the direction you like, and put the others behind",
    },
  );
}

interface Root {
  readonly relation: Relation;
  readonly kind: "rows" | "row" | "aggregates" | "connection";
}

const rootsBySchema = new WeakMap<DataSchema, ReadonlyMap<string, Root>>();

function rootsOf(data: DataSchema): ReadonlyMap<string, Root> {
  const known = rootsBySchema.get(data);
  if (known) return known;
  const roots = new Map<string, Root>();
  for (const relation of data.relations) {
    const { listField, rowField } = relation;
    roots.set(listField, { relation, kind: "rows" });
    roots.set(`${listField}Aggregate`, { relation, kind: "aggregates" });
    if (hasPages(relation)) roots.set(`${listField}Connection`, { relation, kind: "connection" });
    if (rowField !== null) roots.set(rowField, { relation, kind: "row" });
  }
  rootsBySchema.set(data, roots);
  return roots;
}
