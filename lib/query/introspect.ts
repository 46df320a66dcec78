/** `__schema` and `__type`, answered by graphql-js itself. */

import {
  executeSync,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from "graphql";
import { AppError } from "../errors.ts";
import type { Collected } from "./collect_fields.ts";
import { fromGraphqls } from "./parse.ts";
import type { Values, Variables } from "./variables.ts";

type Fragments = ReadonlyMap<string, FragmentDefinitionNode>;

/** What an introspection stands in. */
export interface Introspected {
  readonly schema: GraphQLSchema;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Fragments;
  readonly variables: Variables;
}

/**
 * The values of the root fields among `collected` that ask for the schema, by response name. Throws
 * `TOO_LARGE` where they ask for the same many times.
 */
export function introspect(
  { schema, operation, fragments, variables }: Introspected,
  collected: Collected,
): Values {
  const nodes = [...collected.values()].flat().filter((node) =>
    /^__(schema|type)$/.test(node.name.value)
  );
  if (nodes.length === 0) return {};
  checkIntrospection(nodes, fragments);
  const asked = {
    ...operation,
    selectionSet: { kind: Kind.SELECTION_SET, selections: nodes },
  } as const;
  const answer = executeSync({
    schema,
    document: { kind: Kind.DOCUMENT, definitions: [asked, ...fragments.values()] },
    variableValues: variables,
  });
  if (answer.errors) throw fromGraphqls(answer.errors, "BAD_INPUT");
  return answer.data ?? {};
}

/** Reading a schema of hundreds of types takes a moment; asking for it many times is refused. */
function checkIntrospection(roots: readonly FieldNode[], fragments: Fragments): void {
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
        count(fragments.get(selection.name.value)?.selectionSet);
      }
    }
  };
  roots.forEach((node) => count(node.selectionSet));
  if (schemas.size <= schemaFieldsMax && aliases <= introspectionAliasesMax) return;
  throw new AppError("TOO_LARGE", "the introspection asks for the same under many names", {
    hint: `ask __schema once, with at most ${introspectionAliasesMax} aliases in it`,
  });
}

/**
 * Without aliases an introspection is bounded by the schema: validation allows two lists in one
 * another. Each alias multiplies that, and no tool uses one there.
 */
const introspectionAliasesMax = 3;
const schemaFieldsMax = 2;
