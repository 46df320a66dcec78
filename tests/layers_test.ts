import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import { checkLayers } from "./layers.ts";

const check = (files: Record<string, string>) => checkLayers(new Map(Object.entries(files)));

const allowed: [name: string, path: string, text: string][] = [
  ["the ground from anywhere", "lib/json/a.ts", `import { AppError } from "../errors.ts";`],
  ["its own folder", "flight/a.ts", `import { b } from "./b.ts";`],
  ["the query path from a transport", "flight/a.ts", `import { q } from "../lib/query/q.ts";`],
  ["the table of types from JSON", "lib/json/a.ts", `import type { C } from "../arrow/c.ts";`],
  ["a package at its door", "lib/query/a.ts", `import { parse } from "graphql";`],
  ["a part of a package at its door", "lib/query/a.ts", `import { p } from "graphql/language";`],
  ["Deno's own node modules", "lib/a.ts", `import { join } from "node:path";`],
  ["an import that a comment speaks of", "lib/a.ts", ` * import { x } from "graphql";`],
];

for (const [name, path, text] of allowed) {
  Deno.test(`checkLayers() lets import ${name}`, () => deepEqual(check({ [path]: text }), []));
}

const refused: [name: string, path: string, text: string, rule: RegExp][] = [
  [
    "one transport from the other",
    "lib/http/a.ts",
    `import { b } from "../../flight/b.ts";`,
    /flight\/b\.ts, but a transport knows neither/,
  ],
  [
    "PostgreSQL from a transport, its types too",
    "flight/a.ts",
    `import type { W } from "../lib/postgres/wire.ts";`,
    /lib\/postgres\/wire\.ts, but a transport knows neither/,
  ],
  [
    "upwards, by an export",
    "lib/query/a.ts",
    `export { b } from "../postgres/b.ts";`,
    /the query stages are pure/,
  ],
  ["anybody from the ground", "lib/a.ts", `import "./arrow/b.ts";`, /imports nobody/],
  ["the root from below", "lib/http/a.ts", `await import("../../main.ts");`, /main\.ts/],
  [
    "commands from below",
    "lib/http/a.ts",
    `import { c } from "../../commands/c.ts";`,
    /commands\/c\.ts/,
  ],
  [
    "a package elsewhere than at its door",
    "flight/a.ts",
    `import { parse } from "graphql";`,
    /graphql, whose only door is lib\/query/,
  ],
  [
    "a package for tests",
    "lib/postgres/a.ts",
    `import postgres from "postgres";`,
    /in tests and benches/,
  ],
  ["a package without a door", "lib/a.ts", `import _ from "npm:lodash@4.0.0";`, /has no door/],
  ["from the web", "lib/a.ts", `import x from "https://example.org/x.ts";`, /has no door/],
];

for (const [name, path, text, rule] of refused) {
  Deno.test(`checkLayers() refuses to import ${name}`, () => {
    const violations = check({ [path]: `// first line\n${text}` });
    equal(violations.length, 1);
    equal(violations[0]?.line, 2);
    match(violations[0]?.text ?? "", rule);
  });
}

Deno.test("checkLayers() finds an import of several lines at its end", () => {
  const text = `import {\n  a,\n} from "../postgres/b.ts";`;
  deepEqual(check({ "lib/query/a.ts": text }).map(({ line }) => line), [3]);
});

Deno.test("checkLayers() asks for a folder's layer", () => {
  match(check({ "lib/new/a.ts": "" })[0]?.text ?? "", /no layer/);
});

Deno.test("checkLayers() reports a file that main.ts does not reach", () => {
  const files = { "main.ts": `import "./lib/a.ts";`, "lib/a.ts": "", "lib/b.ts": "" };
  deepEqual(check(files).map(({ path }) => path), ["lib/b.ts"]);
});

Deno.test("checkLayers() counts a Worker's file as reached, and what it imports", () => {
  deepEqual(
    check({
      "main.ts": `new Worker(new URL("./flight/worker.ts", import.meta.url), { type: "module" });`,
      "flight/worker.ts": `import "./server.ts";`,
      "flight/server.ts": "",
    }),
    [],
  );
});

Deno.test("checkLayers() calls no file dead before there is a main.ts", () => {
  deepEqual(check({ "lib/a.ts": "" }), []);
});
