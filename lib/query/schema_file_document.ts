/** The text of a schema file -> its types, enums and fields with their directives read. */

import {
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
import { COLUMN_TYPES } from "../arrow/column_types.ts";
import {
  checkDefinition,
  type Directives,
  readDirectives,
  unknownDirective,
} from "./schema_file_directives.ts";
import { refuseSyntax, type SchemaFile, type SchemaFileFaults } from "./schema_file_faults.ts";

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
  // The parser wants a definition; a file of comments alone is refused for what it lacks.
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
