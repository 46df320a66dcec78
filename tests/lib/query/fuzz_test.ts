/** Queries made at random, the same each time: whatever comes, the answer is ours and not a fault. */

import { ok } from "node:assert/strict";
import { buildSchema } from "graphql";
import { AppError, CODES } from "../../../lib/errors.ts";
import { engineFor, statementsOf } from "./catalogs.ts";
import { randomOf, randomQuery } from "./random_query.ts";

const engine = await engineFor();
const schema = buildSchema(engine.sdl());

/** Plans it; only an error of ours with a status below 500, or 501, may come. Tells if it planned. */
function survives(plan: () => unknown, what: unknown): boolean {
  try {
    plan();
    return true;
  } catch (error) {
    ok(
      error instanceof AppError,
      `${JSON.stringify(what)}: ${error instanceof Error && error.stack}`,
    );
    ok(CODES[error.code].http < 500 || error.code === "UNSUPPORTED", JSON.stringify(what));
    JSON.stringify(error.entries());
    return false;
  }
}

const SEEDS = [
  "query ($x: [UserOrderBy!], $y: Boolean = true) { users(orderBy: $x, limit: 3) { ...f orders { id } } } fragment f on User { id @skip(if: $y) }",
  '{ orders(where: { status: { in: [new] }, not: { user: { name: { eq: "a\\u0041" } } } }) { id } }',
  "{ __schema { types { name fields { name } } } things { b } }",
];

Deno.test("plan() survives texts that were cut, doubled and mixed", () => {
  const random = randomOf(1);
  for (let i = 0; i < 4000; i++) {
    let text = random.pick(SEEDS);
    for (let edits = random.below(4); edits >= 0; edits--) {
      const [from, to] = [random.below(text.length), random.below(text.length)];
      const other = random.pick([
        random.pick(SEEDS).slice(from, to),
        String.fromCharCode(random.below(0x110)),
        random.pick([
          '"',
          '"""',
          "{",
          "}",
          "...",
          "$",
          "@",
          "#",
          "\0",
          "\ud800",
          "null",
          "99999999999",
          "-",
        ]),
        "",
      ]);
      text = text.slice(0, from) + other + text.slice(from + random.below(5));
    }
    survives(() => engine.plan({ text }), text);
  }
});

Deno.test("plan() survives random characters", () => {
  const random = randomOf(2);
  for (let i = 0; i < 2000; i++) {
    const text = Array.from(
      { length: random.below(60) },
      () =>
        random.chance(0.5)
          ? random.pick([...'{}()[]:!$@."#\n ,'])
          : String.fromCharCode(random.below(65_536)),
    )
      .join("");
    survives(() => engine.plan({ text }), text);
  }
});

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  2 ** 31,
  2 ** 53,
  "",
  "a",
  "1",
  "NaN",
  "paid",
  "2026-01-31",
  "P1D",
  "AA==",
  "\0",
  "\ud800",
  "'; --",
  [],
  [[]],
  [null],
  {},
  { a: 1 },
  [1, "a"],
  "00000000-0000-0000-0000-000000000000",
];

Deno.test("plan() survives variables of any form", () => {
  const random = randomOf(3);
  const any = (depth: number): unknown => {
    if (depth > 4 || random.chance(0.3)) return random.pick(VALUES);
    if (random.chance(0.2)) return Array.from({ length: random.below(3) }, () => any(depth + 1));
    const names = [
      "and",
      "or",
      "not",
      "id",
      "name",
      "orders",
      "manager",
      "eq",
      "in",
      "isNull",
      "path",
      "home",
      "zip",
      "jb",
      "i4",
      "d",
      "n",
      "bytes",
      "st",
      "odd",
      "contains",
      "like",
      "status",
      "__proto__",
    ];
    return Object.fromEntries(
      Array.from({ length: random.below(3) }, () => [random.pick(names), any(depth + 1)]),
    );
  };
  const texts = [
    "query ($x: UserWhere) { users(where: $x) { id } }",
    "query ($x: ThingWhere) { things(where: $x) { b } }",
    "query ($x: [OrderOrderBy!]) { orders(orderBy: $x) { id } }",
    "query ($x: StringFilter) { users(where: { name: $x }) { id } }",
    "query ($x: JSON) { orders(where: { extra: { eq: $x } }) { id } }",
  ];
  for (let i = 0; i < 4000; i++) {
    const variables = { x: any(0) };
    survives(() => engine.plan({ text: random.pick(texts), variables }), variables);
    const filter = any(0) as Record<string, unknown>;
    survives(() => engine.planView({ view: "va_orders", filter }), filter);
  }
});

Deno.test("plan() plans queries made from the schema, their parameters counted right", () => {
  const random = randomOf(4);
  let planned = 0;
  for (let i = 0; i < 3000; i++) {
    const text = randomQuery(schema, random);
    const good = survives(() => {
      for (const statement of statementsOf(engine.plan({ text }))) {
        const used = [...statement.text.matchAll(/\$(\d+)::/g)].map((match) => Number(match[1]));
        ok(Math.max(0, ...used) === statement.parameters.length, text);
        ok(new Set(used).size === statement.parameters.length, text);
      }
    }, text);
    if (good) planned++;
  }
  ok(planned > 1000, `only ${planned} were good`);
});
