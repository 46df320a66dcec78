/** The text of a schema file -> its types, enums and fields with their directives read. */

import {
  type ASTNode,
  type ConstArgumentNode,
  type ConstDirectiveNode,
  type DirectiveDefinitionNode,
  type DocumentNode,
  type EnumTypeDefinitionNode,
  type FieldDefinitionNode,
  Kind,
  type NameNode,
  type ObjectTypeDefinitionNode,
  parse,
  print,
  type TypeNode,
} from "graphql";
import { suggestion } from "../config.ts";
import { COLUMN_TYPES } from "../arrow/column_types.ts";
import { refuseSyntax, type SchemaFile, type SchemaFileFaults } from "./schema_file_faults.ts";

/** The directives, as a file may declare them for its editor's sake. */
export const DIRECTIVES_SDL =
  `directive @source(relation: String!, schema: String, key: [String!], json: String, list: String, row: String) on OBJECT
directive @column(name: String, json: String, plain: Boolean, decimal: String) on FIELD_DEFINITION
directive @relation(foreignKey: String, columns: [String!], references: [String!]) on FIELD_DEFINITION
directive @computed(function: String!, schema: String) on FIELD_DEFINITION
directive @hidden on OBJECT | FIELD_DEFINITION
`;

export type DirectiveName = "source" | "column" | "relation" | "computed" | "hidden";

/** Scalars that fields may have. */
export const SCALAR_NAMES: ReadonlySet<string> = new Set([
  "ID",
  ...COLUMN_TYPES.filter((row) => row.kind !== "enum").map((row) => row.graphql),
]);

export interface Definitions {
  readonly types: ReadonlyMap<string, TypeDefinition>;
  readonly enums: ReadonlyMap<string, EnumTypeDefinitionNode>;
}

export interface TypeDefinition {
  readonly node: ObjectTypeDefinitionNode;
  readonly name: string;
  readonly comment: string | null;
  readonly directives: Directives;
  readonly fields: readonly FieldDefinition[];
}

export interface FieldDefinition {
  readonly node: FieldDefinitionNode;
  readonly name: string;
  readonly comment: string | null;
  readonly directives: Directives;
  readonly declared: Declared;
}

/** A field's type taken apart. */
export interface Declared {
  readonly node: TypeNode;
  /** As it is written, e.g. `[String]!`. */
  readonly text: string;
  readonly name: string;
  readonly list: boolean;
  readonly required: boolean;
  readonly itemRequired: boolean;
}

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

/** Reads the file; what it cannot hold goes to `faults`, a syntax error is thrown at once. */
export function readDefinitions(file: SchemaFile, faults: SchemaFileFaults): Definitions {
  const types = new Map<string, TypeDefinition>();
  const enums = new Map<string, EnumTypeDefinitionNode>();
  const names = new Set<string>();
  for (const node of parseFile(file).definitions) {
    switch (node.kind) {
      case Kind.OBJECT_TYPE_DEFINITION:
        if (isFree(node.name, names, faults)) types.set(node.name.value, readType(node, faults));
        break;
      case Kind.ENUM_TYPE_DEFINITION:
        if (isFree(node.name, names, faults)) {
          checkEnum(node, faults);
          enums.set(node.name.value, node);
        }
        break;
      case Kind.SCALAR_TYPE_DEFINITION:
        if (!SCALAR_NAMES.has(node.name.value)) {
          faults.add(
            node.name,
            `there is no scalar ${node.name.value}`,
            `it can be one of ${[...SCALAR_NAMES].join(", ")}`,
          );
        }
        break;
      case Kind.DIRECTIVE_DEFINITION:
        checkDefinition(node, faults);
        break;
      default:
        faults.add(
          node,
          `a schema file has types and enums, and no ${kindWords(node.kind)}`,
          "take it away",
        );
    }
  }
  return { types, enums };
}

function parseFile({ path, text }: SchemaFile): DocumentNode {
  // A file of comments alone is a schema without types; the parser wants a definition.
  const isEmpty = /^(?:[\s,\uFEFF]|#.*)*$/.test(text);
  if (isEmpty) return { kind: Kind.DOCUMENT, definitions: [] };
  try {
    return parse(text);
  } catch (error) {
    return refuseSyntax(path, error);
  }
}

const kindWords = (kind: string) =>
  kind.replace(/(?<=.)([A-Z])/g, " $1").toLowerCase().replace(" definition", "");

function isFree(name: NameNode, names: Set<string>, faults: SchemaFileFaults): boolean {
  if (names.has(name.value)) {
    faults.add(name, `${name.value} is there twice`, "take one away");
    return false;
  }
  names.add(name.value);
  checkName(name, faults);
  if (/^(Query|Mutation|Subscription)$/.test(name.value)) {
    faults.add(
      name,
      `the root type ${name.value} is made from the types`,
      "take it away; @source(list:, row:) names root fields",
    );
    return false;
  }
  return true;
}

function checkName(name: NameNode, faults: SchemaFileFaults): void {
  if (!name.value.startsWith("__")) return;
  faults.add(name, `${name.value} begins with __, which is GraphQL's own`, "choose another name");
}

function checkEnum(node: EnumTypeDefinitionNode, faults: SchemaFileFaults): void {
  for (const directive of node.directives ?? []) unknownDirective(directive, "enum", faults);
  for (const value of node.values ?? []) {
    for (const directive of value.directives ?? []) unknownDirective(directive, "value", faults);
    if (value.description) {
      faults.add(value.description, "values of enums have no description", "make it a # comment");
    }
  }
}

function readType(node: ObjectTypeDefinitionNode, faults: SchemaFileFaults): TypeDefinition {
  for (const name of node.interfaces ?? []) {
    faults.add(name, `types implement no interface such as ${name.name.value}`, "take it away");
  }
  const fields = new Map<string, FieldDefinition>();
  for (const field of node.fields ?? []) {
    const name = field.name.value;
    if (fields.has(name)) {
      faults.add(field.name, `${node.name.value}.${name} is there twice`, "take one away");
      continue;
    }
    checkName(field.name, faults);
    for (const argument of field.arguments ?? []) {
      faults.add(argument, "arguments are made by themselves", `take ${argument.name.value} away`);
    }
    fields.set(name, {
      node: field,
      name,
      comment: field.description?.value ?? null,
      directives: readDirectives(field.directives ?? [], "FIELD_DEFINITION", faults),
      declared: declaredType(field.type, faults),
    });
  }
  return {
    node,
    name: node.name.value,
    comment: node.description?.value ?? null,
    directives: readDirectives(node.directives ?? [], "OBJECT", faults),
    fields: [...fields.values()],
  };
}

function declaredType(node: TypeNode, faults: SchemaFileFaults): Declared {
  const required = node.kind === Kind.NON_NULL_TYPE;
  const outer = node.kind === Kind.NON_NULL_TYPE ? node.type : node;
  const list = outer.kind === Kind.LIST_TYPE;
  const item = outer.kind === Kind.LIST_TYPE ? outer.type : outer;
  const itemRequired = list && item.kind === Kind.NON_NULL_TYPE;
  let named: TypeNode = item.kind === Kind.NON_NULL_TYPE ? item.type : item;
  if (named.kind === Kind.LIST_TYPE) {
    faults.add(named, "a list of lists is not supported", "declare the inner list as JSON");
  }
  while (named.kind !== Kind.NAMED_TYPE) named = named.type;
  return { node, text: print(node), name: named.name.value, list, required, itemRequired };
}

const DEFINED: ReadonlyMap<string, DirectiveDefinitionNode> = new Map(
  parse(DIRECTIVES_SDL).definitions.flatMap((node) =>
    node.kind === Kind.DIRECTIVE_DEFINITION ? [[node.name.value, node]] : []
  ),
);

/** A directive may be declared, as it is: editors want it. */
function checkDefinition(node: DirectiveDefinitionNode, faults: SchemaFileFaults): void {
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

function unknownDirective(
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

function readDirectives(
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
