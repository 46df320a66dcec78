/** Every operator of every family of types, as SQL. That PostgreSQL agrees, the live tests show. */

import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { buildSchema, type GraphQLInputObjectType } from "graphql";
import { arrayLiteral } from "../../../lib/query/operators.ts";
import { engineFor, sqlOf } from "./catalogs.ts";
import { everyOperator } from "./every_operator.ts";

const engine = await engineFor();
const schema = buildSchema(engine.sdl());

const EQUALITY = ["eq", "neq", "in", "nin"];
const ORDER = ["gt", "gte", "lt", "lte"];
const TEXT = ["matches", "like", "ilike", "contains", "icontains", "startsWith", "endsWith"];
const COMPARED = [...EQUALITY, ...ORDER, "isNull"];
const LISTED = ["has", "hasAny", "hasAll", "isNull"];

/** The filter of each column, and its operators. */
const filters: [column: string, filter: string, operators: readonly string[]][] = [
  ["b", "BooleanFilter", COMPARED],
  ["i2", "IntFilter", COMPARED],
  ["i4", "IntFilter", COMPARED],
  ["i8", "BigIntFilter", COMPARED],
  ["f4", "FloatFilter", COMPARED],
  ["n", "DecimalFilter", COMPARED],
  ["t", "StringFilter", [...COMPARED, ...TEXT]],
  ["c", "StringFilter", [...COMPARED, ...TEXT]],
  ["dom", "StringFilter", [...COMPARED, ...TEXT]],
  ["u", "UUIDFilter", COMPARED],
  ["j", "JSONFilter", [...EQUALITY, "isNull", "contains", "hasKey", "path"]],
  ["jb", "JSONFilter", [...EQUALITY, "isNull", "contains", "hasKey", "path"]],
  ["bytes", "BytesFilter", COMPARED],
  ["d", "DateFilter", COMPARED],
  ["tm", "LocalTimeFilter", COMPARED],
  ["ts", "LocalDateTimeFilter", COMPARED],
  ["tz", "DateTimeFilter", COMPARED],
  ["iv", "DurationFilter", COMPARED],
  ["st", "StatusFilter", COMPARED],
  ["odd", "PlainTextFilter", COMPARED],
  ["net", "PlainTextFilter", COMPARED],
  ["pt", "OpaqueFilter", ["isNull"]],
  ["days", "DateListFilter", LISTED],
  ["doms", "StringListFilter", LISTED],
];

for (const [column, filter, operators] of filters) {
  Deno.test(`filterOf() gives the column ${column} a ${filter}`, () => {
    const where = schema.getType("ThingWhere") as GraphQLInputObjectType;
    const type = where.getFields()[column]?.type as GraphQLInputObjectType;
    equal(type.name, filter);
    deepEqual(Object.keys(type.getFields()).sort(), [...operators].sort());
  });
}

Deno.test("operatorSql() has SQL for every operator that the schema offers", () => {
  for (const [, query] of everyOperator(engine.sdl(), "things", "Thing", "b")) sqlOf(engine, query);
});

const plain = (text: string) =>
  text.replaceAll('"pg_catalog".', "").replaceAll('"public".', "").replaceAll('"', "")
    .replace(/^.* where /, "");

const compiled: [where: string, sql: string, parameters: string[]][] = [
  ['{ t: { eq: "a" } }', "t0.t = $1::text", ["a"]],
  ['{ t: { neq: "a" } }', "t0.t <> $1::text", ["a"]],
  ["{ i2: { in: [1, 2] } }", "t0.i2 = any($1::int2[])", ['{"1","2"}']],
  ["{ i2: { in: [] } }", "t0.i2 = any($1::int2[])", ["{}"]],
  ["{ i2: { nin: 1 } }", "t0.i2 <> all($1::int2[])", ['{"1"}']],
  [
    "{ i4: { gt: 1, gte: 2, lt: 3, lte: 4 } }",
    "(t0.i4 > $1::int4 and t0.i4 >= $2::int4 and t0.i4 < $3::int4 and t0.i4 <= $4::int4)",
    ["1", "2", "3", "4"],
  ],
  ["{ t: { isNull: true } }", "t0.t is null", []],
  ["{ t: { isNull: false } }", "t0.t is not null", []],
  ['{ t: { like: "a%" } }', "t0.t like $1::text", ["a%"]],
  ['{ t: { ilike: "A" } }', "t0.t ilike $1::text", ["A"]],
  ['{ t: { contains: "50%_\\\\" } }', "t0.t like $1::text", ["%50\\%\\_\\\\%"]],
  ['{ t: { icontains: "a" } }', "t0.t ilike $1::text", ["%a%"]],
  ['{ t: { startsWith: "a" } }', "t0.t like $1::text", ["a%"]],
  ['{ t: { endsWith: "a\\\\" } }', "t0.t like $1::text", ["%a\\\\"]],
  ['{ days: { has: "2026-01-31" } }', "$1::date = any(t0.days::date[])", ["2026-01-31"]],
  ['{ doms: { hasAny: ["a\\"b"] } }', "t0.doms::text[] && $1::text[]", ['{"a\\"b"}']],
  ["{ doms: { hasAll: [] } }", "t0.doms::text[] @> $1::text[]", ["{}"]],
  ["{ jb: { eq: {a: 1} } }", "t0.jb::jsonb = $1::jsonb", ['{"a":1}']],
  ["{ j: { contains: [1] } }", "t0.j::jsonb @> $1::jsonb", ["[1]"]],
  ['{ jb: { hasKey: "a" } }', "t0.jb::jsonb ? $1::text", ["a"]],
  [
    '{ jb: { path: { path: ["a", "0"], gt: 1 } } }',
    "(jsonb_typeof((t0.jb::jsonb #> $1::text[])) = jsonb_typeof($2::jsonb) and (t0.jb::jsonb #> $1::text[]) > $2::jsonb)",
    ['{"a","0"}', "1"],
  ],
  [
    '{ jb: { path: { path: ["a"], startsWith: "x" } } }',
    "(t0.jb::jsonb #>> $1::text[]) like $2::text",
    ['{"a"}', "x%"],
  ],
  ['{ odd: { eq: "in progress" } }', "t0.odd = $1::odd_status", ["in progress"]],
  ["{ and: [] }", "true", []],
  ["{ or: [] }", "false", []],
  ["{ not: {} }", "not (true)", []],
  ["{ or: [{ b: { eq: true } }, {}] }", "(t0.b = $1::bool or true)", ["true"]],
  ["{ t: {} }", "true", []],
];

for (const [where, sql, parameters] of compiled) {
  Deno.test(`operatorSql() of ${where}`, () => {
    const statement = sqlOf(engine, `{ things(where: ${where}) { b } }`);
    const text = plain(statement.text);
    equal(text.startsWith("select") ? "true" : text.replaceAll("pg_catalog.", ""), sql);
    deepEqual(statement.parameters, parameters);
  });
}

Deno.test("operatorSql() refuses a label that the enum has not, and names those it has", () => {
  throws(() => sqlOf(engine, `{ things(where: { odd: { in: ["done", "x"] } }) { b } }`), {
    code: "BAD_INPUT",
    message: 'where.odd.in[1]: "x" is none of the labels',
    hint: "the labels are in progress, done",
  });
});

Deno.test("arrayLiteral() quotes every element", () => {
  equal(
    arrayLiteral(["", "NULL", "a,b", "{}", 'q"', "b\\"]),
    '{"","NULL","a,b","{}","q\\"","b\\\\"}',
  );
});
