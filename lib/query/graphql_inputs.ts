/** GraphQL inputs that every relation shares. */

import { GraphQLEnumType, GraphQLList, type GraphQLNamedInputType, GraphQLNonNull } from "graphql";

export const ORDER_DIRECTION = new GraphQLEnumType({
  name: "OrderDirection",
  description: "ASC puts nulls last and DESC puts them first, unless said otherwise.",
  values: {
    ASC: {},
    DESC: {},
    ASC_NULLS_FIRST: {},
    ASC_NULLS_LAST: {},
    DESC_NULLS_FIRST: {},
    DESC_NULLS_LAST: {},
  },
});

/** A list without nulls. */
export const listOf = (type: GraphQLNamedInputType) => new GraphQLList(new GraphQLNonNull(type));
