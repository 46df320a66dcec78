import { deepStrictEqual as equal, throws } from "node:assert/strict";
import { AppError } from "../../../lib/errors.ts";
import { JsonDocument } from "../../../lib/http/to_json.ts";
import type { RootField } from "../../../lib/query/query_engine.ts";
import { chunk, date, infinity, int, root, words } from "./fake_engine.ts";

const text = (pieces: readonly Uint8Array[]) =>
  pieces.map((piece) => new TextDecoder().decode(piece)).join("");
const typename: RootField = { kind: "value", name: "t", field: "__typename", value: "Query" };
const gone = new AppError("UNAVAILABLE", "gone");

const whole: [
  name: string,
  roots: RootField[],
  chunks: ReturnType<typeof chunk>[],
  want: string,
][] = [
  ["no root", [], [], '{"data":{}}'],
  ["a value", [typename], [], '{"data":{"t":"Query"}}'],
  ["a list without rows", [root("a", [int("x")])], [], '{"data":{"a":[]}}'],
  ["an absent object", [root("a", [int("x")], { kind: "row" })], [], '{"data":{"a":null}}'],
  ["a name to be escaped", [root('a"', [int("x")])], [], '{"data":{"a\\"":[]}}'],
  [
    "rows in several chunks",
    [root("a", [int("x")])],
    [chunk([[1]]), chunk([[2], [3]])],
    '{"data":{"a":[{"x":1},{"x":2},{"x":3}]}}',
  ],
  [
    "roots of which some have no chunk",
    [
      root("a", [int("x")], { statement: 0 }),
      typename,
      root("b", [int("x")], { statement: 1, kind: "row" }),
      root("c", [words("y")], { statement: 2 }),
      root("d", [int("x")], { statement: 3, kind: "row" }),
    ],
    [chunk([["q"]], 2)],
    '{"data":{"a":[],"t":"Query","b":null,"c":[{"y":"q"}],"d":null}}',
  ],
];
for (const [name, roots, chunks, want] of whole) {
  Deno.test(`JsonDocument writes ${name}`, () => {
    const document = new JsonDocument(roots, "error");
    const written = chunks.map((one) => text(document.push(one))).join("");
    equal(written + text(document.end()), want);
  });
}

const two = [
  root("a", [int("x")], { statement: 0 }),
  typename,
  root("b", [date("d")], { statement: 1, kind: "row" }),
];

Deno.test("JsonDocument fails as valid JSON before, within and behind its roots", () => {
  const errors = '"errors":[{"message":"gone","extensions":{"code":"UNAVAILABLE"}}]';
  const before = new JsonDocument(two, "error");
  equal(text(before.fail(gone.entries())), `{"data":{"a":null,"t":"Query","b":null},${errors}}`);
  const within = new JsonDocument(two, "error");
  const pieces = within.push(chunk([[1]]));
  equal(
    text([...pieces, ...within.fail(gone.entries())]),
    `{"data":{"a":[{"x":1}],"t":"Query","b":null},${errors}}`,
  );
  const behind = new JsonDocument(two, "error");
  const all = [...behind.push(chunk([[1]])), ...behind.push(chunk([[0]], 1))];
  equal(
    text([...all, ...behind.fail(gone.entries())]),
    `{"data":{"a":[{"x":1}],"t":"Query","b":{"d":"2000-01-01"}},${errors}}`,
  );
});

Deno.test("JsonDocument keeps the rows before a bad one, and places its error in a list by row and column", () => {
  const document = new JsonDocument([root("days", [date("d")])], "error");
  let seen: unknown;
  try {
    document.push(chunk([[0], [infinity], [1]]));
  } catch (error) {
    seen = error;
  }
  equal(seen instanceof AppError && document.placeOf(seen), ["days", 1, "d"]);
  equal(document.rows, 1);
  equal(text(document.fail([])), '{"data":{"days":[{"d":"2000-01-01"}]},"errors":[]}');
});

Deno.test("JsonDocument places an error in a single object by column, with no row", () => {
  const document = new JsonDocument([root("day", [date("d")], { kind: "row" })], "error");
  let seen: unknown;
  try {
    document.push(chunk([[infinity]]));
  } catch (error) {
    seen = error;
  }
  equal(seen instanceof AppError && document.placeOf(seen), ["day", "d"]);
});

Deno.test("JsonDocument places an unfit value that PostgreSQL found in the list alone, since its row is not known", () => {
  const document = new JsonDocument(two, "error");
  document.push(chunk([[1]]));
  equal(document.placeOf(new AppError("UNREPRESENTABLE", "unfit")), ["a"]);
  equal(document.placeOf(new AppError("UNAVAILABLE", "gone")), ["a", 1]);
});

Deno.test("JsonDocument counts the rows of all its lists", () => {
  const document = new JsonDocument(two, "error");
  document.push(chunk([[1], [2]]));
  document.push(chunk([[0]], 1));
  document.end();
  equal(document.rows, 3);
});

Deno.test("JsonDocument refuses rows of a statement whose root is closed or unknown", () => {
  const document = new JsonDocument(two, "error");
  document.push(chunk([[0]], 1));
  throws(() => document.push(chunk([[1]], 0)), /out of the order/);
});

for (
  const [name, chunks, kept] of [
    ["one chunk", [chunk([[1], [2]])], "null"],
    ["two chunks", [chunk([[1]]), chunk([[2]])], '{"x":1}'],
  ] as const
) {
  Deno.test(`JsonDocument refuses a second row of a single object in ${name}, and stays valid`, () => {
    const document = new JsonDocument([root("a", [int("x")], { kind: "row" })], "error");
    const written = chunks.slice(0, -1).map((one) => text(document.push(one))).join("");
    throws(() => document.push(chunks.at(-1)!), /several rows/);
    equal(written + text(document.fail([])), `{"data":{"a":${kept}},"errors":[]}`);
  });
}
