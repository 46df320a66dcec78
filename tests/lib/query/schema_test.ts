/** From the catalog to GraphQL's names and types. */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { buildSchema, type GraphQLObjectType, validateSchema } from "graphql";
import { camelCase, Names, pascalCase, plural, singular } from "../../../lib/query/names.ts";
import { graphqlTypes } from "../../../lib/query/graphql_schema.ts";
import { type DataSchema, dataSchema, quote } from "../../../lib/query/schema.ts";
import { catalogOf, type CatalogSpec, engineFor, SHOP } from "./catalogs.ts";

const names: [postgres: string, camel: string, pascal: string][] = [
  ["order_items", "orderItems", "OrderItems"],
  ["orderItems", "orderItems", "OrderItems"],
  ["OrderItems", "orderItems", "OrderItems"],
  ["ORDER_ITEMS", "orderItems", "OrderItems"],
  ["URL", "url", "Url"],
  ["user-name.first", "userNameFirst", "UserNameFirst"],
  ["a  b", "aB", "AB"],
  ["2nd", "_2nd", "_2nd"],
  ["line_2", "line2", "Line2"],
  ["_private", "_private", "_Private"],
  ["__typename", "_typename", "_Typename"],
  ["trailing_", "trailing", "Trailing"],
  ["Größe", "grosse", "Grosse"],
  ["naïve café", "naiveCafe", "NaiveCafe"],
  ["日本", "_", "_"],
  ["$", "_", "_"],
  ["", "_", "_"],
  ["a\nb", "aB", "AB"],
  ['say "hi"', "sayHi", "SayHi"],
];

for (const [postgres, camel, pascal] of names) {
  Deno.test(`camelCase() makes ${camel} of ${JSON.stringify(postgres)}`, () => {
    equal(camelCase(postgres), camel);
    equal(pascalCase(postgres), pascal);
  });
}

const numbers: [plural: string, singular: string][] = [
  ["users", "user"],
  ["orderItems", "orderItem"],
  ["categories", "category"],
  ["addresses", "address"],
  ["statuses", "status"],
  ["people", "person"],
  ["orderStatuses", "orderStatus"],
];

for (const [many, one] of numbers) {
  Deno.test(`singular() makes ${one} of ${many}, and plural() the other way`, () => {
    deepEqual([singular(many), plural(one)], [one, many]);
    deepEqual([singular(one), plural(many)], [one, many], "and leaves what is so already");
  });
}

for (const word of ["news", "userData", "data", "_"]) {
  Deno.test(`plural() and singular() of ${word} are one word`, () => {
    deepEqual([singular(word), plural(word)], [word, word]);
  });
}

Deno.test("Names.take() numbers what is taken, and never begins with two underscores", () => {
  const taken = new Names(["a"]);
  deepEqual(["a", "a", "_", "_", "_"].map((name) => taken.take(name)), [
    "a_2",
    "a_3",
    "_",
    "_2",
    "_3",
  ]);
});

Deno.test("quote() doubles quotes", () => {
  equal(quote('a"b'), '"a""b"');
});

function schemaOf(spec: CatalogSpec): DataSchema {
  const data = dataSchema(catalogOf(spec), { unrepresentable: "error" });
  deepEqual(validateSchema(graphqlTypes(data).schema), [], "GraphQL takes the schema");
  return data;
}

/** Type name, list and row field of each relation. */
const rootsOf = (data: DataSchema) =>
  data.relations.map(({ typeName, listField, rowField }) => [typeName, listField, rowField]);

const key = "id int4! key";

/** Clashes by each rule, and what they become. */
const clashes: [name: string, spec: CatalogSpec, roots: unknown, note: RegExp | null][] = [
  ["a plain table", { tables: { order_items: key } }, [
    ["OrderItem", "orderItems", "orderItem"],
  ], null],
  ["a table without a key", { tables: { logs: "a text" } }, [["Log", "logs", null]], null],
  ["a table of our name", { tables: { events: key, "event types": key } }, [
    ["PublicEvent", "publicEvents", "publicEvent"],
    ["EventType", "eventTypes", "eventType"],
  ], /public\.events is PublicEvent and publicEvents, since Event or events is taken/],
  ["a table of our type's name", { tables: { query: key, page_info: key, strings: key } }, [
    ["PublicQuery", "publicQueries", "publicQuery"],
    ["PublicPageInfo", "publicPageInfos", "publicPageInfo"],
    ["PublicString", "publicStrings", "publicString"],
  ], /query is PublicQuery/],
  ["a table named like a filter of ours", { tables: { string_filter: key } }, [
    ["PublicStringFilter", "publicStringFilters", "publicStringFilter"],
  ], /StringFilter/],
  ["a relation of another schema", { tables: { users: key, "archive.users": key } }, [
    ["User", "users", "user"],
    ["ArchiveUser", "archiveUsers", "archiveUser"],
  ], /archive\.users is ArchiveUser/],
  ["singular and plural as two tables", { tables: { user: key, users: key } }, [
    ["User", "users", "user"],
    ["PublicUser", "publicUsers", "publicUser"],
  ], /public\.users is PublicUser/],
  ["a prefixed name that is taken too", { tables: { user: key, users: key, public_user: key } }, [
    ["User", "users", "user"],
    ["PublicUser", "publicUsers", "publicUser"],
    ["PublicPublicUser", "publicPublicUsers", "publicPublicUser"],
  ], /PublicPublicUser/],
  ["a table that takes what another brings along", {
    tables: { order_connection: key, order: key, order_where: key, orders_aggregate: key },
  }, [
    ["PublicOrderConnection", "publicOrderConnections", "publicOrderConnection"],
    ["Order", "orders", "order"],
    ["PublicOrderWhere", "publicOrderWheres", "publicOrderWhere"],
    ["PublicOrdersAggregate", "publicOrdersAggregates", "publicOrdersAggregate"],
  ], /OrderWhere/],
  ["one word for plural and singular", { tables: { news: key } }, [
    ["News", "newsList", "news"],
  ], null],
  ["names without a letter", { tables: { "$": key, "%": key } }, [
    ["_", "_List", "_"],
    ["Public", "publics", "public"],
  ], /since _ or _List is taken/],
  ["names of JavaScript's own", {
    tables: { constructor: key, ["__proto__"]: key, toString: key, valueOf: key },
  }, [
    ["Constructor", "constructors", "constructor"],
    ["_Proto", "_protos", "_proto"],
    ["ToString", "toStrings", "toString"],
    ["ValueOf", "valueOfs", "valueOf"],
  ], null],
];

for (const [name, spec, roots, note] of clashes) {
  Deno.test(`dataSchema() names ${name}`, () => {
    const data = schemaOf(spec);
    deepEqual(rootsOf(data), roots);
    if (note) match(data.notes.join("\n"), note);
    else deepEqual(data.notes, []);
  });
}

const fieldNames = (data: DataSchema, typeName: string) => [
  ...data.relations.find((relation) => relation.typeName === typeName)?.fields.keys() ?? [],
];

/** Fields of the first and second table. */
const fields: [name: string, spec: CatalogSpec, wanted: Record<string, string[]>][] = [
  ["two columns of one name by number", {
    tables: { t: '"a_b" int4, "aB" int4, "a-b" int4, "A B" int4' },
  }, { T: ["aB", "aB_2", "aB_3", "aB_4"] }],
  ["columns without a letter", { tables: { t: '"$" int4, "%" int4, "2" int4' } }, {
    T: ["_", "_2", "_2_2"],
  }],
  ["a foreign key both ways", {
    tables: { users: key, orders: "id int4! key, user_id int4" },
    foreignKeys: ["fk: orders(user_id) -> users(id)"],
  }, { User: ["id", "orders"], Order: ["id", "userId", "user"] }],
  ["a foreign key whose column is in camel case", {
    tables: { users: key, orders: 'id int4! key, "buyerId" int4' },
    foreignKeys: ["fk: orders(buyerId) -> users(id)"],
  }, { Order: ["id", "buyerId", "buyer"] }],
  ["several keys to one table", {
    tables: { users: key, orders: "id int4! key, buyer_id int4, seller_id int4" },
    foreignKeys: ["b: orders(buyer_id) -> users(id)", "s: orders(seller_id) -> users(id)"],
  }, { User: ["id", "ordersByBuyer", "ordersBySeller"] }],
  ["a key to its own table", {
    tables: { categories: "id int4! key, parent_id int4" },
    foreignKeys: ["fk: categories(parent_id) -> categories(id)"],
  }, { Category: ["id", "parentId", "parent", "categories"] }],
  ["a composite key", {
    tables: { rooms: "house int4! key, no int4! key", beds: "id int4! key, house int4, no int4" },
    foreignKeys: ["fk: beds(house, no) -> rooms(house, no)"],
  }, { Bed: ["id", "house", "no", "room"], Room: ["house", "no", "beds"] }],
  ["a link that a column stands in the way of", {
    tables: { users: "id int4! key, orders text", orders: "id int4! key, user_id int4, user text" },
    foreignKeys: ["orders_user_id_fkey: orders(user_id) -> users(id)"],
  }, {
    User: ["id", "orders", "ordersUserIdFkey"],
    Order: ["id", "userId", "user", "ordersUserIdFkey"],
  }],
  ["a key that is the row's own key", {
    tables: { users: key, profiles: "id int4! key" },
    foreignKeys: ["profiles_id_fkey: profiles(id) -> users(id)"],
  }, { Profile: ["id", "profilesIdFkey"], User: ["id", "profiles"] }],
  ["two keys over one column", {
    tables: { a: key, b: key, c: "id int4! key, x_id int4" },
    foreignKeys: ["c_to_a: c(x_id) -> a(id)", "c_to_b: c(x_id) -> b(id)"],
  }, { C: ["id", "xId", "x", "cToB"], A: ["id", "cs"], B: ["id", "cs"] }],
  ["a constraint whose name is taken too", {
    tables: { users: key, orders: "id int4! key, user_id int4, user text, fk text" },
    foreignKeys: ["fk: orders(user_id) -> users(id)"],
  }, { Order: ["id", "userId", "user", "fk", "fk_2"] }],
];

for (const [name, spec, wanted] of fields) {
  Deno.test(`dataSchema() names ${name}`, () => {
    const data = schemaOf(spec);
    for (const [typeName, list] of Object.entries(wanted)) {
      deepEqual(fieldNames(data, typeName), list, typeName);
    }
  });
}

/** The GraphQL type that a column of this PostgreSQL type becomes. */
const types: [column: string, graphql: string][] = [
  ["a uuid", "UUID"],
  ["a uuid!", "UUID!"],
  ["a uuid! key", "ID!"],
  ["a text!", "String!"],
  ["a varchar", "String"],
  ["a bpchar", "String"],
  ["a name", "String"],
  ["a bool!", "Boolean!"],
  ["a int2", "Int"],
  ["a int4!", "Int!"],
  ["a int8", "BigInt"],
  ["a float4!", "Float"],
  ["a float8! key", "Float"],
  ["a numeric(10,2)!", "Decimal!"],
  ["a numeric", "Decimal"],
  ["a numeric(5,-2)", "Decimal"],
  ["a timestamptz", "DateTime"],
  ["a timestamp", "LocalDateTime"],
  ["a date", "Date"],
  ["a time", "LocalTime"],
  ["a timetz", "String"],
  ["a interval", "Duration"],
  ["a json", "JSON"],
  ["a jsonb!", "JSON!"],
  ["a bytea", "Bytes"],
  ["a inet", "String"],
  ["a int4range", "String"],
  ["a tsvector", "String"],
  ["a point", "String"],
  ["a xml", "String"],
  ["a money", "String"],
  ["a status!", "Status!"],
  ["a odd_status", "String"],
  ["a email!", "String!"],
  ["a text[]!", "[String]!"],
  ["a uuid[]", "[UUID]"],
  ["a status[]", "[Status]"],
  ["a email[]", "[String]"],
  ["a float8[]!", "[Float]!"],
  ["a emails", "[String]"],
  ["a emails[]", "[String]"],
  ["a address", "Address"],
  ["a address[]!", "[Address]!"],
  ["a home", "Address"],
  ["a nothing", "String"],
];

for (const [column, graphql] of types) {
  Deno.test(`dataSchema() makes ${graphql} of a column ${column}`, () => {
    const data = schemaOf({
      types: {
        ...SHOP.types,
        emails: { domain: "email[]" },
        home: { domain: "address" },
        nothing: { labels: [] },
      },
      tables: { t: column },
    });
    const type = graphqlTypes(data).schema.getType("T") as GraphQLObjectType;
    equal(String(type.getFields().a?.type), graphql);
  });
}

/** What is known of a numeric from its modifier. */
const numerics: [type: string, scalar: unknown][] = [
  ["numeric(10,2)", { kind: "decimal", precision: 10, scale: 2 }],
  ["numeric(38,38)", { kind: "decimal", precision: 38, scale: 38 }],
  ["numeric(38,0)", { kind: "decimal", precision: 38, scale: 0 }],
  ["numeric(39,0)", { kind: "numeric" }],
  ["numeric(1000,5)", { kind: "numeric" }],
  ["numeric(3,5)", { kind: "numeric" }],
  ["numeric(5,-2)", { kind: "numeric" }],
  ["numeric(1000,-1000)", { kind: "numeric" }],
  ["numeric", { kind: "numeric" }],
  ["price", { kind: "decimal", precision: 12, scale: 4 }],
];

for (const [type, scalar] of numerics) {
  Deno.test(`dataSchema() reads the modifier of ${type}`, () => {
    const data = schemaOf({
      types: { price: { domain: "numeric(12,4)" } },
      tables: { t: `a ${type}, b ${type}[]` },
    });
    const [a, b] = data.relations[0]?.columns ?? [];
    deepEqual(a?.type.kind === "leaf" && a.type.scalar, scalar);
    deepEqual(
      b?.type.kind === "array" && b.type.item.kind === "leaf" && b.type.item.scalar,
      scalar,
    );
  });
}

const badLabels = ["in progress", "", "1st", "true", "false", "null", "__hidden", "größe", 'a"b'];

for (const label of badLabels) {
  Deno.test(`dataSchema() makes String of an enum with the label ${JSON.stringify(label)}`, () => {
    const data = schemaOf({ types: { e: { labels: ["ok", label] } }, tables: { t: "a e, b e[]" } });
    const type = data.relations[0]?.columns[0]?.type;
    ok(type?.kind === "leaf");
    deepEqual([type.graphql, type.scalar], ["String", { kind: "enum", labels: ["ok", label] }]);
    match(data.notes.join(), /enum public\.e is String, since its label .* is no GraphQL name/);
    equal(data.notes.length, 1, "told once");
  });
}

Deno.test("dataSchema() prefixes an enum or composite whose name a relation has", () => {
  const data = schemaOf({
    types: {
      status: { labels: ["a"] },
      "archive.status": { labels: ["b"] },
      user: { attributes: "x int4" },
    },
    tables: { statuses: "a status, b archive.status, c user", users: key },
  });
  deepEqual(data.enums.map((type) => type.typeName), ["PublicStatus", "ArchiveStatus"]);
  deepEqual(data.composites.map((type) => type.typeName), ["PublicUser"]);
});

Deno.test("dataSchema() makes nullable what may become null when told so", () => {
  const tables = { t: "a numeric(10,2)!, b date!, c text!, d int4[]!, e timestamptz!, f int4!" };
  const nullable = (unrepresentable: "error" | "null") =>
    dataSchema(catalogOf({ tables }), { unrepresentable }).relations[0]?.columns
      .filter((column) => column.nullable).map((column) => column.name);
  deepEqual(nullable("error"), []);
  deepEqual(nullable("null"), ["a", "b", "d", "e"]);
});

Deno.test("dataSchema() keeps columns named and, or, not, and says that they have no conditions", async () => {
  const spec = { tables: { t: "and text, or text, not text, a text" } };
  const data = schemaOf(spec);
  deepEqual(fieldNames(data, "T"), ["and", "or", "not", "a"]);
  equal(data.notes.length, 3);
  const engine = await engineFor(spec);
  engine.plan({
    text: `{ ts(where: { and: [{ a: { eq: "x" } }], not: { a: { eq: "y" } } }) { and } }`,
  });
});

Deno.test("sdl() is a schema that can be built again, notes included", async () => {
  const engine = await engineFor({
    ...SHOP,
    tables: { ...SHOP.tables, "a\nb": key, "a\r\nb": 'id int4! key, """" text' },
  });
  const sdl = engine.sdl();
  match(sdl, /^# /);
  ok(buildSchema(sdl).getType("User"));
});

Deno.test("rootLists() gives a query of every plain column, parts of composites included", async () => {
  const engine = await engineFor();
  const list = engine.rootLists().find((found) => found.name === "users");
  deepEqual(list, {
    name: "users",
    text: "{ users { id name email managerId home { street zip } } }",
    description: "People",
    rowsEstimate: 7,
  });
  for (const { name } of engine.rootLists()) ok(engine.planWord(name).roots.length === 1, name);
});
