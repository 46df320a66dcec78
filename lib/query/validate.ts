/** A text -> a document that the schema allows. */

import { type DocumentNode, type GraphQLError, type GraphQLSchema, validate } from "graphql";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { fromGraphqls, parseQuery } from "./parse.ts";

/** Parses and validates; throws `BAD_INPUT`, `VALIDATION_ERROR` with every fault, or `TOO_LARGE`. */
export function validDocument(
  text: string,
  schema: GraphQLSchema,
  limits: Limits,
): DocumentNode {
  const document = parseQuery(text, limits);
  const errors = validate(schema, document, undefined, { maxErrors: 20 });
  if (errors.length > 0) throw invalid(errors);
  return document;
}

/** graphql-js stops comparing fields that might be merged after a while, and says only this. */
const comparedEnough = "Validation aborted.";

function invalid(errors: readonly GraphQLError[]): AppError {
  if (errors.some((error) => error.message === comparedEnough)) {
    return new AppError("TOO_LARGE", "the query names the same fields too often to compare them", {
      hint: "write each field of a selection once",
    });
  }
  return fromGraphqls(errors, "VALIDATION_ERROR");
}
