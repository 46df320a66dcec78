/** The GraphQL types of a data schema: objects, filters, orders and the root. */

import {
  GraphQLBoolean,
  GraphQLEnumType,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  type GraphQLFieldConfigMap,
  GraphQLFloat,
  GraphQLID,
  type GraphQLInputFieldConfigMap,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLList,
  type GraphQLNamedOutputType,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
} from "graphql";
import type { SearchColumn } from "../search_columns.ts";
import type {
  ArrayType,
  Column,
  CompositeType,
  DataSchema,
  LeafType,
  Link,
  Relation,
  ValueType,
} from "./schema.ts";
import { aggregateLinks, BIG_INT, DECIMAL } from "./aggregates.ts";
import { hasPages } from "./cursors.ts";
import {
  DATE_TIME,
  EVENT_RELATIONS,
  EVENTS,
  EVENTS_AGGREGATE,
  SEARCH_EVENTS,
} from "./event_relations.ts";
import { AggregateTypes } from "./graphql_aggregates.ts";
import { ConnectionTypes } from "./graphql_connections.ts";
import { eventsAggregateField } from "./graphql_events.ts";
import { listOf, ORDER_DIRECTION } from "./graphql_inputs.ts";
import { searchEventsField } from "./graphql_search.ts";
import { isWords } from "./operators.ts";
import { SCALARS } from "./scalars.ts";

/** The schema and the types that inputs given outside of GraphQL are coerced by. */
export interface GraphqlTypes {
  readonly schema: GraphQLSchema;
  /** The filter of a column's type: `StringFilter`, `OrderStatusFilter`, ... */
  filterOf(type: ValueType): GraphQLInputType;
}

/** What there is of events: in ClickHouse, and to search with these numbers to compare. */
export interface EventFields {
  readonly events: boolean;
  readonly search: readonly SearchColumn[] | null;
}

const noEvents: EventFields = { events: false, search: null };

/** Builds every GraphQL type; throws where two would have one name. */
export function graphqlTypes(data: DataSchema, of: EventFields = noEvents): GraphqlTypes {
  const builder = new TypeBuilder(data, of);
  return { schema: builder.schema(), filterOf: (type) => builder.filter(type) };
}

class TypeBuilder {
  #named = new Map<string, GraphQLScalarType | GraphQLEnumType>([
    ["Boolean", GraphQLBoolean],
    ["Int", GraphQLInt],
    ["Float", GraphQLFloat],
    ["String", GraphQLString],
    ["ID", GraphQLID],
    ...SCALARS,
  ]);
  #objects = new Map<string, GraphQLObjectType>();
  #filters = new Map<string, GraphQLInputObjectType>();
  #inputs = new Map<string, GraphQLInputObjectType>();
  #jsonPath: GraphQLInputObjectType | undefined;
  #aggregates = new AggregateTypes({
    output: (type) => this.#output(type),
    filter: (type) => this.filter(type),
    where: (relation) => this.#where(relation),
  });
  #connections = new ConnectionTypes({
    object: (relation) => this.#object(relation),
    bigInt: SCALARS.get("BigInt") ?? GraphQLString,
  });

  constructor(private readonly data: DataSchema, private readonly of: EventFields) {
    for (const { typeName, comment, labels } of data.enums) {
      this.#named.set(
        typeName,
        new GraphQLEnumType({
          name: typeName,
          description: comment,
          values: Object.fromEntries(labels.map((label) => [label, {}])),
        }),
      );
    }
  }

  schema(): GraphQLSchema {
    const fields: GraphQLFieldConfigMap<unknown, unknown> = {};
    for (const relation of this.data.relations) {
      fields[relation.listField] = this.#listField(relation, relation.comment);
      fields[`${relation.listField}Aggregate`] = this.#aggregates.field(relation);
      if (hasPages(relation)) {
        const { where, orderBy } = this.#rowsArguments(relation);
        fields[`${relation.listField}Connection`] = this.#connections.field(relation, {
          where,
          orderBy,
        });
      }
      if (relation.rowField !== null) {
        fields[relation.rowField] = {
          type: this.#object(relation),
          description: relation.comment ?? null,
          args: Object.fromEntries(
            relation.key.map((column) => [column.name, { type: this.#required(column.type) }]),
          ),
        };
      }
    }
    if (this.of.events) Object.assign(fields, this.#eventFields());
    if (this.of.search) {
      const types = { event: this.#object(EVENTS), dateTimeFilter: this.filter(DATE_TIME) };
      fields[SEARCH_EVENTS] = searchEventsField(types, this.of.search);
    }
    if (Object.keys(fields).length === 0) {
      fields._empty = {
        type: GraphQLBoolean,
        description: "Always null: the exposed PostgreSQL schemas hold no relation.",
      };
    }
    const query = new GraphQLObjectType({
      name: "Query",
      description: "Everything that can be read.",
      fields,
    });
    return new GraphQLSchema({ query });
  }

  #eventFields(): GraphQLFieldConfigMap<unknown, unknown> {
    const limit = { type: GraphQLInt, description: "At most this many rows; all when absent." };
    const after = {
      type: SCALARS.get("BigInt") ?? GraphQLString,
      description: "Only events behind this position.",
    };
    const lists = EVENT_RELATIONS.map((relation) => [relation.listField, {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(this.#object(relation)))),
      description: relation.comment,
      args: { ...this.#rowsArguments(relation), limit, ...relation === EVENTS && { after } },
    }]);
    return {
      ...Object.fromEntries(lists),
      [EVENTS_AGGREGATE]: eventsAggregateField({
        where: this.#where(EVENTS),
        bigIntFilter: this.filter(BIG_INT),
        decimalFilter: this.filter(DECIMAL),
      }),
    };
  }

  #required(type: ValueType): GraphQLInputType {
    return new GraphQLNonNull(this.#leafInput(type as LeafType));
  }

  #leafInput(type: LeafType): GraphQLScalarType | GraphQLEnumType {
    return this.#named.get(type.graphql) ?? GraphQLString;
  }

  #listField(relation: Relation, comment: string | null): GraphQLFieldConfig<unknown, unknown> {
    const columnName = this.#aggregates.columnName(relation);
    const args: GraphQLFieldConfigArgumentMap = {
      ...this.#rowsArguments(relation),
      ...columnName && {
        distinctOn: {
          type: listOf(columnName),
          description: "The first row alone of those with the same values in these fields, with " +
            "which orderBy must begin.",
        },
      },
      limit: { type: GraphQLInt, description: "At most this many rows; all when absent." },
      offset: { type: GraphQLInt, description: "Rows to leave out at the beginning." },
    };
    return {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(this.#object(relation)))),
      description: comment,
      args,
    };
  }

  #rowsArguments(relation: Relation) {
    return {
      where: { type: this.#where(relation) },
      orderBy: { type: listOf(this.#orderBy(relation)) },
    };
  }

  #object(relation: Relation): GraphQLObjectType {
    const known = this.#objects.get(relation.typeName);
    if (known) return known;
    const type = new GraphQLObjectType({
      name: relation.typeName,
      description: relation.comment,
      fields: () => ({
        ...Object.fromEntries(
          [...relation.fields.values()].map((field) => [field.name, this.#field(field)]),
        ),
        ...Object.fromEntries(
          [...aggregateLinks(relation)].map(([name, link]) => [
            name,
            this.#aggregates.field(link.target),
          ]),
        ),
      }),
    });
    this.#objects.set(relation.typeName, type);
    return type;
  }

  #field(field: Column | Link): GraphQLFieldConfig<unknown, unknown> {
    switch (field.kind) {
      case "column":
        return this.#columnField(field);
      case "one":
        return { type: this.#object(field.target), description: field.comment };
      case "many":
        return this.#listField(field.target, field.comment);
      default:
        return field satisfies never;
    }
  }

  #columnField(column: Column): GraphQLFieldConfig<unknown, unknown> {
    const type = this.#output(column.type);
    return {
      type: column.nullable ? type : new GraphQLNonNull(type),
      description: column.comment,
      ...isJson(column.type) && { args: JSON_ARGUMENTS },
    };
  }

  #output(type: ValueType): GraphQLNamedOutputType | GraphQLList<GraphQLOutputType> {
    switch (type.kind) {
      case "leaf":
        return this.#named.get(type.graphql) ?? GraphQLString;
      case "array":
        return new GraphQLList(this.#output(type.item));
      case "composite":
        return this.#compositeObject(type.composite);
      default:
        return type satisfies never;
    }
  }

  #compositeObject(composite: CompositeType): GraphQLObjectType {
    const known = this.#objects.get(composite.typeName);
    if (known) return known;
    const type = new GraphQLObjectType({
      name: composite.typeName,
      description: composite.comment,
      fields: () =>
        Object.fromEntries(
          composite.attributes.map((attribute) => [attribute.name, this.#columnField(attribute)]),
        ),
    });
    this.#objects.set(composite.typeName, type);
    return type;
  }

  #where(relation: Relation): GraphQLInputObjectType {
    return this.#conditions(
      `${relation.typeName}Where`,
      `Conditions on ${relation.typeName}; all that are given must hold.`,
      () => [...relation.fields.values()],
    );
  }

  #conditions(
    name: string,
    description: string,
    fields: () => readonly (Column | Link)[],
  ): GraphQLInputObjectType {
    const known = this.#inputs.get(name);
    if (known) return known;
    const type: GraphQLInputObjectType = new GraphQLInputObjectType({
      name,
      description,
      fields: () => {
        const config: GraphQLInputFieldConfigMap = {};
        for (const field of fields()) {
          config[field.name] = field.kind === "column"
            ? { type: this.filter(field.type) }
            : { type: this.#where(field.target), description: LINK_CONDITION[field.kind] };
        }
        // Ours win over a column of the same name.
        config.and = { type: listOf(type), description: "All of these hold." };
        config.or = { type: listOf(type), description: "At least one of these holds." };
        config.not = { type, description: "This does not hold." };
        return config;
      },
    });
    this.#inputs.set(name, type);
    return type;
  }

  #orderBy(relation: Relation): GraphQLInputObjectType {
    return this.#order(`${relation.typeName}OrderBy`, () => [...relation.fields.values()]);
  }

  #order(name: string, fields: () => readonly (Column | Link)[]): GraphQLInputObjectType {
    const known = this.#inputs.get(name);
    if (known) return known;
    const type = new GraphQLInputObjectType({
      name,
      description: "One key of the order; give several as a list.",
      isOneOf: true,
      fields: () => {
        const config: GraphQLInputFieldConfigMap = {};
        for (const field of fields()) {
          if (field.kind === "one") config[field.name] = { type: this.#orderBy(field.target) };
          else if (field.kind === "column" && isOrderable(field.type)) {
            config[field.name] = { type: ORDER_DIRECTION };
          }
        }
        // A relation with nothing to order by would be an input without fields.
        if (Object.keys(config).length === 0) config._none = { type: ORDER_DIRECTION };
        return config;
      },
    });
    this.#inputs.set(name, type);
    return type;
  }

  filter(type: ValueType): GraphQLInputObjectType {
    switch (type.kind) {
      case "composite":
        return this.#conditions(
          `${type.composite.typeName}Where`,
          `Conditions on the parts of ${type.composite.typeName}.`,
          () => type.composite.attributes,
        );
      case "array":
        return this.#arrayFilter(type);
      case "leaf":
        return this.#leafFilter(type);
      default:
        return type satisfies never;
    }
  }

  #leafFilter(type: LeafType): GraphQLInputObjectType {
    const json = isJson(type);
    const name = filterName(type);
    const input = this.#leafInput(type);
    return this.#filter(name, `Conditions on a value of type ${type.graphql}.`, () => ({
      ...(json || type.orderable) && EQUALITY(input),
      ...!json && type.orderable && COMPARISON(input),
      isNull: { type: GraphQLBoolean, description: "true: is null; false: is not null." },
      ...type.textual && TEXT_OPERATORS,
      ...(type.textual || isWords(type)) && MATCHES,
      ...json && this.#jsonOperators(),
    }));
  }

  #arrayFilter(type: ArrayType): GraphQLInputObjectType {
    const isNull = { type: GraphQLBoolean, description: "true: is null; false: is not null." };
    const { item } = type;
    if (item.kind === "composite" || !item.orderable) {
      return this.#filter("OpaqueFilter", "Conditions on a value that has no order.", () => ({
        isNull,
      }));
    }
    const name = filterName(item).replace(/Filter$/, "ListFilter");
    const input = this.#leafInput(item);
    return this.#filter(name, `Conditions on a list of ${item.graphql}.`, () => ({
      has: { type: input, description: "Has this element." },
      hasAny: { type: listOf(input), description: "Has at least one of these elements." },
      hasAll: { type: listOf(input), description: "Has all of these elements." },
      isNull,
    }));
  }

  #filter(
    name: string,
    description: string,
    fields: () => GraphQLInputFieldConfigMap,
  ): GraphQLInputObjectType {
    const known = this.#filters.get(name);
    if (known) return known;
    const type = new GraphQLInputObjectType({ name, description, fields });
    this.#filters.set(name, type);
    return type;
  }

  #jsonOperators(): GraphQLInputFieldConfigMap {
    const anyJson = this.#named.get("JSON") as GraphQLScalarType;
    this.#jsonPath ??= new GraphQLInputObjectType({
      name: "JSONPathFilter",
      description: "Conditions on the value at a path; it must be there to be compared.",
      fields: {
        path: {
          type: new GraphQLNonNull(listOf(GraphQLString)),
          description: "Keys and array indexes from the outside in.",
        },
        ...EQUALITY(anyJson),
        ...COMPARISON(anyJson),
        ...TEXT_OPERATORS,
        isNull: { type: GraphQLBoolean, description: "true: absent or JSON null." },
      },
    });
    return {
      contains: { type: anyJson, description: "Contains this JSON, as PostgreSQL's @>." },
      hasKey: { type: GraphQLString, description: "Has this key or, as an array, this text." },
      path: { type: listOf(this.#jsonPath), description: "All of these hold." },
    };
  }
}

const LINK_CONDITION = {
  one: "The related row is there and fulfils this.",
  many: "At least one related row fulfils this.",
} as const;

const EQUALITY = (type: GraphQLScalarType | GraphQLEnumType): GraphQLInputFieldConfigMap => ({
  eq: { type, description: "Equals." },
  neq: { type, description: "Is another value; null is none." },
  in: { type: listOf(type), description: "Is one of these." },
  nin: { type: listOf(type), description: "Is none of these; null is not either." },
});

const COMPARISON = (type: GraphQLScalarType | GraphQLEnumType): GraphQLInputFieldConfigMap => ({
  gt: { type, description: "Is greater." },
  gte: { type, description: "Is greater or equal." },
  lt: { type, description: "Is less." },
  lte: { type, description: "Is less or equal." },
});

const TEXT_OPERATORS: GraphQLInputFieldConfigMap = {
  like: { type: GraphQLString, description: "SQL pattern: % any text, _ any character." },
  ilike: { type: GraphQLString, description: "The same in any case." },
  contains: { type: GraphQLString, description: "Contains this text." },
  icontains: { type: GraphQLString, description: "The same in any case." },
  startsWith: { type: GraphQLString, description: "Begins with this text." },
  endsWith: { type: GraphQLString, description: "Ends with this text." },
};

const MATCHES: GraphQLInputFieldConfigMap = {
  matches: {
    type: GraphQLString,
    description: 'Full-text search: words, "a phrase", or, -not; as a search engine reads them.',
  },
};

const JSON_ARGUMENTS: GraphQLFieldConfigArgumentMap = {
  path: {
    type: listOf(GraphQLString),
    description: "Keys and array indexes from the outside in; null where nothing is there.",
  },
};

function isJson(type: ValueType): boolean {
  return type.kind === "leaf" && (type.scalar.kind === "json" || type.scalar.kind === "jsonb");
}

function isOrderable(type: ValueType): boolean {
  return type.kind === "leaf" && type.orderable;
}

/** Types of one GraphQL name can differ in what can be asked of them. */
function filterName(type: LeafType): string {
  if (isWords(type)) return "WordsFilter";
  if (type.graphql !== "String") {
    return type.orderable || isJson(type) ? `${type.graphql}Filter` : "OpaqueFilter";
  }
  if (type.textual) return "StringFilter";
  return type.orderable ? "PlainTextFilter" : "OpaqueFilter";
}
