/** What the generators reach, since a case that is never made finds nothing. */

import { deepStrictEqual as equal } from "node:assert/strict";
import { buildSchema, parse } from "graphql";
import { randomOf } from "../lib/query/random_query.ts";
import { type Feature, featuresOf } from "./features.ts";
import { toGraphql, toPage, toViewTicket } from "./graphql_text.ts";
import type { Case } from "./model.ts";
import { ask } from "./oracle.ts";
import { randomQuery } from "./random_query.ts";
import { randomWorld } from "./random_world.ts";
import { TYPES } from "./types.ts";

const everything: ReadonlySet<Feature> = new Set([
  "lists",
  "rowByKey",
  "aggregates",
  "connections",
  "distinctOn",
  "jsonPath",
  "partitions",
]);

/** As many as a test run makes. */
function casesOf(seed: number): Case[] {
  return Array.from({ length: 50 }, (_, i) => {
    const random = randomOf(seed + i);
    const world = randomWorld(random);
    return Array.from({ length: 40 }, () => ({
      world,
      query: randomQuery(world, everything, random),
    }));
  }).flat();
}

const cases = casesOf(1);
const text = ({ world, query }: Case): string => {
  if (query.kind === "view") return toViewTicket(world, query);
  const { text } = query.kind === "connection"
    ? toPage(world, query, null)
    : toGraphql(world, query);
  return text;
};

Deno.test("the generators make the same cases for the same seed, and others for another", () => {
  equal(casesOf(1), cases);
  equal(JSON.stringify(casesOf(77)) === JSON.stringify(cases), false);
});

Deno.test("the generators make a GraphQL text and a statement of every case", () => {
  for (const each of cases) {
    if (each.query.kind === "view") JSON.parse(text(each));
    else parse(text(each));
    ask(each.world, each.query, { unrepresentable: "error" });
  }
});

const reached: [name: string, words: readonly string[], where: (each: Case) => string][] = [
  [
    "every type of the table",
    TYPES.map(({ name }) => `"kind":"leaf","name":"${name}"`),
    ({ world }) => JSON.stringify(world),
  ],
  [
    "every form of relation",
    [
      '"plain"',
      '"partitioned"',
      '"view"',
      '"materialized view"',
      '"unique":"alt_code"',
      '"primary":false',
      '"key":null',
      '"columns":["left_a","left_b"]',
      '"fk2_',
    ],
    ({ world }) => JSON.stringify(world),
  ],
  [
    "every operator",
    [
      ..."eq neq gt gte lt lte in nin isNull like ilike contains icontains startsWith endsWith"
        .split(" "),
      ..."has hasAny hasAll hasKey path and or not".split(" "),
    ].map((word) => `${word}: `),
    text,
  ],
  [
    "every argument and function",
    [
      ..."where orderBy limit offset distinctOn path groupBy by timeZone having first last"
        .split(" ").map((word) => `${word}: `),
      ..."countDistinct sum avg min max stddev variance group".split(" ").map((word) =>
        `${word} {`
      ),
      ..."ASC DESC ASC_NULLS_FIRST ASC_NULLS_LAST DESC_NULLS_FIRST DESC_NULLS_LAST".split(" "),
      ..."HOUR DAY WEEK MONTH __typename fragment @skip @include $v0".split(" "),
    ],
    text,
  ],
];
for (const [name, words, where] of reached) {
  Deno.test(`the generators reach ${name}`, () => {
    const all = cases.map(where).join("\n");
    equal(words.filter((word) => !all.includes(word)), []);
  });
}

Deno.test("featuresOf() finds the parts that a schema has", () => {
  const schema = buildSchema(`
    scalar JSON
    type Thing { id: Int!, data(path: [String!]): JSON }
    enum Order { ASC }
    type Query {
      things(where: Int, orderBy: Order, limit: Int, offset: Int, distinctOn: [Order!]): [Thing!]!
      thing(id: Int!): Thing
      thingsConnection(first: Int, after: String, last: Int, before: String): Int
      thingsAggregate(where: Int, groupBy: Int, having: Int, orderBy: Int): Int
    }`);
  equal(featuresOf(schema, true), everything);
  equal(featuresOf(buildSchema("type Query { things: [Int!]! }"), false), new Set());
});
