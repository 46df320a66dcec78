/** The GraphQL types of `searchEvents`: its hits, and its inputs. */

import {
  GraphQLBoolean,
  GraphQLEnumType,
  type GraphQLFieldConfig,
  GraphQLInputObjectType,
  type GraphQLInputType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLString,
} from "graphql";
import type { SearchColumn } from "../search_columns.ts";
import { EVENTS } from "./event_relations.ts";
import { PAGE_INFO } from "./graphql_connections.ts";
import { listOf, ORDER_DIRECTION } from "./graphql_inputs.ts";
import { SCALARS } from "./scalars.ts";

/** What these types take from those of rows. */
export interface SearchTypes {
  readonly event: GraphQLObjectType;
  readonly dateTimeFilter: GraphQLInputType;
}

const bigInt = SCALARS.get("BigInt") ?? GraphQLString;
const json = SCALARS.get("JSON") ?? GraphQLString;
const required = (type: GraphQLObjectType | typeof GraphQLString) => new GraphQLNonNull(type);
const requiredList = (type: GraphQLObjectType | typeof GraphQLString) =>
  new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)));

const HIGHLIGHT = new GraphQLObjectType({
  name: "EntityEventHighlight",
  description: "A text or number of an event's data in which words were found.",
  fields: {
    path: {
      type: requiredList(GraphQLString),
      description: "The keys that lead there, through arrays as if they were not there.",
    },
    text: {
      type: required(GraphQLString),
      description: "A piece of it as HTML, the words that were found in <em>.",
    },
  },
});

/** `searchEvents(text, where, data, orderBy, first, after)`. */
export function searchEventsField(
  types: SearchTypes,
  columns: readonly SearchColumn[],
): GraphQLFieldConfig<unknown, unknown> {
  const hit = new GraphQLObjectType({
    name: "EntityEventHit",
    description: "An event that was found, and its place.",
    fields: {
      cursor: {
        type: required(GraphQLString),
        description: "The event's place in this order, for after.",
      },
      highlights: {
        type: requiredList(HIGHLIGHT),
        description: "Where the words of text are; empty without text.",
      },
      node: {
        type: required(types.event),
        description: "The event. Its position is null: a search does not know it.",
      },
    },
  });
  return {
    type: required(
      new GraphQLObjectType({
        name: "EntityEventSearch",
        description: "Events that were found.",
        fields: {
          total: {
            type: new GraphQLNonNull(bigInt),
            description: "How many there are on all pages.",
          },
          edges: { type: requiredList(hit) },
          pageInfo: { type: required(PAGE_INFO) },
        },
      }),
    ),
    description: "Events that hold all words and fulfil all conditions, newest first.",
    args: {
      text: {
        type: GraphQLString,
        description: 'Words that data must hold, all of them; "a phrase", a prefix*.',
      },
      where: { type: whereType(types), description: "Conditions on fields of events." },
      data: {
        type: listOf(dataCondition(columns)),
        description: "Conditions on values in data; all hold.",
      },
      orderBy: { type: listOf(ORDER_BY), description: "timestamp: DESC when absent." },
      first: { type: GraphQLInt, description: "At most so many; 20 when absent." },
      after: { type: GraphQLString, description: "Behind the event with this cursor." },
    },
  };
}

const TEXT_FILTER = new GraphQLInputObjectType({
  name: "EntityEventTextFilter",
  description: "Conditions on a field of events.",
  fields: {
    eq: { type: GraphQLString, description: "Equals." },
    neq: { type: GraphQLString, description: "Is another value; null is none." },
    in: { type: listOf(GraphQLString), description: "Is one of these." },
    nin: { type: listOf(GraphQLString), description: "Is none of these; null is not either." },
    startsWith: { type: GraphQLString, description: "Begins with this text." },
    isNull: { type: GraphQLBoolean, description: "true: is null; false: is not null." },
  },
});

function whereType({ dateTimeFilter }: SearchTypes): GraphQLInputObjectType {
  const type: GraphQLInputObjectType = new GraphQLInputObjectType({
    name: "EntityEventSearchWhere",
    description: "Conditions on fields of events; all that are given must hold.",
    fields: () => ({
      ...Object.fromEntries(
        EVENTS.columns.filter(({ name }) => name !== "data" && name !== "position")
          .map(({ name }) => [name, {
            type: name === "timestamp" ? dateTimeFilter : TEXT_FILTER,
          }]),
      ),
      and: { type: listOf(type), description: "All of these hold." },
      or: { type: listOf(type), description: "At least one of these holds." },
      not: { type, description: "This does not hold." },
    }),
  });
  return type;
}

const compared = "One of the numbers there is";

const OPERATOR = new GraphQLEnumType({
  name: "EntityEventDataOperator",
  description: "How a value in data is compared.",
  values: {
    eq: { description: "One of the values there equals, as a text." },
    neq: { description: "Something is there, and nothing that equals." },
    in: { description: "One of the values there is one of these." },
    nin: { description: "Something is there, and none of these." },
    gt: { description: `${compared} greater.` },
    gte: { description: `${compared} greater or equal.` },
    lt: { description: `${compared} less.` },
    lte: { description: `${compared} less or equal.` },
    isNull: { description: "true: no text, number or boolean is there; false: one is." },
  },
});

function dataCondition(columns: readonly SearchColumn[]): GraphQLInputObjectType {
  const names = columns.map(({ path }) => path.join(".")).join(", ");
  return new GraphQLInputObjectType({
    name: "EntityEventDataCondition",
    description: "A condition on what is in data at a path. " +
      (names === "" ? "No number can be compared by gt and its like." : `Numbers: ${names}.`),
    fields: {
      path: {
        type: new GraphQLNonNull(listOf(GraphQLString)),
        description: "Keys from the outside in, through arrays as if they were not there.",
      },
      op: { type: OPERATOR, defaultValue: "eq" },
      value: {
        type: json,
        description: "A text, number or boolean; a list of them for in and nin.",
      },
    },
  });
}

const ORDER_BY = new GraphQLInputObjectType({
  name: "EntityEventSearchOrderBy",
  description: "The order of what was found; events of one moment are in order of their ids.",
  isOneOf: true,
  fields: {
    timestamp: { type: ORDER_DIRECTION },
    relevance: {
      type: ORDER_DIRECTION,
      description: "DESC: those first that text fits best, as the store sees it.",
    },
  },
});
