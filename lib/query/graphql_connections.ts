/** The GraphQL types of Relay's connections: https://relay.dev/graphql/connections.htm. */

import {
  GraphQLBoolean,
  type GraphQLFieldConfig,
  type GraphQLFieldConfigArgumentMap,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  type GraphQLScalarType,
  GraphQLString,
} from "graphql";
import type { Relation } from "./schema.ts";

/** Relay's `PageInfo`. */
export const PAGE_INFO = new GraphQLObjectType({
  name: "PageInfo",
  description: "Where a page lies among all rows.",
  fields: {
    hasNextPage: { type: new GraphQLNonNull(GraphQLBoolean) },
    hasPreviousPage: { type: new GraphQLNonNull(GraphQLBoolean) },
    startCursor: { type: GraphQLString, description: "Null on a page without rows." },
    endCursor: { type: GraphQLString, description: "Null on a page without rows." },
  },
});

/** What these types take from those of rows. */
export interface NodeTypes {
  object(relation: Relation): GraphQLObjectType;
  readonly bigInt: GraphQLScalarType;
}

export class ConnectionTypes {
  constructor(private readonly nodes: NodeTypes) {}

  /** `ordersConnection(first, after, last, before, where, orderBy)`. */
  field(
    relation: Relation,
    rowsArguments: GraphQLFieldConfigArgumentMap,
  ): GraphQLFieldConfig<unknown, unknown> {
    return {
      type: new GraphQLNonNull(this.#connection(relation)),
      description: `A page of ${relation.listField}.`,
      args: {
        first: { type: GraphQLInt, description: "At most so many from the beginning." },
        after: { type: GraphQLString, description: "Behind the row with this cursor." },
        last: { type: GraphQLInt, description: "At most so many from the end." },
        before: { type: GraphQLString, description: "In front of the row with this cursor." },
        ...rowsArguments,
      },
    };
  }

  #connection(relation: Relation): GraphQLObjectType {
    const node = this.nodes.object(relation);
    const edge = new GraphQLObjectType({
      name: `${relation.typeName}Edge`,
      description: `A ${relation.typeName} and its place.`,
      fields: () => ({
        cursor: {
          type: new GraphQLNonNull(GraphQLString),
          description: "The row's place in this order, for after and before.",
        },
        node: { type: new GraphQLNonNull(node) },
      }),
    });
    const list = (type: GraphQLObjectType) =>
      new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)));
    return new GraphQLObjectType({
      name: `${relation.typeName}Connection`,
      description: `A page of ${relation.listField}.`,
      fields: () => ({
        edges: { type: list(edge) },
        nodes: { type: list(node), description: "The rows without their cursors." },
        pageInfo: { type: new GraphQLNonNull(PAGE_INFO) },
        totalCount: {
          type: new GraphQLNonNull(this.nodes.bigInt),
          description: "How many rows where leaves, on all pages.",
        },
      }),
    });
  }
}
