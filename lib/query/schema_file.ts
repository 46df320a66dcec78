/**
 * A schema file and the catalog -> the data schema that the file describes: exactly its types and
 * fields. Whatever the database has otherwise is a fault with its line, and all faults are told at
 * once. docs/schema_file.md is the user's side of this.
 */

import { didYouMean } from "../config.ts";
import { AppError } from "../errors.ts";
import type { Catalog, CatalogRelation } from "./catalog.ts";
import { Names } from "./names.ts";
import type { DataSchema, Link, SchemaOptions } from "./schema.ts";
import {
  type Definitions,
  type FieldDefinition,
  readDefinitions,
  type TypeDefinition,
} from "./schema_file_document.ts";
import type { GivenDirective } from "./schema_file_directives.ts";
import { type SchemaFile, SchemaFileFaults } from "./schema_file_faults.ts";
import { DatabaseFields } from "./schema_file_database.ts";
import { JsonFields } from "./schema_file_json.ts";
import { fileLink } from "./schema_file_links.ts";
import { type FileContext, FileRelation } from "./schema_file_relation.ts";
import { UsedTypes } from "./schema_file_used.ts";
import {
  conditionlessNote,
  derivedFields,
  derivedTypes,
  RESERVED_FIELDS,
  RESERVED_TYPES,
} from "./schema_names.ts";
import { TypeReader } from "./schema_types.ts";

export type { SchemaFile } from "./schema_file_faults.ts";

/** Reads the file against the catalog; throws `BAD_INPUT` with every fault and its place. */
export function fileSchema(
  file: SchemaFile,
  catalog: Catalog,
  options: SchemaOptions,
): DataSchema {
  const faults = new SchemaFileFaults(file.path);
  const definitions = readDefinitions(file, faults);
  const reader = new TypeReader(catalog, options);
  const used = new UsedTypes(definitions, faults);
  const database = new DatabaseFields(reader, used, faults);
  const lenient = options.unrepresentable === "null";
  const json = new JsonFields(catalog, reader, used, faults, lenient);
  const context = { catalog, reader, database, json, faults };

  const relations = findRelations(definitions, context);
  const fields = new Map(
    [...relations.values()].map((
      relation,
    ) => [relation, sortFields(relation, used, faults)]),
  );
  // Columns of all types first, then keys, then links, since those stand on both.
  for (const [relation, { columns }] of fields) relation.readColumns(columns);
  for (const relation of relations.values()) relation.readKey();
  for (const [relation, { links }] of fields) {
    fillFields(relation, links, relations, context);
  }
  used.checkUsed();
  checkNames([...relations.values()], used, faults);
  faults.refuse();
  const shown = [...relations.values()].filter((relation) => !relation.hidden);
  if (shown.length === 0) throw nothingToServe(file);
  return {
    relations: shown,
    enums: used.enums,
    composites: used.composites,
    notes: shown.flatMap((relation) =>
      relation.columns.flatMap((column) =>
        conditionlessNote(column.name, `field ${relation.typeName}.${column.name}`) ?? []
      )
    ),
  };
}

/** Whoever names such a file means another, or it was cut short on its way. */
function nothingToServe({ path }: SchemaFile): AppError {
  return new AppError("BAD_INPUT", `the schema file ${path} defines nothing to serve`, {
    hint: "declare at least one type with @source that is not @hidden; `fraiseql schema print` " +
      "without FRAISEQL_SCHEMA writes a file that fits",
  });
}

function findRelations(
  { types }: Definitions,
  context: FileContext,
): Map<string, FileRelation> {
  const found = new Map<string, FileRelation>();
  for (const definition of types.values()) {
    const source = definition.directives.get("source");
    const hidden = definition.directives.get("hidden");
    if (!source) {
      if (hidden) {
        context.faults.add(hidden.node, "only a type with @source is hidden", "take @hidden away");
      }
      continue;
    }
    const relation = findRelation(source, context);
    if (relation) {
      found.set(definition.name, new FileRelation(definition, source, relation, context));
    }
  }
  return found;
}

function findRelation(
  source: GivenDirective,
  { catalog: { relations }, faults }: FileContext,
): CatalogRelation | null {
  const name = source.text("relation");
  const schema = source.text("schema");
  if (name === null) return null;
  const found = relations.find((relation) =>
    relation.name === name && (schema === null || relation.schema === schema)
  );
  if (found) return found;
  const schemas = new Set(relations.map((relation) => relation.schema));
  const [, before, after] = /^(.+)\.(.+)$/.exec(name) ?? [];
  const inSchema = relations.filter((other) => schema === null || other.schema === schema);
  const remedy = schema !== null && !schemas.has(schema)
    ? `FRAISEQL_DB_SCHEMAS exposes ${[...schemas].join(", ")}`
    : before !== undefined && schemas.has(before)
    ? `write relation: "${after}", schema: "${before}"`
    : didYouMean(name, inSchema.map((relation) => relation.name)) ||
      "check the name, FRAISEQL_DB_SCHEMAS and what the role may read";
  const full = schema === null ? name : `${schema}.${name}`;
  faults.add(source.at("relation"), `the database has no relation ${full}`, remedy);
  return null;
}

interface SortedFields {
  readonly columns: readonly FieldDefinition[];
  readonly links: readonly FieldDefinition[];
}

/** A field whose type stands for a relation is a link, every other one a column. */
function sortFields(
  relation: FileRelation,
  used: UsedTypes,
  faults: SchemaFileFaults,
): SortedFields {
  const columns: FieldDefinition[] = [];
  const links: FieldDefinition[] = [];
  for (const field of relation.definition.fields) {
    if (!used.isKnown(field)) continue;
    if (used.definitions.types.get(field.declared.name)?.directives.has("source")) {
      links.push(field);
      continue;
    }
    columns.push(field);
    const given = field.directives.get("relation");
    if (given) {
      const remedy = "take @relation away, or declare a type with @source";
      faults.add(given.node, `${field.declared.name} is no type of a relation`, remedy);
    }
  }
  return { columns, links };
}

/** The fields in the order of the file. */
function fillFields(
  relation: FileRelation,
  links: readonly FieldDefinition[],
  relations: ReadonlyMap<string, FileRelation>,
  { catalog, faults }: FileContext,
): void {
  const made = new Map<string, Link>();
  for (const field of links) {
    const target = relations.get(field.declared.name);
    // A target whose relation is not there has its fault already.
    const link = target && fileLink(field, relation, target, catalog, faults);
    if (link && !field.directives.has("hidden")) made.set(field.name, link);
  }
  for (const { name } of relation.definition.fields) {
    const field = made.get(name) ?? relation.columns.find((column) => column.name === name);
    if (field) relation.fields.set(name, field);
  }
  if (relation.fields.size > 0 || faults.count > 0) return;
  const { node } = relation.definition;
  faults.add(node.name, `${relation.typeName} shows no field`, "show at least one, or hide it");
}

/** Names of types and of root fields are ours, or somebody's, only once. */
function checkNames(
  relations: readonly FileRelation[],
  used: UsedTypes,
  faults: SchemaFileFaults,
): void {
  const typeNames = new Names(RESERVED_TYPES);
  const rootNames = new Names(RESERVED_FIELDS);
  const { definitions } = used;
  const nameOf = (name: string) =>
    (definitions.types.get(name) ?? { node: definitions.enums.get(name) }).node?.name;
  const claimed = [
    ...relations.filter((relation) => !relation.hidden).map(({ typeName }) => ({
      name: typeName,
      claims: [typeName, ...derivedTypes(typeName)],
    })),
    ...used.claims(),
  ];
  for (const { name, claims } of claimed) {
    const node = nameOf(name);
    const taken = claims.find((claim) => typeNames.has(claim));
    if (taken !== undefined && node) {
      const what = taken === name ? `${name} is taken` : `${name} needs ${taken}, which is taken`;
      faults.add(node, what, "choose another name");
    }
    typeNames.add(...claims);
  }
  for (const relation of relations) {
    if (relation.hidden) continue;
    const { list, row } = relation.rootNames;
    for (const [argument, name] of [["list", list], ["row", row]] as const) {
      if (/^(?!__)[_A-Za-z][_A-Za-z0-9]*$/.test(name)) continue;
      const remedy = "use letters, digits and _, and begin with no digit and no __";
      faults.add(relation.source.at(argument), `${name} is no name of a field`, remedy);
    }
    const claims = [list, ...relation.rowField === null ? [] : [row], ...derivedFields(list)];
    const taken = claims.find((claim, i) => rootNames.has(claim) || claims.indexOf(claim) < i);
    if (taken !== undefined) {
      const argument = taken === row ? "row" : "list";
      const remedy = `choose another with @source(${argument}: "...")`;
      const place = rootPlace(relation.definition, relation.source, argument);
      faults.add(place, `the root field ${taken} is taken`, remedy);
    }
    rootNames.add(...claims);
  }
}

function rootPlace(definition: TypeDefinition, source: GivenDirective, argument: string) {
  return source.text(argument) === null ? definition.node.name : source.at(argument);
}
