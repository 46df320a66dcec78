import {
  deepStrictEqual as deepEqual,
  notStrictEqual as notEqual,
  strictEqual as equal,
} from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import {
  fieldPrefix,
  fieldToken,
  pathPresentToken,
  pathToken,
  quoted,
  TOKEN_CHARS,
  tokenText,
} from "../../../../lib/search/sqlite/tokens.ts";
import { searchValueCharsMax } from "../../../../lib/search/values.ts";
import { indexed } from "../../../contracts/search_events.ts";

/** Values that could be taken for each other, or end a token. */
const VALUES = [
  ...["", " ", "a", "A", "aA", "Aa", "a b", "a  b", 'a"b', "a'b", "a\\b", "a=b", "a#b", "a.b"],
  ...["=", "#", "|", "*", "!", "?u", "\t", "\n", "\0", "\x7f", "é", "É", "東京", "𝒳", "\u00a0"],
  ...["\ue041", "\ue0ff", "\ue0ff\ue041", "\ue020", "a\ue0ff", "null", "true", "1", "1.0", "-1"],
  ...["x".repeat(64), "x".repeat(65), "x".repeat(66), `${"x".repeat(64)}Y`, "é".repeat(300)],
];

Deno.test("a token is one to FTS5, and different values have different ones", () => {
  const database = new DatabaseSync(":memory:");
  database.exec(`create virtual table t using fts5 (
    tokens, content = '', tokenize = "ascii tokenchars '${TOKEN_CHARS}'")`);
  const add = database.prepare("insert into t (rowid, tokens) values (?, ?)");
  for (const [i, value] of VALUES.entries()) add.run(i, fieldToken("userId", value));
  const find = database.prepare("select rowid from t where t match ? order by rowid");
  for (const [i, value] of VALUES.entries()) {
    const rows = find.all(quoted(fieldToken("userId", value)));
    deepEqual(rows.map(({ rowid }) => rowid), [i], JSON.stringify(value));
  }
  database.close();
});

Deno.test("fieldPrefix() begins the tokens of the values that begin so, and no others", () => {
  for (const value of VALUES) {
    for (const start of VALUES) {
      const { token, isWhole } = fieldPrefix("orgId", start);
      if (!isWhole) continue;
      const begins = fieldToken("orgId", value).startsWith(token);
      equal(begins, value.startsWith(start), JSON.stringify([value, start]));
    }
  }
});

Deno.test("fieldPrefix() tells that it holds the first part alone of what is long", () => {
  deepEqual(fieldPrefix("entityId", "x".repeat(64)), {
    token: `=e${"x".repeat(64)}`,
    isWhole: true,
  });
  deepEqual(fieldPrefix("entityId", "x".repeat(65)), {
    token: `=e${"x".repeat(64)}`,
    isWhole: false,
  });
});

Deno.test("pathToken() keeps path and value apart", () => {
  notEqual(pathToken(["a=b"], "c"), pathToken(["a"], "b=c"));
  notEqual(pathToken(["a"], ""), pathPresentToken(["a"]));
  notEqual(pathToken(["a"], "b"), pathPresentToken(["a=b"]));
});

Deno.test("pathToken() takes a key with a point for two, as Elasticsearch does", () => {
  equal(pathToken(["a.b"], "c"), pathToken(["a", "b"], "c"));
});

Deno.test("pathToken() gives none for a value above the limit", () => {
  equal(typeof pathToken(["a"], "x".repeat(searchValueCharsMax)), "string");
  equal(pathToken(["a"], "x".repeat(searchValueCharsMax + 1)), null);
});

Deno.test("tokenText() has the texts apart, then each other token once", () => {
  const event = indexed(7, { a: ["two words", "b", "b"], c: null }, { orgId: "o", userId: null });
  equal(
    tokenText(event),
    "two words | b | b | * =a\ue043reated =t\ue04frder =e7 ?o =oo .a .a=two\ue020words .a=b",
  );
});
