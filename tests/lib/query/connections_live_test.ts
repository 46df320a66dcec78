import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { readData, withEngine } from "./engine.ts";

const ITEMS = [
  "create table boxes (id int primary key, name text)",
  `create table items (a int, b text, box_id int references boxes, rank int, at timestamptz,
     weight float8, primary key (a, b))`,
  "insert into boxes values (1, 'x'), (2, null), (3, 'x')",
  `insert into items select i / 3, 'b' || i % 3, nullif(i % 4, 0), nullif(i % 5, 0),
     case i % 3 when 0 then null when 1 then 'infinity'::timestamptz
       else '2026-01-01T00:00:00.123456Z' end,
     case i % 4 when 0 then null when 1 then 'NaN'::float8 else i * 0.1 end
   from generate_series(1, 29) i`,
];

interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: { a: number; b: string } }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  readonly totalCount: string;
}

async function page(engine: QueryEngine, args: string): Promise<Page> {
  const { itemsConnection } = await readData(
    engine,
    `{ itemsConnection${args && `(${args})`} { edges { cursor node { a b } } totalCount
       pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
  );
  return itemsConnection;
}

const keys = (edges: Page["edges"]) => edges.map(({ node }) => `${node.a}${node.b}`);

const ORDERS = [
  "",
  "orderBy: [{ rank: ASC }]",
  "orderBy: [{ rank: DESC }]",
  "orderBy: [{ rank: ASC_NULLS_FIRST }, { b: DESC }]",
  "orderBy: [{ rank: DESC_NULLS_LAST }, { at: ASC }]",
  "orderBy: [{ at: DESC }, { a: DESC }]",
  "orderBy: [{ weight: ASC }]",
  "orderBy: [{ box: { name: ASC } }, { rank: DESC }]",
  "orderBy: [{ box: { name: DESC_NULLS_LAST } }, { box: { id: DESC } }]",
  "where: { rank: { isNull: false } }, orderBy: [{ b: DESC }]",
];

Deno.test("itemsConnection pages forward and back through any order: each row once, in its place", () =>
  withEngine(ITEMS, async (engine) => {
    for (const order of ORDERS) {
      const whole = await page(engine, order);
      const all = keys(whole.edges);
      const rows = await readData(engine, `{ items(limit: 99, ${order}) { a b } }`);
      deepEqual(all, keys(rows.items.map((node: unknown) => ({ node }))));
      equal(Number(whole.totalCount), all.length);
      for (const size of [1, 4, 29]) {
        const forward: string[] = [];
        let after = "";
        for (let more = true; more;) {
          const { edges, pageInfo, totalCount } = await page(
            engine,
            `first: ${size}${after} ${order}`,
          );
          equal(pageInfo.hasPreviousPage, forward.length > 0);
          equal(pageInfo.startCursor, edges[0]?.cursor ?? null);
          equal(totalCount, whole.totalCount);
          forward.push(...keys(edges));
          more = pageInfo.hasNextPage;
          after = `, after: "${pageInfo.endCursor}"`;
        }
        deepEqual([order, size, forward], [order, size, all]);
        const back: string[] = [];
        let before = "";
        for (let more = true; more;) {
          const { edges, pageInfo } = await page(engine, `last: ${size}${before} ${order}`);
          equal(pageInfo.hasNextPage, back.length > 0);
          equal(pageInfo.endCursor, edges.at(-1)?.cursor ?? null);
          back.unshift(...keys(edges));
          more = pageInfo.hasPreviousPage;
          before = `, before: "${pageInfo.startCursor}"`;
        }
        deepEqual([order, size, back], [order, size, all]);
      }
    }
  }));

Deno.test("itemsConnection gives what lies between two cursors, from either side", () =>
  withEngine(ITEMS, async (engine) => {
    const order = "orderBy: [{ rank: DESC }]";
    const { edges } = await page(engine, order);
    const all = keys(edges);
    const between = `after: "${edges[4]?.cursor}", before: "${edges[20]?.cursor}", ${order}`;
    const whole = await page(engine, between);
    deepEqual(keys(whole.edges), all.slice(5, 20));
    deepEqual([whole.pageInfo.hasPreviousPage, whole.pageInfo.hasNextPage], [true, true]);
    deepEqual(keys((await page(engine, `first: 3, ${between}`)).edges), all.slice(5, 8));
    deepEqual(keys((await page(engine, `last: 3, ${between}`)).edges), all.slice(17, 20));
    const none = await page(engine, `first: 0, ${order}`);
    deepEqual([none.edges, none.pageInfo.hasNextPage, none.pageInfo.endCursor], [[], true, null]);
  }));

Deno.test("itemsConnection goes on where a row was, after it has gone", () =>
  withEngine(ITEMS, async (engine, run) => {
    const { edges } = await page(engine, "");
    const all = keys(edges);
    await run(`delete from items where (a, b) = (${edges[6]?.node.a}, '${edges[6]?.node.b}')`);
    const next = await page(engine, `first: 2, after: "${edges[6]?.cursor}"`);
    deepEqual(keys(next.edges), all.slice(7, 9));
  }));

Deno.test("itemsConnection gives nodes with their own lists, under aliases, beside its edges", () =>
  withEngine(ITEMS, async (engine) => {
    const data = await readData(
      engine,
      `{ boxesConnection(last: 2) {
           __typename
           some: nodes { id items(limit: 1) { a } }
           edges { __typename node { __typename name } }
           info: pageInfo { __typename next: hasNextPage }
         }
         boxesConnectionAgain: boxesConnection(first: 1) { totalCount } }`,
    );
    deepEqual(data, {
      boxesConnection: {
        __typename: "BoxConnection",
        some: [{ id: 2, items: [{ a: 0 }] }, { id: 3, items: [{ a: 1 }] }],
        edges: [
          { __typename: "BoxEdge", node: { __typename: "Box", name: null } },
          { __typename: "BoxEdge", node: { __typename: "Box", name: "x" } },
        ],
        info: { __typename: "PageInfo", next: false },
      },
      boxesConnectionAgain: { totalCount: "3" },
    });
  }));

Deno.test("itemsConnection refuses cursors that are not of this list and order", () =>
  withEngine(ITEMS, async (engine) => {
    const [edge] = (await page(engine, "first: 1, orderBy: [{ rank: ASC }]")).edges;
    notEqual(edge, undefined);
    const cursor = edge?.cursor ?? "";
    const refused: [name: string, args: string][] = [
      ["another order", `after: "${cursor}", orderBy: [{ rank: DESC }]`],
      ["no order", `after: "${cursor}"`],
      ["half of one", `after: "${cursor.slice(0, 20)}", orderBy: [{ rank: ASC }]`],
      ["a text", `before: "hello"`],
      ["nothing", `before: ""`],
    ];
    for (const [name, args] of refused) {
      await rejects(page(engine, args), { code: "BAD_INPUT", message: /is no cursor/ }, name);
    }
    const forged = btoa(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")).replace("1", "x"))
      .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    await rejects(page(engine, `after: "${forged}", orderBy: [{ rank: ASC }]`), {
      code: "BAD_INPUT",
      message: /^after: invalid input syntax for type \w+: "/,
    });
    await rejects(page(engine, "first: 1, last: 1"), {
      code: "BAD_INPUT",
      hint: /first with after/,
    });
    await rejects(page(engine, "first: -1"), { code: "BAD_INPUT" });
  }));

Deno.test("a relation without a key has no connection, since its rows have no place", () =>
  withEngine(
    ["create table loose (v int)", "create view seen as select 1 as one"],
    (engine) => Promise.resolve(equal(/Connection/.test(engine.sdl()), false)),
  ));
