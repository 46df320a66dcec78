/** Selections -> the fields that are asked for: fragments spread, `@skip` and `@include` applied. */

import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  getDirectiveValues,
  GraphQLIncludeDirective,
  GraphQLSkipDirective,
  Kind,
  type SelectionSetNode,
} from "graphql";
import { asBadInput, type Variables } from "./variables.ts";

/** A response name and every field node that gives it. */
export type Collected = ReadonlyMap<string, readonly FieldNode[]>;

/** Collects the fields of one document with one set of variables. */
export class FieldCollector {
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;

  constructor(document: DocumentNode, private readonly variables: Variables) {
    this.fragments = new Map(
      document.definitions.flatMap((node) =>
        node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node] as const] : []
      ),
    );
  }

  /** The fields below fields of one response name. */
  below(nodes: readonly FieldNode[]): Collected {
    return this.collect(nodes.flatMap((node) => node.selectionSet ?? []));
  }

  /** GraphQL's CollectFields, with the merged selection sets of one response name together. */
  collect(sets: readonly SelectionSetNode[]): Collected {
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
            const fragment = this.fragments.get(selection.name.value);
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
      const skip = getDirectiveValues(GraphQLSkipDirective, node, this.variables);
      const include = getDirectiveValues(GraphQLIncludeDirective, node, this.variables);
      return skip?.if !== true && include?.if !== false;
    });
  }
}
