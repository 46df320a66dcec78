/** Text -> document, with the limits that keep the parser and the validation rules cheap. */

import {
  type DocumentNode,
  type FieldNode,
  getLocation,
  GraphQLError,
  Kind,
  Lexer,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  visit,
} from "graphql";
import { AppError, type ErrorCode } from "../errors.ts";
import type { Limits } from "../limits.ts";

type ParseLimits = Pick<
  Limits,
  "queryTokensMax" | "queryNestingMax" | "queryAliasesMax" | "queryDepthMax"
>;

/** Parses a GraphQL document; `PARSE_ERROR`, or `TOO_LARGE` where it crosses a limit. */
export function parseQuery(text: string, limits: ParseLimits): DocumentNode {
  try {
    const source = new Source(text);
    checkTokens(source, limits);
    const document = parse(source);
    checkShape(document, limits);
    return document;
  } catch (error) {
    if (error instanceof GraphQLError) throw fromGraphql(error, "PARSE_ERROR");
    throw error;
  }
}

/** Counts tokens and brackets before the parser recurses into them. */
function checkTokens(source: Source, limits: ParseLimits): void {
  const lexer = new Lexer(source);
  let depth = 0;
  for (let count = 0; lexer.advance().kind !== TokenKind.EOF; count++) {
    if (count >= limits.queryTokensMax) {
      throw tooLarge(`more than ${limits.queryTokensMax} tokens`, "query_tokens_max");
    }
    switch (lexer.token.kind) {
      case TokenKind.BRACE_L:
      case TokenKind.BRACKET_L:
      case TokenKind.PAREN_L:
        if (++depth > limits.queryNestingMax) {
          throw tooLarge(
            `brackets nested deeper than ${limits.queryNestingMax}`,
            "query_nesting_max",
            getLocation(source, lexer.token.start),
          );
        }
        break;
      case TokenKind.BRACE_R:
      case TokenKind.BRACKET_R:
      case TokenKind.PAREN_R:
        depth--;
    }
  }
}

/**
 * Aliases, and one name again and again in a selection: GraphQL merges those, but the rule that
 * checks whether they can be merged compares each with each.
 */
function checkShape(document: DocumentNode, limits: ParseLimits): void {
  let aliases = 0;
  visit(document, {
    Field(node) {
      if (node.alias && ++aliases > limits.queryAliasesMax) {
        throw tooLarge(`more than ${limits.queryAliasesMax} aliases`, "query_aliases_max");
      }
    },
    SelectionSet(node) {
      checkRepeats(node);
    },
  });
}

const repeatsMax = 100;

function checkRepeats(node: SelectionSetNode): void {
  const counts = new Map<string, number>();
  for (const selection of node.selections) {
    const name = selection.kind === Kind.FIELD
      ? selection.alias?.value ?? selection.name.value
      : selection.kind === Kind.FRAGMENT_SPREAD
      ? `...${selection.name.value}`
      : "...";
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count > repeatsMax) {
      throw new AppError(
        "TOO_LARGE",
        `${name} stands more than ${repeatsMax} times in one selection`,
      );
    }
  }
}

export function tooLarge(
  what: string,
  limit: string,
  location?: { line: number; column: number },
): AppError {
  return new AppError("TOO_LARGE", `the query has ${what}`, {
    hint: `ask in several queries, or raise the limit ${limit}`,
    ...(location && { locations: [location] }),
  });
}

/** Where a field stands in the text, as an error's option. */
export function locationOf(
  nodes: readonly FieldNode[],
): { readonly locations?: readonly { readonly line: number; readonly column: number }[] } {
  const token = nodes[0]?.loc?.startToken;
  return token ? { locations: [{ line: token.line, column: token.column }] } : {};
}

/** graphql-js's error as ours; its text already says where and often what was meant. */
export function fromGraphql(error: GraphQLError, code: ErrorCode): AppError {
  return new AppError(code, cut(error.message), {
    cause: error.originalError,
    ...(error.locations &&
      { locations: error.locations.map(({ line, column }) => ({ line, column })) }),
    ...(error.path && { path: error.path }),
  });
}

const messageCharsMax = 1000;

/** Messages repeat names of the query, which can be as long as the query. */
export function cut(message: string): string {
  return message.length > messageCharsMax ? `${message.slice(0, messageCharsMax)}...` : message;
}

/** Several of them as one error with others. */
export function fromGraphqls(errors: readonly GraphQLError[], code: ErrorCode): AppError {
  const [first, ...others] = errors.map((error) => fromGraphql(error, code));
  if (!first) throw new Error("no error to report");
  return new AppError(code, first.message, {
    ...(first.locations && { locations: first.locations }),
    ...(first.path && { path: first.path }),
    others,
  });
}
