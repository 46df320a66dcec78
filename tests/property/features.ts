/**
 * Parts of the query surface that the generators know. A part is exercised where the server's schema
 * has it; one in REQUIRED_FEATURES must be there.
 */

import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  isObjectType,
} from "graphql";

export type Feature =
  | "lists"
  | "rowByKey"
  | "aggregates"
  | "connections"
  | "distinctOn"
  | "jsonPath"
  | "partitions";
export type Features = ReadonlySet<Feature>;

/** The test fails where the server lacks one of these. */
export const REQUIRED_FEATURES: readonly Feature[] = [
  "lists",
  "rowByKey",
  "aggregates",
  "connections",
  "distinctOn",
  "jsonPath",
  "partitions",
];

type Field = GraphQLField<unknown, unknown>;
const takes = (field: Field, ...names: readonly string[]) =>
  names.every((name) => field.args.some((arg) => arg.name === name));

/** How each part shows in the fields of the root, or of the other types. */
const SIGNS: Readonly<
  Record<Exclude<Feature, "partitions">, { root?: RegExp; args: readonly string[] }>
> = {
  lists: { root: /^things$/, args: ["where", "orderBy", "limit", "offset"] },
  rowByKey: { root: /^thing$/, args: ["id"] },
  aggregates: { root: /^thingsAggregate$/, args: ["where", "groupBy", "having", "orderBy"] },
  connections: { root: /^thingsConnection$/, args: ["first", "after", "last", "before"] },
  distinctOn: { root: /^things$/, args: ["distinctOn"] },
  jsonPath: { args: ["path"] },
};

/** A table whose schema shows every part. */
export const SHOWING_TABLE = "create table things (id int primary key, data jsonb)";

/** Asked by GetFlightInfo: an answer shows that reads can be parted. */
export const PARTED_READ = JSON.stringify({
  type: "GraphQLQuery",
  query: "{ things { id } }",
  partitions: 2,
});

/** The parts that the schema of SHOWING_TABLE has; `parts` is whether PARTED_READ has an answer. */
export function featuresOf(schema: GraphQLSchema, parts: boolean): Features {
  const root = Object.values(schema.getQueryType()?.getFields() ?? {});
  const columns = fieldsOf(schema.getType("Thing"));
  const found = (Object.keys(SIGNS) as (keyof typeof SIGNS)[]).filter((name) => {
    const { root: form, args } = SIGNS[name];
    return form
      ? root.some((field) => form.test(field.name) && takes(field, ...args))
      : columns.some((field) => takes(field, ...args));
  });
  return new Set<Feature>(parts ? [...found, "partitions"] : found);
}

function fieldsOf(type: GraphQLNamedType | undefined): Field[] {
  return isObjectType(type) ? Object.values(type.getFields()) : [];
}
