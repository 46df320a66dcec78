/** A data schema made from the catalog -> the schema file that gives the same one back. */

import { Kind, parseValue, print } from "graphql";
import type { Column, CompositeType, DataSchema, EnumType, Link, Relation } from "./schema.ts";
import { DIRECTIVES_SDL } from "./schema_file_directives.ts";
import { SCALAR_NAMES } from "./schema_file_document.ts";
import { camelCase } from "./names.ts";
import { words } from "./schema_names.ts";

/** The text of the file; what had to give way stands in comments at its top. */
export function printSchemaFile({ relations, enums, composites, notes }: DataSchema): string {
  const blocks = [
    // A name can hold a line's end, which would end the comment.
    notes.map((note) => `# ${note.replaceAll(/\s+/g, " ")}\n`).join(""),
    DIRECTIVES_SDL,
    scalars([...relations, ...composites]),
    ...relations.map(printRelation),
    ...composites.map(printComposite),
    ...enums.map(printEnum),
  ];
  return blocks.filter((block) => block !== "").join("\n");
}

/** Declared for editors: the scalars that GraphQL does not bring itself. */
function scalars(types: readonly (Relation | CompositeType)[]): string {
  const used = new Set(
    types.flatMap((type) =>
      [...type.fields.values()].flatMap((field) => field.kind === "column" ? typeName(field) : [])
    ),
  );
  return [...used].filter((name) => SCALAR_NAMES.has(name) && !BUILT_IN.has(name)).toSorted()
    .map((name) => `scalar ${name}\n`).join("");
}

const BUILT_IN = new Set(["ID", "String", "Int", "Float", "Boolean"]);

function printRelation(relation: Relation): string {
  const usual = words(relation.typeName);
  const { listField, rowField } = relation;
  const source = directive("source", {
    relation: relation.name,
    schema: relation.schema,
    ...listField !== usual.list && { list: listField },
    ...rowField !== null && rowField !== usual.row && { row: rowField },
  });
  const fields = [...relation.fields.values()].map((field) =>
    field.kind === "column" ? columnLine(field) : linkLine(field)
  );
  return typeBlock(relation, source, fields);
}

function printComposite(composite: CompositeType): string {
  return typeBlock(composite, "", [...composite.fields.values()].map(columnLine));
}

function typeBlock(
  { typeName, comment }: { readonly typeName: string; readonly comment: string | null },
  source: string,
  fields: readonly string[],
): string {
  return `${description(comment, "")}type ${typeName}${source} {\n${fields.join("")}}\n`;
}

function printEnum({ typeName, comment, labels }: EnumType): string {
  const values = labels.map((label) => `  ${label}\n`).join("");
  return `${description(comment, "")}enum ${typeName} {\n${values}}\n`;
}

function columnLine(column: Column): string {
  const type = column.type.kind === "array" ? `[${typeName(column)}]` : typeName(column);
  // Where two columns have one name in GraphQL the number behind it must not be guessed.
  const named = camelCase(column.column) === column.name
    ? ""
    : directive("column", { name: column.column });
  const text = `${column.name}: ${type}${column.nullable ? "" : "!"}${named}`;
  return `${description(column.comment, "  ")}  ${text}\n`;
}

function typeName({ type }: Column): string {
  const item = type.kind === "array" ? type.item : type;
  return item.kind === "leaf" ? item.graphql : item.composite.typeName;
}

/** With its columns, which a second foreign key between the same tables does not make unclear. */
function linkLine(link: Link): string {
  const { typeName } = link.target;
  const relation = directive("relation", {
    columns: link.pairs.map(({ own }) => own.column),
    references: link.pairs.map(({ other }) => other.column),
  });
  const type = link.kind === "many" ? `[${typeName}!]!` : typeName;
  return `${description(link.comment, "  ")}  ${link.name}: ${type}${relation}\n`;
}

function directive(
  name: string,
  values: Readonly<Record<string, string | readonly string[]>>,
): string {
  const list = (value: string | readonly string[]) =>
    typeof value === "string" ? text(value) : `[${value.map(text).join(", ")}]`;
  const given = Object.entries(values).map(([key, value]) => `${key}: ${list(value)}`);
  return ` @${name}(${given.join(", ")})`;
}

const text = (value: string) => print({ kind: Kind.STRING, value });

/** A block where it gives the same text back, else a text with escapes. */
function description(comment: string | null, indent: string): string {
  if (comment === null) return "";
  const block = print({ kind: Kind.STRING, value: comment, block: true }).split("\n").map((line) =>
    line === "" ? "" : indent + line
  ).join("\n");
  const read = parseValue(block);
  const isSame = read.kind === Kind.STRING && read.value === comment;
  return isSame ? `${block}\n` : `${indent}${text(comment)}\n`;
}
