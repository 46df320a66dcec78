/** The directives of a schema file: what they are, and what a file gives them. */

import {
  type ASTNode,
  type ConstArgumentNode,
  type ConstDirectiveNode,
  type DirectiveDefinitionNode,
  Kind,
  parse,
  print,
} from "graphql";
import { suggestion } from "../config.ts";
import type { SchemaFileFaults } from "./schema_file_faults.ts";

/** The directives, as a file may declare them for its editor's sake. */
export const DIRECTIVES_SDL =
  `directive @source(relation: String!, schema: String, key: [String!], json: String, list: String, row: String) on OBJECT
directive @column(name: String, json: String, plain: Boolean, decimal: String) on FIELD_DEFINITION
directive @relation(foreignKey: String, columns: [String!], references: [String!]) on FIELD_DEFINITION
directive @computed(function: String!, schema: String) on FIELD_DEFINITION
directive @hidden on OBJECT | FIELD_DEFINITION
`;

export type DirectiveName = "source" | "column" | "relation" | "computed" | "hidden";

export type Directives = ReadonlyMap<DirectiveName, GivenDirective>;

/** A directive with its arguments checked. */
export class GivenDirective {
  constructor(
    readonly node: ConstDirectiveNode,
    private readonly values: ReadonlyMap<string, string | boolean | readonly string[]>,
  ) {}

  text(name: string): string | null {
    const value = this.values.get(name);
    return typeof value === "string" ? value : null;
  }

  texts(name: string): readonly string[] | null {
    const value = this.values.get(name);
    return Array.isArray(value) ? value : null;
  }

  flag(name: string): boolean {
    return this.values.get(name) === true;
  }

  /** Where the argument stands, for messages; the directive where it is absent. */
  at(name: string): ASTNode {
    return this.node.arguments?.find((argument) => argument.name.value === name)?.value ??
      this.node;
  }
}

const DEFINED: ReadonlyMap<string, DirectiveDefinitionNode> = new Map(
  parse(DIRECTIVES_SDL).definitions.flatMap((node) =>
    node.kind === Kind.DIRECTIVE_DEFINITION ? [[node.name.value, node]] : []
  ),
);

/** A directive may be declared, as it is: editors want it. */
export function checkDefinition(node: DirectiveDefinitionNode, faults: SchemaFileFaults): void {
  const ours = DEFINED.get(node.name.value);
  if (!ours) {
    unknownDirective(node, "file", faults);
    return;
  }
  const shape = (definition: DirectiveDefinitionNode) => {
    const args = definition.arguments?.map((argument) =>
      `${argument.name.value}: ${print(argument.type)}`
    );
    return `${args?.toSorted()} on ${definition.locations.map(({ value }) => value).toSorted()}`;
  };
  if (shape(node) !== shape(ours)) {
    faults.add(node, `@${node.name.value} is another directive than this`, `write ${print(ours)}`);
  }
}

/** A directive that is not there, or not for this. */
export function unknownDirective(
  node: ConstDirectiveNode | DirectiveDefinitionNode,
  what: string,
  faults: SchemaFileFaults,
): void {
  const name = node.name.value;
  const isOurs = DEFINED.has(name);
  faults.add(
    node,
    isOurs ? `@${name} is not for a ${what}` : `there is no directive @${name}`,
    "take it away" + (isOurs ? "" : suggestion(name, [...DEFINED.keys()])),
  );
}

/** The directives of a type or field, by name, each once and with arguments that it has. */
export function readDirectives(
  nodes: readonly ConstDirectiveNode[],
  place: "OBJECT" | "FIELD_DEFINITION",
  faults: SchemaFileFaults,
): Directives {
  const found = new Map<DirectiveName, GivenDirective>();
  for (const node of nodes) {
    const name = node.name.value as DirectiveName;
    const definition = DEFINED.get(name);
    if (!definition?.locations.some(({ value }) => value === place)) {
      unknownDirective(node, place === "OBJECT" ? "type" : "field", faults);
    } else if (found.has(name)) {
      faults.add(node, `@${name} is there twice`, "take one away");
    } else found.set(name, readArguments(node, definition, faults));
  }
  return found;
}

function readArguments(
  node: ConstDirectiveNode,
  definition: DirectiveDefinitionNode,
  faults: SchemaFileFaults,
): GivenDirective {
  const values = new Map<string, string | boolean | readonly string[]>();
  const known = definition.arguments ?? [];
  const name = node.name.value;
  for (const argument of node.arguments ?? []) {
    const key = argument.name.value;
    const row = known.find((candidate) => candidate.name.value === key);
    if (!row) {
      const names = known.map((candidate) => candidate.name.value);
      const remedy = names.length > 0 ? `it has ${names.join(", ")}` : "it has none";
      faults.add(
        argument,
        `@${name} has no argument ${key}`,
        remedy + suggestion(key, names),
      );
    } else if (values.has(key)) {
      faults.add(argument, `@${name} has ${key} twice`, "take one away");
    } else {
      const type = print(row.type).replace(/!$/, "");
      const value = argumentValue(argument, type);
      if (value === null) {
        faults.add(
          argument.value,
          `@${name}(${key}:) is ${print(argument.value)}`,
          `write ${EXAMPLES[type] ?? type}`,
        );
      } else values.set(key, value);
    }
  }
  for (const row of known) {
    const key = row.name.value;
    const given = node.arguments?.some((argument) => argument.name.value === key);
    if (row.type.kind === Kind.NON_NULL_TYPE && !given) {
      faults.add(node, `@${name} has no ${key}`, `write @${name}(${key}: "...")`);
    }
  }
  return new GivenDirective(node, values);
}

const EXAMPLES: Readonly<Record<string, string>> = {
  String: 'a text in quotes, such as "a"',
  "[String!]": 'texts in quotes, such as ["a", "b"]',
  Boolean: "true or false",
};

/** The value of an argument; null where it is of another type. */
function argumentValue(
  { value }: ConstArgumentNode,
  type: string,
): string | boolean | readonly string[] | null {
  const isName = (text: string) => text !== "" && !text.includes("\0") && text.isWellFormed();
  switch (type) {
    case "String":
      return value.kind === Kind.STRING && isName(value.value) ? value.value : null;
    case "Boolean":
      return value.kind === Kind.BOOLEAN ? value.value : null;
    default: {
      const items = value.kind === Kind.LIST ? value.values : [value];
      const texts = items.flatMap((item) =>
        item.kind === Kind.STRING && isName(item.value) ? item.value : []
      );
      return texts.length === items.length && texts.length > 0 ? texts : null;
    }
  }
}
