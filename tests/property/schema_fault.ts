/** Whether the GraphQL schema is the one that the documentation promises for a world. */

import { type GraphQLSchema, isObjectType } from "graphql";
import type { Column, Table, Type, World } from "./model.ts";
import { tableOf } from "./model.ts";
import { columnName, linkNames, relationNames } from "./names.ts";
import { type Options, Oracle } from "./oracle.ts";
import { compositeRow, COMPOSITES, leafRow } from "./types.ts";

/** What differs, a line each: `Author.id: ID!, not Int!`; nothing where all is as promised. */
export function schemaFaults(world: World, schema: GraphQLSchema, options: Options): string[] {
  const got = fieldsOf(schema);
  return [...promised(world, options)].flatMap(([field, type]) =>
    got.get(field) === type ? [] : [`${field}: ${got.get(field)}, not ${type}`]
  );
}

/** Types of `Type.field`, for fields that give something. */
function fieldsOf(schema: GraphQLSchema): Map<string, string> {
  const types = Object.values(schema.getTypeMap()).filter(isObjectType);
  return new Map(
    types.flatMap((type) =>
      Object.values(type.getFields()).map((
        field,
      ) => [`${type.name}.${field.name}`, String(field.type)])
    ),
  );
}

function promised(world: World, options: Options): Map<string, string> {
  const oracle = new Oracle(world, options);
  const names = linkNames(world);
  const fields = new Map<string, string>();
  const used = new Set<string>();
  for (const table of world.tables) {
    const { typeName, list, row } = relationNames(table.name);
    fields.set(`Query.${list}`, `[${typeName}!]!`);
    if (table.key !== null) fields.set(`Query.${row}`, typeName);
    for (const column of table.columns) {
      const type = typeText(column.type, isIdentifying(world, table, column));
      const name = `${typeName}.${columnName(table, column.name)}`;
      fields.set(name, oracle.canBeNull(column) || isFloat(column) ? type : `${type}!`);
      if (COMPOSITES.has(column.type.name)) used.add(column.type.name);
    }
    for (const link of table.links) {
      const target = relationNames(tableOf(world, link.target).name).typeName;
      fields.set(`${typeName}.${names.one.get(link.name)}`, target);
      fields.set(`${target}.${names.many.get(link.name)}`, `[${typeName}!]!`);
    }
  }
  for (const name of used) {
    const { graphql, parts } = compositeRow(name);
    for (const [, part, type] of parts) fields.set(`${graphql}.${part}`, typeText(type, false));
  }
  return fields;
}

function typeText(type: Type, identifying: boolean): string {
  switch (type.kind) {
    case "leaf":
      return type.name === "uuid" && identifying ? "ID" : leafRow(type).graphql;
    case "array":
      return `[${leafRow(type).graphql}]`;
    case "composite":
      return compositeRow(type.name).graphql;
    case "composites":
      return `[${compositeRow(type.name).graphql}]`;
    default:
      return type satisfies never;
  }
}

/** NaN is null in JSON. */
function isFloat({ type }: Column): boolean {
  return type.kind === "leaf" && leafRow(type).form === "float";
}

/** In the key, or in a foreign key, at either end. */
function isIdentifying(world: World, table: Table, column: Column): boolean {
  const ends = world.tables.flatMap((source) =>
    source.links.flatMap((link) => [
      ...source === table ? link.columns : [],
      ...link.target === table.name ? link.targetColumns : [],
    ])
  );
  return (table.key?.columns.includes(column.name) ?? false) || ends.includes(column.name);
}
