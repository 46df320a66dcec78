/** A schema file held against catalogs made by hand; schema_file_live_test.ts asks PostgreSQL. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { lexicographicSortSchema, printSchema, validateSchema } from "graphql";
import { AppError } from "../../../lib/errors.ts";
import type { Catalog, CatalogFunction } from "../../../lib/query/catalog.ts";
import { graphqlTypes } from "../../../lib/query/graphql_schema.ts";
import { type DataSchema, dataSchema } from "../../../lib/query/schema.ts";
import { fileSchema } from "../../../lib/query/schema_file.ts";
import { printSchemaFile } from "../../../lib/query/schema_file_print.ts";
import { catalogOf, type CatalogSpec, SHOP } from "./catalogs.ts";

type Options = { readonly unrepresentable: "error" | "null" };
const strict: Options = { unrepresentable: "error" };

const shop = catalogOf(SHOP);
const oidOf = (catalog: Catalog, name: string) =>
  catalog.relations.find((relation) => relation.name === name)?.oid ?? 0;
const functions: CatalogFunction[] = [
  { schema: "public", name: "full_name", typeOid: 25, returnsSet: false },
  { schema: "tools", name: "shout", typeOid: 25, returnsSet: false },
  { schema: "public", name: "friends", typeOid: 25, returnsSet: true },
  { schema: "public", name: "balance", typeOid: 1700, returnsSet: false },
].map((row) => ({ ...row, comment: null, relationOid: oidOf(shop, "users") }));
const withFunctions: Catalog = { ...shop, functions };

const read = (text: string, catalog = withFunctions, options = strict) =>
  fileSchema({ path: "s.graphql", text }, catalog, options);

const sdlOf = (data: DataSchema) => printSchema(lexicographicSortSchema(graphqlTypes(data).schema));

/** The faults, each a line without the file's name. */
function faultsOf(text: string, catalog = withFunctions, options = strict): string[] {
  let lines: string[] = [];
  throws(() => read(text, catalog, options), (error) => {
    ok(error instanceof AppError);
    equal(error.code, "BAD_INPUT");
    const [head = "", ...rest] = error.message.split("\n  ");
    match(head, new RegExp(`^the schema file s.graphql has ${rest.length} faults?:$`));
    lines = rest.map((line) => line.replace(/^s\.graphql:/, ""));
    return true;
  });
  return lines;
}

const user = (fields: string, more = "") =>
  `type User @source(relation: "users"${more}) {${fields}}`;
const order = (fields: string, more = "") =>
  `type Order @source(relation: "orders"${more}) {${fields}}`;
const secret = (fields: string, more = "") =>
  `type Secret @source(relation: "secrets"${more}) {${fields}}`;
const view = (fields: string, more = "") =>
  `type View @source(relation: "va_orders"${more}) {${fields}}`;

const faults: [name: string, text: string, told: RegExp][] = [
  [
    "a relation that is not there",
    'type User @source(relation: "user") {id: ID}',
    /^1:29 .*no relation user: did you mean users\?$/,
  ],
  [
    "a relation of another schema",
    'type User @source(relation: "users", schema: "sales") {id: ID}',
    /no relation sales\.users: FRAISEQL_DB_SCHEMAS exposes public$/,
  ],
  [
    "a schema in the relation's name",
    'type User @source(relation: "public.users") {id: ID}',
    /write relation: "users", schema: "public"$/,
  ],
  [
    "a column that is not there",
    user("nam: String"),
    /^1:39 public\.users has no column for nam: did you mean name\?$/,
  ],
  [
    "a @column that is not there",
    user('name: String! @column(name: "emial")'),
    /has no column emial: did you mean email\?$/,
  ],
  [
    "a type that is not there",
    user("name: Strng"),
    /there is no type Strng: declare it, did you mean String\?$/,
  ],
  [
    "another type",
    user("name: Int"),
    /public\.users\.name is String and not Int: declare it as String or ID$/,
  ],
  ["a list for one value", user("name: [String]"), /is String and not \[String\]/],
  [
    "one value for a list",
    order("tags: String"),
    /public\.orders\.tags is \[String\] and not String/,
  ],
  [
    "elements that are never null",
    order("tags: [String!]"),
    /elements of arrays may be null: declare it as \[String\]$/,
  ],
  ["a list of lists", order("tags: [[String]]"), /a list of lists is not supported/],
  [
    "! where there can be nulls",
    user("email: String!"),
    /public\.users\.email may be null: declare it as String$/,
  ],
  [
    "! for a float",
    'type Thing @source(relation: "things") {f8: Float!}',
    /may be NaN, which is null in JSON: declare it as Float$/,
  ],
  [
    "an enum as a text",
    order("status: String"),
    /is the enum public\.status: declare an enum \{ new paid \} and name it here$/,
  ],
  [
    "an enum that lacks a label",
    `${order("status: S!")} enum S { new }`,
    /S lacks labels of public\.status: add paid$/,
  ],
  [
    "an enum with a label too many",
    `${order("status: S!")} enum S { new paid lost }`,
    /public\.status has no label lost: take it away$/,
  ],
  [
    "an enum in another order",
    `${order("status: S!")} enum S { paid new }`,
    /in another order, by which they compare: write new paid$/,
  ],
  [
    "an enum for odd labels",
    'type Thing @source(relation: "things") {odd: O} enum O { done }',
    /its label "in progress" is no GraphQL name: declare it as String$/,
  ],
  [
    "an enum that nothing has",
    `${user("id: ID!")} enum S { new }`,
    /no field has the enum S: take it away$/,
  ],
  [
    "a type that nothing has",
    `${user("id: ID!")} type X { a: Int }`,
    /no field has the type X, and it has no @source/,
  ],
  [
    "a composite as a text",
    user("home: String"),
    /is the composite public\.address: declare a type with fields for street, zip/,
  ],
  [
    "a composite's column that is not there",
    `${user("home: A")} type A { stret: String }`,
    /public\.address has no column for stret: did you mean street\?$/,
  ],
  [
    "! in a composite",
    `${user("home: A")} type A { zip: Int! }`,
    /public\.address\.zip may be null/,
  ],
  [
    "an unknown directive",
    user('name: String! @colum(name: "a")'),
    /no directive @colum: take it away, did you mean column\?$/,
  ],
  [
    "a directive in the wrong place",
    user('name: String! @source(relation: "a")'),
    /@source is not for a field: take it away$/,
  ],
  ["a directive twice", user("name: String! @hidden @hidden"), /@hidden is there twice/],
  [
    "an unknown argument",
    user("id: ID!", ', keys: "id"'),
    /@source has no argument keys: .*did you mean key\?$/,
  ],
  [
    "an argument that is missing",
    "type User @source {id: ID}",
    /@source has no relation: write @source\(relation: "\.\.\."\)$/,
  ],
  [
    "an argument of another type",
    user("name: String! @column(name: 1)"),
    /@column\(name:\) is 1: write a text in quotes/,
  ],
  ["a name with a NUL", user('name: String! @column(name: "a\\u0000")'), /write a text in quotes/],
  [
    "one column twice",
    user('name: String! again: String! @column(name: "name")'),
    /User\.name and again are the same column name: take one away$/,
  ],
  ["one field twice", user("name: String! name: String!"), /User\.name is there twice/],
  ["one type twice", `${user("id: ID!")} ${user("id: ID!")}`, /User is there twice/],
  [
    "a root type",
    "type Query { a: Int }",
    /root type Query is made from the types: take it away; @source\(list:, row:\)/,
  ],
  [
    "an input",
    `${user("id: ID!")} input I { a: Int }`,
    /has types and enums, and no input object type: take it away$/,
  ],
  ["a schema", `${user("id: ID!")} schema { query: Query }`, /and no schema: take it away$/],
  [
    "an extension",
    `${user("id: ID!")} extend type User { name: String }`,
    /no object type extension/,
  ],
  [
    "an unknown scalar",
    `${user("id: ID!")} scalar Money`,
    /there is no scalar Money: it can be one of/,
  ],
  [
    "an interface",
    `type User implements Node @source(relation: "users") {id: ID!}`,
    /types implement no interface such as Node/,
  ],
  ["arguments", user("name(a: Int): String!"), /arguments are made by themselves: take a away$/],
  [
    "a description of a value",
    `${order("status: S!")} enum S { "x" new paid }`,
    /values of enums have no description/,
  ],
  [
    "a directive declared otherwise",
    `${user("id: ID!")} directive @hidden on ENUM`,
    /@hidden is another directive than this: write directive @hidden/,
  ],
  [
    "a type that is ours",
    'type PageInfo @source(relation: "users") {id: ID!}',
    /PageInfo is taken: choose another name$/,
  ],
  [
    "a type that another one needs",
    `${user("id: ID!")} type UserWhere @source(relation: "orders") {id: BigInt!}`,
    /UserWhere is taken/,
  ],
  [
    "a root field that is ours",
    user("id: ID!", ', list: "events"'),
    /root field events is taken: choose another with @source\(list: "\.\.\."\)$/,
  ],
  [
    "two root fields of one name",
    `${user("id: ID!")} ${order("id: BigInt!", ', list: "users"')}`,
    /root field users is taken/,
  ],
  ["a root field that is no name", user("id: ID!", ', list: "a b"'), /a b is no name of a field/],
  ["a name of GraphQL's own", user('__a: String @column(name: "name")'), /begins with __/],
  [
    "a key where there is one",
    user("id: ID!", ', key: ["id"]'),
    /public\.users has the key id: take key away$/,
  ],
  [
    "a key that is not there",
    secret("id: BigInt", ', key: ["ident"]'),
    /Secret has no column or field ident/,
  ],
  [
    "a key that cannot be compared",
    `type Thing @source(relation: "things", key: ["pt"]) { pt: String }`,
    /pt cannot be compared/,
  ],
  [
    "a row without a key",
    secret("id: BigInt", ', row: "one"'),
    /Secret has no key of fields that it shows: write key:/,
  ],
  [
    "a row by a key that is not shown",
    user("name: String!", ', row: "one"'),
    /no key of fields that it shows/,
  ],
  [
    "a related row with !",
    `${order("user: User!")} ${user("id: ID!")}`,
    /row security can hide the other row: declare it as User$/,
  ],
  [
    "related rows that can be null",
    `${user("orders: [Order]")} ${order("id: BigInt!")}`,
    /declare it as \[Order!\]!$/,
  ],
  [
    "no foreign key",
    `${secret("user: User")} ${user("id: ID!")}`,
    /no foreign key leads from public\.secrets to public\.users: name the columns/,
  ],
  [
    "another foreign key",
    `${order('user: User @relation(foreignKey: "x")')} ${user("id: ID!")}`,
    /no foreign key x leads .*orders_user_fkey/,
  ],
  [
    "a relation's column that is not there",
    `${order('user: User @relation(columns: ["usr_id"], references: ["id"])')} ${user("id: ID!")}`,
    /Order has no column or field usr_id: did you mean user_id\?$/,
  ],
  [
    "a relation's other column that is not there",
    `${order('user: User @relation(columns: ["user_id"], references: ["ident"])')} ${
      user("id: ID!")
    }`,
    /User has no column or field ident/,
  ],
  [
    "a relation of unequal length",
    `${order('user: User @relation(columns: ["user_id"])')} ${user("id: ID!")}`,
    /1 columns of Order and 0 of User/,
  ],
  [
    "a relation that cannot be compared",
    `${order('user: User @relation(columns: ["id"], references: ["id"])')} ${user("id: ID!")}`,
    /Order\.id \(int8\) and User\.id \(uuid\) cannot be compared/,
  ],
  [
    "a related row that can be several",
    `${user('last: Order @relation(columns: ["id"], references: ["user_id"])')} ${
      order("id: BigInt!")
    }`,
    /Order can have several rows of one user_id: declare it as \[Order!\]!/,
  ],
  [
    "a relation to what is none",
    user('name: String! @relation(foreignKey: "x")'),
    /String is no type of a relation/,
  ],
  [
    "a hidden type that is shown",
    `${order("user: User")} type User @source(relation: "users") @hidden {id: ID!}`,
    /User is hidden: hide this field as well$/,
  ],
  ["a type that shows nothing", user("id: ID! @hidden"), /User shows no field/],
  [
    "a function that is not there",
    user('fullName: String @computed(function: "ful_name")'),
    /no function public\.ful_name\(public\.users\) that may be called: did you mean full_name\?$/,
  ],
  [
    "a function of another schema",
    user('a: String @computed(function: "shout")'),
    /write schema: "tools"$/,
  ],
  [
    "a function that returns rows",
    user('a: String @computed(function: "friends")'),
    /returns rows and no value/,
  ],
  [
    "another type of a function",
    user('a: Int @computed(function: "full_name")'),
    /public\.full_name\(\) is String and not Int/,
  ],
  [
    "a JSON column that is not there",
    view("a: Int", ', json: "dat"'),
    /public\.va_orders has no column dat: it can be data$/,
  ],
  [
    "a JSON column that is none",
    view("a: Int", ', json: "total"'),
    /public\.va_orders\.total is no jsonb or json: it can be data$/,
  ],
  [
    "a row in JSON",
    `${view("a: A", ', json: "data"')} type A { user: User } ${user("id: ID!")}`,
    /a JSON object holds no row of User/,
  ],
  [
    "a JSON object in itself",
    `${view("a: A", ', json: "data"')} type A { a: A }`,
    /A holds itself: declare the inner one as JSON$/,
  ],
  [
    "one type for two things",
    `${view("a: A", ', json: "data"')} ${user("home: A")} type A { street: String }`,
    /A stands for something else already/,
  ],
  [
    "a decimal that is none",
    'type Thing @source(relation: "things") {n: Decimal @column(decimal: "39,1")}',
    /write precision and scale/,
  ],
  [
    "a decimal for what is one",
    order('total: Decimal @column(decimal: "12,2")'),
    /total is numeric\(10,2\) already: take decimal away$/,
  ],
  [
    "plain where all fields are columns",
    user("name: String! @column(plain: true)"),
    /are columns already: take plain away$/,
  ],
  ["no GraphQL", "type User {", /^1:12 Syntax Error: Expected Name, found <EOF>\.$/],
];

for (const [name, text, told] of faults) {
  Deno.test(`fileSchema() refuses ${name}`, () => {
    const lines = faultsOf(text);
    ok(lines.some((line) => told.test(line)), lines.join("\n"));
    equal(lines.length, 1, lines.join("\n"));
  });
}

Deno.test("fileSchema() tells all faults at once, in the order of the file, with line and column", () => {
  const text = [
    'type User @source(relation: "users") {',
    "  nam: String",
    "  email: String!",
    "}",
    'type Gone @source(relation: "gone") { id: ID }',
  ].join("\n");
  deepEqual(faultsOf(text).map((line) => line.split(" ")[0]), ["2:3", "3:10", "5:29"]);
});

Deno.test("fileSchema() refuses ! under FRAISEQL_UNREPRESENTABLE=null where a value may become null", () => {
  const lenient: Options = { unrepresentable: "null" };
  const text = `${
    view("a: Int!", ', json: "data"')
  } ${'type Bill @source(relation: "bills") {total: Decimal!}'}`;
  const catalog = catalogOf({ ...SHOP, tables: { ...SHOP.tables, bills: "total numeric(10,2)!" } });
  equal(read(text, catalog).relations.length, 2);
  const lines = faultsOf(text, catalog, lenient);
  equal(lines.filter((line) => /FRAISEQL_UNREPRESENTABLE=null/.test(line)).length, 2);
});

Deno.test("fileSchema() serves the types and fields of the file, in its order, and nothing else", () => {
  const data = read(`
    "Those who buy" type Person @source(relation: "users") {
      mail: String @column(name: "email")
      "What they are called" name: String!
      id: UUID!
      boss: Person @relation(foreignKey: "users_manager_fkey")
      managerId: ID @hidden
    }`);
  const sdl = sdlOf(data);
  match(sdl, /"""Those who buy"""\ntype Person \{/);
  match(sdl, /\n {2}"""What they are called"""\n {2}name: String!\n/);
  match(sdl, /\n {2}people\(/);
  match(sdl, /\n {2}person\(id: UUID!\): Person\n/);
  equal(/\b(Order|User|managerId|home)\b/.test(sdl), false);
  const [person] = data.relations;
  deepEqual([...person?.fields.keys() ?? []], ["mail", "name", "id", "boss"]);
});

Deno.test("fileSchema() takes root fields from @source where it names them", () => {
  const sdl = sdlOf(read(user("id: ID!", ', list: "everybody", row: "somebody"')));
  match(sdl, /\n {2}everybody\(/);
  match(sdl, /\n {2}somebody\(id: ID!\): User\n/);
});

Deno.test("fileSchema() gives a view the key of the file, and so a row and an order", () => {
  const [secrets] = read(secret("id: BigInt! word: String", ', key: ["id"]')).relations;
  equal(secrets?.rowField, "secret");
  deepEqual(secrets?.key.map((column) => column.name), ["id"]);
});

Deno.test("fileSchema() keeps a key that no field shows for ordering alone", () => {
  const [users] = read(user("name: String!")).relations;
  equal(users?.rowField, null);
  deepEqual(users?.key.map((column) => column.column), ["id"]);
});

Deno.test("fileSchema() follows the only foreign key, the one of the usual name, or the one that is named", () => {
  const catalog = catalogOf({
    tables: { users: "id int4! key", orders: "id int4! key, buyer_id int4, seller_id int4" },
    foreignKeys: [
      "by: orders(buyer_id) -> users(id)",
      "se: orders(seller_id) -> users(id)",
    ],
  });
  const data = read(
    `type Order @source(relation: "orders") {
       id: Int!
       seller: User
       who: User @relation(foreignKey: "by")
     }
     type User @source(relation: "users") { id: Int! ordersByBuyer: [Order!]! }`,
    catalog,
  );
  const pairs = data.relations.flatMap(({ fields }) =>
    [...fields.values()].flatMap((field) =>
      field.kind === "column"
        ? []
        : `${field.name}: ${field.pairs.map(({ own, other }) => `${own.column}=${other.column}`)}`
    )
  );
  deepEqual(pairs, ["seller: seller_id=id", "who: buyer_id=id", "ordersByBuyer: id=buyer_id"]);
  match(
    faultsOf(
      `type Order @source(relation: "orders") { user: User }
       type User @source(relation: "users") { id: Int! }`,
      catalog,
    ).join(),
    /2 foreign keys lead from public\.orders to public\.users: name one of them: .*"by".*"se"/,
  );
});

Deno.test("fileSchema() gives a numeric the size that @column(decimal:) promises", () => {
  const [things] = read(
    'type Thing @source(relation: "things") {n: Decimal @column(decimal: "38,10")}',
  ).relations;
  const [n] = things?.columns ?? [];
  deepEqual(n?.type.kind === "leaf" && n.type.scalar, {
    kind: "decimal",
    precision: 38,
    scale: 10,
  });
});

Deno.test("fileSchema() tells apart by PostgreSQL's names what is read from JSON and what is a column", () => {
  const [rows] = read(
    view('id: BigInt @column(plain: true) other: Int @column(name: "id")', ', json: "data"'),
  ).relations;
  deepEqual(rows?.columns.map((column) => column.column), ["id", "id_2"]);
});

Deno.test("fileSchema() serves one relation as several types", () => {
  const sdl = sdlOf(read(`
    type User @source(relation: "users") { id: ID! orders: [Order!]! }
    type Buyer @source(relation: "users") { name: String! orders: [Order!]! }
    type Order @source(relation: "orders") { id: BigInt! user: Buyer }`));
  match(sdl, /type Buyer \{/);
  match(sdl, /user: Buyer\n/);
  match(sdl, /\n {2}buyers\(/);
});

Deno.test("fileSchema() refuses a text nested deeper than it can be read", () => {
  throws(() => read(`type A { a: ${"[".repeat(200_000)}`), {
    code: "BAD_INPUT",
    message: "the schema file s.graphql is nested too deeply to be read",
  });
});

const NOTHING: [name: string, text: string][] = [
  ["an empty file", ""],
  ["a file of comments", "# nothing\n\n"],
  ["a file that ends behind its directives", "directive @hidden on OBJECT | FIELD_DEFINITION"],
  ["a file whose every type is hidden", 'type User @source(relation: "users") @hidden { id: ID! }'],
];
for (const [name, text] of NOTHING) {
  Deno.test(`fileSchema() refuses ${name}, which defines nothing to serve`, () => {
    throws(() => read(text), {
      code: "BAD_INPUT",
      message: "the schema file s.graphql defines nothing to serve",
      hint: /declare at least one type with @source .*schema print/,
    });
  });
}

const odd: CatalogSpec = {
  types: {
    mood: { labels: ["ok", "sad"] },
    odd_mood: { labels: ["in between"] },
    point2: { attributes: "x int4, y numeric(8,3)" },
    Where: { attributes: '"a b" text, mood mood, inner_one point2' },
    users: { attributes: "a int4" },
  },
  tables: {
    'say "hi"': 'id int4! key, "Größe" text, "grosse" text, "a\\b" text, and text, "日本" int8',
    news: "id int4! key",
    data: "id int4! key",
    events: { columns: "id int4! key", comment: 'With """ and \\ and\n\n   lines\n ' },
    "archive.events": { columns: "id int4! key", comment: "" },
    user_where: "id int4! key",
    User: "id int4! key, mood mood!, moods mood[], odd odd_mood, places Where[]",
    A_B: { columns: "a text", kind: "view" },
    ab: "id int4! key",
    "2nd": "id uuid! key, total numeric, Total text, TOTAL text, f float8!",
    books:
      "id uuid! key, writer_id int4, reviewer_id int4, writer text, x int4, y int4, price_id int4",
    prices: "cost numeric! key",
    pairs: "x int4! key, y int4! key, book_id uuid!",
  },
  foreignKeys: [
    'w: books(writer_id) -> say "hi"(id)',
    'r: books(reviewer_id) -> say "hi"(id)',
    "p: books(x, y) -> pairs(x, y)",
    "b: pairs(book_id) -> books(id)",
    "c: books(price_id) -> prices(cost)",
  ],
};

const roundTrips: [name: string, spec: CatalogSpec][] = [
  ["the shop", SHOP],
  ["odd names, clashes, composites and several keys", odd],
];

for (const [name, spec] of roundTrips) {
  for (const unrepresentable of ["error", "null"] as const) {
    Deno.test(`printSchemaFile() of ${name} is read back as the same schema (${unrepresentable})`, () => {
      const catalog = catalogOf(spec);
      const data = dataSchema(catalog, { unrepresentable });
      const text = printSchemaFile(data);
      const again = fileSchema({ path: "s.graphql", text }, catalog, { unrepresentable });
      equal(sdlOf(again), sdlOf(data));
      // The same columns in the same order, with the same keys and ways between them.
      // Of plain objects, since the two are made by different classes.
      deepEqual(structuredClone(shape(again)), structuredClone(shape(data)));
    });
  }
}

/** What the types of GraphQL do not show. */
function shape(data: DataSchema): unknown {
  return data.relations.map((relation) => ({
    place: [relation.schema, relation.name, relation.listField, relation.rowField],
    columns: relation.columns.map(({ column, type, declaredOid }) => [column, type, declaredOid]),
    key: relation.key.map((column) => column.column),
    links: [...relation.fields.values()].flatMap((field) =>
      field.kind === "column" ? [] : [[
        field.kind,
        field.target.typeName,
        field.pairs.map(({ own, other }) => [own.column, other.column]),
      ]]
    ),
  }));
}

Deno.test("printSchemaFile() has what gave way in comments at its top", () => {
  const text = printSchemaFile(dataSchema(catalogOf(odd), strict));
  match(
    text,
    /^# public\.events is PublicEvent and publicEvents, since Event or events is taken\n/,
  );
});

Deno.test("fileSchema() of a file that was torn at random is refused as BAD_INPUT or is a valid schema", () => {
  const extras = [
    ...`@source(relation: "users", key: ["id"], json: "data", list: "a", row: "b") @hidden @column(name: "id") `
      .matchAll(/\S+/g),
    ...`@computed(function: "full_name") @relation(columns: ["id"], references: ["user_id"]) [ ] ! { } String Int`
      .matchAll(/\S+/g),
  ].map(([word]) => word);
  const printed = printSchemaFile(dataSchema(withFunctions, strict));
  const words = printed.match(/"""[^]*?"""|"(?:[^"\\]|\\.)*"|\w+|\n|[^\s\w]/g) ?? [];
  let state = 7;
  const random = (below: number) => (state = state * 48_271 % 2_147_483_647) % below;
  const seen = { refused: 0, valid: 0 };
  for (let run = 0; run < 2000; run++) {
    const torn = [...words];
    for (let change = random(3); change >= 0; change--) {
      const at = random(torn.length);
      const other = random(2) === 0
        ? words[random(words.length)] ?? ""
        : extras[random(extras.length)] ?? "";
      torn.splice(at, random(2), ...random(3) === 0 ? [] : [other]);
    }
    try {
      const { schema } = graphqlTypes(read(torn.join(" ")));
      deepEqual(validateSchema(schema), [], torn.join(" "));
      seen.valid++;
    } catch (error) {
      ok(error instanceof AppError, String(error instanceof Error ? error.stack : error));
      equal(error.code, "BAD_INPUT");
      seen.refused++;
    }
  }
  ok(seen.refused > 100 && seen.valid > 100, JSON.stringify(seen));
});
