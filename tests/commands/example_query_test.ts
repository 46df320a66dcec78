import { strictEqual as equal } from "node:assert/strict";
import { exampleQuery } from "../../commands/example_query.ts";

const list = (name: string, columns: string) => ({
  name,
  text: `{ ${name} { ${columns} } }`,
  description: null,
  rowsEstimate: null,
});

const shown: [name: string, lists: ReturnType<typeof list>[], query: string | null][] = [
  ["nothing where there is nothing", [], null],
  [
    "the shop's users",
    [list("orders", "id"), list("users", "id organizationId name email isActive")],
    "{ users { id name email } }",
  ],
  [
    "the first list where users have no email of their own",
    [list("orders", "id total"), list("users", "id name contact { email { email } } at")],
    "{ orders { id total } }",
  ],
  [
    "the first list where there are no users",
    [list("orders", "id total")],
    "{ orders { id total } }",
  ],
];

for (const [name, lists, query] of shown) {
  Deno.test(`exampleQuery() gives ${name}`, () => equal(exampleQuery(lists), query));
}
