import type { RootList } from "../lib/query/query_engine.ts";

/** A query that works on this database: of the sample's users where it has some, else of any list. */
export function exampleQuery(lists: readonly RootList[]): string | null {
  const users = lists.find(({ name, text }) =>
    name === "users" && ["id", "name", "email"].every((field) => fieldsOf(text).has(field))
  );
  return users ? "{ users { id name email } }" : lists[0]?.text ?? null;
}

/** The plain fields of a list's text: `{ users { id name address { street } } }`. */
function fieldsOf(text: string): ReadonlySet<string> {
  const selection = text.replace(/^\{ \w+ \{/, "").replace(/\} \}$/, "");
  let inner = selection;
  for (let before = ""; before !== inner;) {
    before = inner;
    inner = inner.replaceAll(/\w+ \{[^{}]*\}/g, "");
  }
  return new Set(inner.split(/\s+/));
}
