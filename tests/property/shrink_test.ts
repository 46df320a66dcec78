import { deepStrictEqual as equal } from "node:assert/strict";
import { shrink, smaller } from "./shrink.ts";

Deno.test("shrink() leaves what makes the case fail, and nothing else", async () => {
  const start = {
    rows: [{ a: 1 }, { a: 7 }, { a: 9 }],
    where: { kind: "and", items: [{ kind: "x", item: null }, { kind: "bad", item: null }] },
    limit: 8,
    names: ["p", "q"],
  };
  const fails = (item: typeof start) =>
    Promise.resolve(item.rows.some((row) => row?.a > 4) && JSON.stringify(item).includes("bad"));
  equal(
    await shrink(start, fails, 10_000),
    {
      rows: [{ a: 5 }],
      where: { kind: "bad", item: null },
      limit: 0,
      names: [],
    } as unknown as typeof start,
  );
});

Deno.test("shrink() asks no more often than it may, and gives the best so far", async () => {
  let asked = 0;
  const fails = () => Promise.resolve(++asked > 0);
  const found = await shrink([[1], [2], [3], [4]], fails, 1);
  equal([asked, found], [1, []]);
});

Deno.test("shrink() gives the case back that fails in no smaller form", async () => {
  equal(await shrink([3, true], () => Promise.resolve(false), 100), [3, true]);
});

const steps: [name: string, value: Parameters<typeof smaller>[0], wanted: unknown[]][] = [
  ["a list without its halves and elements, then with smaller ones", [1, 0], [[], [0], [1], [
    0,
    0,
  ]]],
  ["a condition as the one in it", { item: { kind: "x" } }, [{ kind: "x" }, { item: null }]],
  ["nothing smaller than an operand", { sql: "5", input: 5 }, []],
  ["no other kind and no other name", { kind: "x", name: "y" }, []],
  ["a number as 0, its half and the one before", 9, [0, 4, 8]],
  ["true as false", true, [false]],
];
for (const [name, value, wanted] of steps) {
  Deno.test(`smaller() gives ${name}`, () => equal([...smaller(value)], wanted));
}
