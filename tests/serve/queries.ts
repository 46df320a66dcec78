/** Queries for every root field of a schema, made from what the server itself tells of it. */

import {
  buildClientSchema,
  getIntrospectionQuery,
  getNamedType,
  getNullableType,
  type GraphQLField,
  GraphQLList,
  GraphQLObjectType,
  GraphQLSchema,
  isLeafType,
} from "graphql";
import { post } from "./serve.ts";

/** A query with one root field, and whether its rows have an order to be compared in. */
export interface RootQuery {
  readonly query: string;
  readonly ordered: boolean;
  readonly mayRefuse?: boolean;
}

/** The schema by introspection. */
export async function introspect(http: string): Promise<GraphQLSchema> {
  const { body } = await post(http, getIntrospectionQuery());
  return buildClientSchema(body.data);
}

/** Each list whole with its plain columns, in parts with its relations, and each single object. */
export async function rootQueries(http: string): Promise<RootQuery[]> {
  const schema = await introspect(http);
  const roots = Object.values(schema.getQueryType()?.getFields() ?? {});
  const made: RootQuery[] = [];
  for (const root of roots) {
    const type = getNamedType(root.type) as GraphQLObjectType;
    if (isAggregate(type)) {
      made.push(...aggregateQueries(schema, root, type));
      continue;
    }
    if (/Connection$/.test(type.name)) {
      const page = selection(schema, type, 2);
      made.push({ query: `{ ${root.name}(first: 7) ${page} }`, ordered: true });
      made.push({ query: `{ ${root.name}(last: 3) ${page} }`, ordered: true });
      continue;
    }
    if (isList(root)) {
      made.push({ query: `{ ${root.name} ${selection(schema, type, 0)} }`, ordered: false });
      for (const depth of hasRelations(schema, type) ? [1, 2, 3] : []) {
        const rows = selection(schema, type, depth);
        made.push({ query: `{ ${root.name}(limit: ${60 / depth}) ${rows} }`, ordered: true });
      }
      made.push({
        query: `{ a: ${root.name}(limit: 5, offset: 2) { __typename b: __typename } }`,
        ordered: true,
      });
      made.push({
        query: `{ ${root.name}(limit: 0) ${selection(schema, type, 1)} }`,
        ordered: true,
      });
      continue;
    }
    const list = roots.find((other) => isList(other) && getNamedType(other.type) === type);
    for (const key of await someKeys(http, root, list?.name ?? "")) {
      made.push({ query: `{ ${root.name}${key} ${selection(schema, type, 2)} }`, ordered: true });
    }
  }
  return made;
}

function isAggregate(type: GraphQLObjectType): boolean {
  return /Aggregate$/.test(type.name);
}

/** Each function of all columns, and groups by each column. */
function aggregateQueries(
  schema: GraphQLSchema,
  root: GraphQLField<unknown, unknown>,
  type: GraphQLObjectType,
): RootQuery[] {
  const { group, ...functions } = type.getFields();
  const keys = group ? getNamedType(group.type) as GraphQLObjectType : null;
  return [
    ...Object.values(functions).map((field) => {
      const inner = getNamedType(field.type);
      const values = isLeafType(inner) ? "" : selection(schema, inner as GraphQLObjectType, 0);
      // Sums of the greatest numbers are refused, alike on both transports.
      return {
        query: `{ ${root.name} { __typename ${field.name} ${values} } }`,
        ordered: true,
        mayRefuse: true,
      };
    }),
    ...Object.keys(keys?.getFields() ?? {}).map((name) => ({
      query: `{ ${root.name}(groupBy: [{ field: ${name} }], orderBy: [{ group: { ${name}: ASC } }],
        limit: 40) { group { ${name} __typename } count } }`,
      ordered: true,
      mayRefuse: true,
    })),
  ];
}

function isList(field: GraphQLField<unknown, unknown>): boolean {
  return getNullableType(field.type) instanceof GraphQLList;
}

/** Types of root fields are relations; the other object types are composites, part of a row. */
function isRelation(schema: GraphQLSchema, type: GraphQLObjectType): boolean {
  const roots = Object.values(schema.getQueryType()?.getFields() ?? {});
  return roots.some((root) => getNamedType(root.type) === type);
}

function hasRelations(schema: GraphQLSchema, type: GraphQLObjectType): boolean {
  return Object.values(type.getFields()).some((field) => {
    const inner = getNamedType(field.type);
    return inner instanceof GraphQLObjectType && isRelation(schema, inner);
  });
}

function selection(schema: GraphQLSchema, type: GraphQLObjectType, depth: number): string {
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const inner = getNamedType(field.type);
    if (isLeafType(inner)) return [field.name];
    // What a group has in common depends on the query that asks.
    if (!(inner instanceof GraphQLObjectType) || /AggregateGroup$/.test(inner.name)) return [];
    if (isAggregate(inner)) {
      return depth === 0 ? [] : [`${field.name} ${selection(schema, inner, 0)}`];
    }
    if (!isRelation(schema, inner)) return [`${field.name} ${selection(schema, inner, 0)}`];
    if (depth === 0) return [];
    const isLimited = field.args.some((arg) => arg.name === "limit") && depth < 3;
    const some = isLimited ? "(limit: 3)" : "";
    return [`${field.name}${some} ${selection(schema, inner, depth - 1)}`];
  });
  return `{ ${fields.join(" ")} }`;
}

/** Arguments that find the first rows of a list, and one that finds none where that can be told. */
async function someKeys(
  http: string,
  root: GraphQLField<unknown, unknown>,
  list: string,
): Promise<string[]> {
  const names = root.args.map((arg) => arg.name);
  const { body } = await post(http, `{ rows: ${list}(limit: 2) { ${names.join(" ")} } }`);
  const rows: Record<string, unknown>[] = body.data.rows;
  return rows.map((row) =>
    `(${names.map((name) => `${name}: ${JSON.stringify(row[name])}`).join(", ")})`
  );
}
