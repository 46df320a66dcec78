import { deepStrictEqual as equal } from "node:assert/strict";
import { buildSchema } from "graphql";
import type { Table, World } from "./model.ts";
import { schemaFaults } from "./schema_fault.ts";

const authors: Table = {
  name: "authors",
  columns: [
    { name: "id", type: { kind: "leaf", name: "uuid" }, notNull: true },
    { name: "owner_id", type: { kind: "leaf", name: "uuid" }, notNull: false },
    { name: "created_at", type: { kind: "array", name: "float8" }, notNull: true },
  ],
  key: { columns: ["id"], primary: true },
  unique: null,
  links: [{ name: "fk0_key", columns: ["owner_id"], target: "authors", targetColumns: ["id"] }],
  rows: [],
  storage: "plain",
  viewOf: null,
};
const world: World = { tables: [authors] };

const schema = (author: string) =>
  buildSchema(`
    type Author { ${author} }
    type Query { authors: [Author!]! author(id: ID!): Author }`);
const good = "id: ID! ownerId: ID createdAt: [Float]! owner: Author authors: [Author!]!";

const cases: [name: string, author: string, wanted: string[]][] = [
  ["nothing where all is as promised", good, []],
  ["a type that is another", good.replace("id: ID!", "id: Int!"), ["Author.id: Int!, not ID!"]],
  ["what can be null", good.replace("[Float]!", "[Float]"), [
    "Author.createdAt: [Float], not [Float]!",
  ]],
  ["a relation that is not there", good.replace("owner: Author", ""), [
    "Author.owner: undefined, not Author",
  ]],
];
for (const [name, author, wanted] of cases) {
  Deno.test(`schemaFaults() finds ${name}`, () => {
    const options = { unrepresentable: "error" } as const;
    equal(schemaFaults(world, schema(author), options), wanted);
  });
}
