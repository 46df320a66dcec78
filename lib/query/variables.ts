/** Variables and arguments as graphql-js coerces them, with its complaints as ours. */

import {
  getVariableValues,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from "graphql";
import { AppError } from "../errors.ts";
import { fromGraphql, fromGraphqls } from "./parse.ts";

/** Input values by name. */
export type Values = Readonly<Record<string, unknown>>;

/** Variables after coercion, as graphql-js wants them. */
export interface Variables {
  [variable: string]: unknown;
}

/**
 * The operation's variables with defaults filled in. Throws `BAD_INPUT` with every fault, `TOO_LARGE`
 * where they are nested deeper than `nestingMax`.
 */
export function coerceVariables(
  schema: GraphQLSchema,
  operation: OperationDefinitionNode,
  variables: Values,
  nestingMax: number,
): Variables {
  refuseDeep(variables, nestingMax, "the variables are");
  const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variables, {
    maxErrors: 20,
  });
  if (coerced.errors) throw fromGraphqls(coerced.errors, "BAD_INPUT");
  return coerced.coerced;
}

/** A variable that is null where the default would not be is found only when it is used. */
export function asBadInput<Result>(read: () => Result): Result {
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
