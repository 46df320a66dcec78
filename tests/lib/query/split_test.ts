/** Which reads are split, where, and the SQL of a part. */

import {
  deepStrictEqual as deepEqual,
  match,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import type { PlannedRoot } from "../../../lib/query/plan.ts";
import type { Plan } from "../../../lib/query/query_engine.ts";
import { pageRanges, whyWhole } from "../../../lib/query/split.ts";
import { compileRead } from "../../../lib/query/sql.ts";
import { engineFor } from "./catalogs.ts";

const engine = await engineFor();

function rootOf(text: string): PlannedRoot {
  const plan = engine.plan({ text }) as Plan & { planned: readonly PlannedRoot[] };
  return plan.planned[0]!;
}

const ranges: [pages: number, parts: number, starts: number[]][] = [
  [100, 4, [0, 25, 50, 75]],
  [10, 3, [0, 3, 6]],
  [1, 3, [0, 0, 0]],
  [0, 2, [0, 0]],
  [5, 1, [0]],
];

for (const [pages, parts, starts] of ranges) {
  Deno.test(`pageRanges() of ${pages} pages in ${parts} meet without gap, the last without end`, () => {
    const made = pageRanges(pages, parts);
    deepEqual(made.map(({ from }) => from), starts);
    deepEqual(made.map(({ to }) => to), [...starts.slice(1), null]);
  });
}

const reads: [query: string, why: RegExp | null][] = [
  ["{ users { id } }", null],
  [
    `{ users(where: { name: { eq: "x" } }) { id orders(limit: 1, orderBy: [{ id: ASC }]) { id } } }`,
    null,
  ],
  ["{ users(orderBy: [{ id: ASC }]) { id } }", /users has an orderBy/],
  ["{ users(orderBy: []) { id } }", null],
  ["{ all: users(limit: 0) { id } }", /all has a limit/],
  ["{ users(offset: 1) { id } }", /an offset/],
  ['{ user(id: "6f9619ff-8b86-d011-b42d-00cf4fc964ff") { id } }', /only a list/],
  ["{ __typename }", /only a list/],
];

for (const [query, why] of reads) {
  Deno.test(`whyWhole() of ${query} is ${why ?? "nothing"}`, () => {
    const said = whyWhole(rootOf(query));
    if (why === null) equal(said, null);
    else match(said ?? "", why);
  });
}

Deno.test("whyWhole() takes whatever it does not know of a read for a reason", () => {
  const root = rootOf("{ users { id } }");
  if (root.kind !== "rows") throw new Error("not a list");
  match(whyWhole({ ...root, read: { ...root.read, distinct: ["id"] } as never }) ?? "", /distinct/);
});

const parts: [from: number, to: number | null, where: string, parameters: string[]][] = [
  [0, 5, " where t0.ctid < $1::tid", ["(5,0)"]],
  [5, 9, " where t0.ctid >= $1::tid and t0.ctid < $2::tid", ["(5,0)", "(9,0)"]],
  [9, null, " where t0.ctid >= $1::tid", ["(9,0)"]],
  [0, null, "", []],
];

for (const [from, to, where, parameters] of parts) {
  Deno.test(`compileRead() of the pages ${from} to ${to} binds them`, () => {
    const root = rootOf("{ users { id } }");
    if (root.kind !== "rows") throw new Error("not a list");
    const { statement } = compileRead({ ...root.read, range: { from, to } }, {
      unrepresentable: "error",
    });
    const text = statement.text.replaceAll('"pg_catalog".', "").replaceAll('"', "");
    equal(text, `select t0.id from only public.users t0${where}`);
    deepEqual(statement.parameters, parameters);
  });
}

Deno.test("rows() refuses a part of what cannot be split as BAD_TICKET", () => {
  const plan = engine.plan({ text: "{ users(limit: 1) { id } }" });
  const part = { snapshot: "00000001-1", range: { from: 0, to: null } };
  const { signal } = new AbortController();
  throws(() => engine.rows(plan, { signal, root: 0, part }), { code: "BAD_TICKET" });
});
