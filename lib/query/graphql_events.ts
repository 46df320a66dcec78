/** The GraphQL types of `eventsAggregate`: what a group of events gives, and its inputs. */

import {
  GraphQLEnumType,
  type GraphQLFieldConfig,
  type GraphQLInputFieldConfigMap,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from "graphql";
import { EVENTS, GROUP_COLUMNS, NUMBERS } from "./event_relations.ts";
import { TRUNCATE_BY_TYPE } from "./graphql_aggregates.ts";
import { listOf, ORDER_DIRECTION } from "./graphql_inputs.ts";
import { SCALARS } from "./scalars.ts";

/** What these types take from those of rows. */
export interface EventTypes {
  readonly where: GraphQLInputType;
  readonly bigIntFilter: GraphQLInputObjectType;
  readonly decimalFilter: GraphQLInputObjectType;
}

const bigInt = SCALARS.get("BigInt") ?? GraphQLString;
const decimal = SCALARS.get("Decimal") ?? GraphQLString;

const PATH = {
  type: new GraphQLNonNull(listOf(GraphQLString)),
  description: "Keys and array indexes of data from the outside in.",
};

const COLUMN_NAME = new GraphQLEnumType({
  name: "EntityEventColumnName",
  description: "Fields of events whose values can be told apart.",
  values: Object.fromEntries(
    GROUP_COLUMNS.map(({ name, comment }) => [name, { description: comment }]),
  ),
});

/** Either of the two, as the planner sees to. */
const PATH_OR_FIELD = {
  path: { type: listOf(GraphQLString), description: "Keys and array indexes of data." },
  field: { type: COLUMN_NAME, description: "A field of events, in place of a path." },
};

const DISTINCT = "How many different values; null is none.";

const GROUP = new GraphQLObjectType({
  name: "EntityEventGroup",
  description: "What events of a group have in common by one entry of groupBy.",
  fields: {
    key: { type: new GraphQLNonNull(GraphQLString), description: "The entry's `as`." },
    value: {
      type: GraphQLString,
      description: "The value as a text; of JSON that is no string, the JSON.",
    },
  },
});

const AGGREGATE = new GraphQLObjectType({
  name: "EntityEventAggregate",
  description: "A group of events.",
  fields: {
    group: {
      type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(GROUP))),
      description: "What its events have in common, in the order of groupBy.",
    },
    count: { type: new GraphQLNonNull(bigInt), description: "How many events." },
    countDistinct: {
      type: new GraphQLNonNull(bigInt),
      description: DISTINCT,
      args: PATH_OR_FIELD,
    },
    ...Object.fromEntries(NUMBERS.map(({ name, description }) => [
      name,
      { type: decimal, description, args: { path: PATH } },
    ])),
  },
});

const GROUP_BY = new GraphQLInputObjectType({
  name: "EntityEventGroupBy",
  description: "A value that events of a group have in common: of a path of data, or of a field.",
  fields: {
    ...PATH_OR_FIELD,
    by: { type: TRUNCATE_BY_TYPE, description: "Of timestamp: cut to its beginning." },
    timeZone: {
      type: GraphQLString,
      description: 'Where the periods begin, like "Europe/Paris"; UTC when absent.',
    },
    as: {
      type: GraphQLString,
      description: "Its key, and its column over Flight; the field, or the path with points.",
    },
  },
});

/** `eventsAggregate(where, groupBy, having, orderBy, limit)`. */
export function eventsAggregateField(types: EventTypes): GraphQLFieldConfig<unknown, unknown> {
  return {
    type: new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(AGGREGATE))),
    description: `Groups of ${EVENTS.listField}; without groupBy, all of them in one.`,
    args: {
      where: { type: types.where, description: "Which events count." },
      groupBy: { type: listOf(GROUP_BY), description: "What events of a group have in common." },
      having: { type: havingType(types), description: "Which groups are given." },
      orderBy: { type: listOf(ORDER_BY) },
      limit: { type: GraphQLInt, description: "At most this many groups; all when absent." },
    },
  };
}

function havingType({ bigIntFilter, decimalFilter }: EventTypes): GraphQLInputObjectType {
  const operators = (filter: GraphQLInputObjectType): GraphQLInputFieldConfigMap =>
    Object.fromEntries(
      Object.values(filter.getFields()).map(({ name, type, description }) => [
        name,
        { type, description: description ?? null },
      ]),
    );
  const distinct = new GraphQLInputObjectType({
    name: "EntityEventHavingDistinct",
    description: "Conditions on how many different values there are.",
    fields: () => ({ ...PATH_OR_FIELD, ...operators(bigIntFilter) }),
  });
  const number = new GraphQLInputObjectType({
    name: "EntityEventHavingNumber",
    description: "Conditions on what the numbers of a path come to.",
    fields: () => ({ path: PATH, ...operators(decimalFilter) }),
  });
  const type: GraphQLInputObjectType = new GraphQLInputObjectType({
    name: "EntityEventHaving",
    description: "Conditions on groups of events; all that are given must hold.",
    fields: () => ({
      count: { type: bigIntFilter },
      countDistinct: { type: listOf(distinct) },
      ...Object.fromEntries(NUMBERS.map(({ name }) => [name, { type: listOf(number) }])),
      and: { type: listOf(type), description: "All of these hold." },
      or: { type: listOf(type), description: "At least one of these holds." },
      not: { type, description: "This does not hold." },
    }),
  });
  return type;
}

const direction = { type: ORDER_DIRECTION, defaultValue: "ASC" };

const ORDER_BY = new GraphQLInputObjectType({
  name: "EntityEventAggregateOrderBy",
  description: "One key of the order; give several as a list.",
  isOneOf: true,
  fields: () => {
    const number = new GraphQLInputObjectType({
      name: "EntityEventMeasureOrder",
      description: "One key of the order: what the numbers of a path come to.",
      fields: { path: PATH, direction },
    });
    return {
      count: { type: ORDER_DIRECTION },
      group: {
        type: new GraphQLInputObjectType({
          name: "EntityEventGroupOrder",
          description: "One key of the order: an entry of groupBy by its `as`.",
          fields: { as: { type: new GraphQLNonNull(GraphQLString) }, direction },
        }),
      },
      countDistinct: {
        type: new GraphQLInputObjectType({
          name: "EntityEventDistinctOrder",
          description: "One key of the order: how many different values there are.",
          fields: { ...PATH_OR_FIELD, direction },
        }),
      },
      ...Object.fromEntries(NUMBERS.map(({ name }) => [name, { type: number }])),
    };
  },
});
