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
import { ConditionBudget, toCondition, toCount, toOrder } from "./conditions.ts";
import { fromGraphql, fromGraphqls, tooLarge } from "./parse.ts";
import type { QueryRequest } from "./query_engine.ts";
import type { Condition, Read, Selection } from "./read_plan.ts";
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
    readonly kind: "value";
    readonly name: string;
    readonly field: string;
    readonly value: unknown;
  };

export interface PlannedOperation {
  readonly operationName: string | null;
  readonly roots: readonly PlannedRoot[];
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
  readonly #roots: ReadonlyMap<string, { relation: Relation; kind: "rows" | "row" }>;
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
    return { operationName: this.operation.name?.value ?? null, roots };
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
    if (root.kind === "rows") {
      return {
        kind: "rows",
        name,
        field,
        read: this.#read(root.relation, nodes, definition, 1, 1),
      };
    }
    return { kind: "row", name, field, read: this.#rowRead(root.relation, nodes, definition) };
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
    return {
      relation,
      selection: this.#relationSelection(relation, nodes, depth, factor),
      where: toCondition(values.where as Values, relation.fields, "where", this.#budget),
      order: toOrder(values.orderBy as Values[], relation, "orderBy", this.#budget),
      limit: toCount(values.limit, "limit"),
      offset: toCount(values.offset, "offset"),
    };
  }

  #relationSelection(
    relation: Relation,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const type = this.schema.getType(relation.typeName) as GraphQLObjectType;
    const collected = this.#collect(nodes.flatMap((node) => node.selectionSet ?? []));
    return [...collected].map(([name, inner]): Selection => {
      const field = inner[0]?.name.value ?? "";
      this.#count(factor, depth + 1, inner);
      if (field === "__typename") return { kind: "constant", name, value: relation.typeName };
      const meaning = relation.fields.get(field);
      switch (meaning?.kind) {
        case "column":
          return this.#column(name, meaning, inner, depth + 1, factor);
        case "one":
          return {
            kind: "one",
            name,
            link: meaning,
            selection: this.#relationSelection(meaning.target, inner, depth + 1, factor),
          };
        case "many": {
          const definition = type.getFields()[field];
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
        default:
          throw new Error(`validation let ${relation.typeName}.${field} pass`);
      }
    });
  }

  #column(
    name: string,
    column: Column,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection {
    const type = column.type.kind === "array" ? column.type.item : column.type;
    const parts = type.kind === "composite"
      ? this.#compositeSelection(type.composite, nodes, depth, factor)
      : [];
    return { kind: "column", name, column, parts };
  }

  #compositeSelection(
    composite: CompositeType,
    nodes: readonly FieldNode[],
    depth: number,
    factor: number,
  ): Selection[] {
    const collected = this.#collect(nodes.flatMap((node) => node.selectionSet ?? []));
    return [...collected].map(([name, inner]): Selection => {
      const field = inner[0]?.name.value ?? "";
      this.#count(factor, depth + 1, inner);
      if (field === "__typename") return { kind: "constant", name, value: composite.typeName };
      const attribute = composite.fields.get(field);
      if (!attribute) throw new Error(`validation let ${composite.typeName}.${field} pass`);
      return this.#column(name, attribute, inner, depth + 1, factor);
    });
  }

  /** Counts while it expands, so that fragments in fragments stop at the limit and not after it. */
  #count(cost: number, depth: number, nodes: readonly FieldNode[]): void {
    this.#cost += cost;
    const location = nodes[0]?.loc?.startToken;
    const at = location && { line: location.line, column: location.column };
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

const rootsBySchema = new WeakMap<
  DataSchema,
  Map<string, { relation: Relation; kind: "rows" | "row" }>
>();

function rootsOf(data: DataSchema) {
  const known = rootsBySchema.get(data);
  if (known) return known;
  const roots = new Map<string, { relation: Relation; kind: "rows" | "row" }>();
  for (const relation of data.relations) {
    roots.set(relation.listField, { relation, kind: "rows" });
    if (relation.rowField !== null) roots.set(relation.rowField, { relation, kind: "row" });
  }
  rootsBySchema.set(data, roots);
  return roots;
}
