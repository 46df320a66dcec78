/** A query for every operator of every column that a schema offers. */

import { buildSchema, GraphQLInputObjectType, type GraphQLNamedType } from "graphql";

/** An input of each scalar, as GraphQL text. */
const SAMPLES: Readonly<Record<string, string>> = {
  Boolean: "true",
  Int: "1",
  Float: "1.5",
  String: '"(1,2)"',
  ID: '"00000000-0000-0000-0000-000000000001"',
  UUID: '"00000000-0000-0000-0000-000000000001"',
  BigInt: '"9007199254740993"',
  Decimal: '"1.50"',
  Date: '"2026-01-31"',
  LocalTime: '"13:45:00.5"',
  LocalDateTime: '"2026-01-31T13:45:00"',
  DateTime: '"2026-01-31T13:45:00+02:00"',
  Duration: '"P1DT2H"',
  Bytes: '"3q2+7w=="',
  JSON: '{a: ["x", 1, null]}',
  Status: "paid",
};

/** Texts that a type takes which is a String in GraphQL, by the column's name. */
const BY_COLUMN: Readonly<Record<string, string>> = { net: '"10.0.0.1"', odd: '"done"' };

/** `column.operator` and the query that asks it, for every column of the list's type. */
export function everyOperator(sdl: string, list: string, typeName: string, field: string) {
  const where = buildSchema(sdl).getType(`${typeName}Where`) as GraphQLInputObjectType;
  const found: [name: string, query: string][] = [];
  for (const column of Object.values(where.getFields())) {
    const filter = column.type as GraphQLNamedType;
    if (!/Filter$/.test(filter.name)) continue;
    for (const [operator, value] of operators(filter as GraphQLInputObjectType, column.name)) {
      const condition = `{ ${column.name}: { ${operator}: ${value} } }`;
      found.push([
        `${column.name}.${operator}`,
        `{ ${list}(where: ${condition}) { ${field} } }`,
      ]);
    }
  }
  return found;
}

function operators(filter: GraphQLInputObjectType, column: string): [string, string][] {
  return Object.values(filter.getFields()).flatMap(({ name, type }): [string, string][] => {
    const scalar = String(type).replaceAll(/[[\]!]/g, "");
    const isPattern = /^(i?like|i?contains|startsWith|endsWith|hasKey|isNull)$/.test(name) &&
      scalar !== "JSON";
    const one = (isPattern ? undefined : BY_COLUMN[column]) ?? SAMPLES[scalar];
    if (name === "path" && filter.name === "JSONPathFilter") return [];
    if (scalar === "JSONPathFilter") {
      return operators(
        (type as { ofType: { ofType: GraphQLInputObjectType } }).ofType.ofType,
        column,
      )
        .map(([operator, value]) => ["path", `{ path: ["a", "0"], ${operator}: ${value} }`]);
    }
    if (one === undefined) throw new Error(`no sample of ${scalar} for ${column}.${name}`);
    return String(type).startsWith("[")
      ? [[name, `[${one}, ${one}]`], [name, "[]"]]
      : [[name, one]];
  });
}
