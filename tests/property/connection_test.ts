import { strictEqual as equal } from "node:assert/strict";
import type { Answer } from "./answers.ts";
import { type Asking, connectionFault } from "./connection.ts";
import { Digits } from "./json.ts";
import type { ConnectionQuery, World } from "./model.ts";
import type { Shape, Value } from "./shape.ts";

const world: World = {
  tables: [{
    name: "authors",
    columns: [{ name: "id", type: { kind: "leaf", name: "int4" }, notNull: true }],
    key: { columns: ["id"], primary: true },
    unique: null,
    links: [],
    rows: [],
    storage: "plain",
    viewOf: null,
  }],
};
const query = (backwards: boolean): ConnectionQuery => ({
  kind: "connection",
  table: "authors",
  where: null,
  orderBy: [],
  select: [{ kind: "column", alias: null, column: "id", parts: [], path: null }],
  pageRows: 2,
  backwards,
});
const list: Shape = {
  kind: "list",
  ordered: true,
  nullable: false,
  item: {
    kind: "object",
    nullable: false,
    fields: [{
      name: "id",
      shape: { kind: "leaf", form: "number", arrow: "int32", nullable: false },
    }],
  },
};
const nodes: Value[] = [1, 2, 3, 4, 5].map((id) => ({ id: new Digits(String(id)) }));
const wanted: Answer = { kind: "value", value: nodes };

/** A server that pages through the nodes; cursors are positions. `lag` rows come again. */
function pages(lag: number, totalCount = "5"): Asking {
  const page = (text: string): Value => {
    const cursor = /(?:after|before): "(\d)"/.exec(text)?.[1];
    const isLast = text.includes("last: ");
    const end = isLast ? Number(cursor ?? nodes.length) + (cursor ? lag : 0) : nodes.length;
    const from = isLast ? Math.max(0, end - 2) : cursor ? Number(cursor) + 1 - lag : 0;
    const edges = nodes.slice(from, Math.min(end, from + 2)).map((node, i) => ({
      cursor: String(from + i),
      node,
    }));
    return {
      edges,
      nodes: edges.map(({ node }) => node),
      pageInfo: {
        hasNextPage: from + 2 < nodes.length,
        hasPreviousPage: from > 0,
        startCursor: edges[0]?.cursor ?? null,
        endCursor: edges.at(-1)?.cursor ?? null,
      },
      totalCount,
    };
  };
  const answer = (value: Value): Promise<Answer> => Promise.resolve({ kind: "value", value });
  return {
    http: ({ text }) => answer(page(text)),
    flight: ({ text }) => answer([page(text)]),
  };
}

const cases: [name: string, asking: Asking, backwards: boolean, kind: string | undefined][] = [
  ["nothing in pages forwards", pages(0), false, undefined],
  ["nothing in pages backwards", pages(0), true, undefined],
  ["a row that comes twice forwards", pages(1), false, "pages differ"],
  ["a row that comes twice backwards", pages(1), true, "pages differ"],
  ["a count of other rows", pages(0, "4"), false, "totalCount"],
  ["pages without an end", pages(2), false, "endless pages"],
  [
    "another page over Flight",
    { ...pages(0), flight: () => Promise.resolve({ kind: "value", value: [{}] }) },
    false,
    "connection has another form",
  ],
];
for (const [name, asking, backwards, kind] of cases) {
  Deno.test(`connectionFault() finds ${name}`, async () => {
    equal((await connectionFault(world, query(backwards), list, wanted, asking))?.kind, kind);
  });
}
