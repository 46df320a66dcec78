/** The same data asked for in GraphQL of both servers and in SQL. */

/** A column in SQL; its GraphQL name is the same in camel case but for the peer's key. */
const allColumns = [
  ...["id", "number", "name", "email", "age", "visits", "balance", "active", "score"],
  ...["created_at", "attributes", "tags"],
];

const sevenColumns = ["id", "name", "email", "age", "balance", "active", "created_at"];

/** Columns to ask for, by their number. */
export const COLUMNS: Readonly<Record<7 | 12, readonly string[]>> = {
  7: sevenColumns,
  12: allColumns,
};

const camelCase = (name: string) =>
  name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** PostGraphile calls the column `id` so, since `id` is its node identifier. */
const peerName = (name: string) => name === "id" ? "rowId" : camelCase(name);

/** Our query; without a number of rows the whole table, in no promised order. */
export function ourQuery(
  columns: readonly string[],
  rows: number | null,
  field = "people",
): string {
  const limit = rows === null ? "" : `(limit: ${rows})`;
  return `{ ${field}${limit} { ${columns.map(camelCase).join(" ")} } }`;
}

/** PostGraphile's, in its shortest form. */
export function peerQuery(columns: readonly string[], rows: number | null): string {
  const first = rows === null ? "" : `(first: ${rows})`;
  return `{ allPeople${first} { nodes { ${columns.map(peerName).join(" ")} } } }`;
}

/** The rows in SQL, ordered as both servers order a limited list. */
export function sqlQuery(columns: readonly string[], rows: number | null): string {
  const names = columns.map((name) =>
    name === camelCase(name) ? name : `${name} "${camelCase(name)}"`
  );
  const limit = rows === null ? "" : ` order by id limit ${rows}`;
  return `select ${names.join(", ")} from people${limit}`;
}

/** The number of the row that is read by its key, and that key (see bench_table.sql). */
const keyedNumber = 7;
export const keySql = `select id from people where number = ${keyedNumber}`;

/** Twenty rows, twenty rows with the first five children of each, one row; `KEY` stands for its key. */
export const SMALL = {
  "20 rows": {
    ours: "{ people(limit: 20) { id name email age } }",
    peer: "{ allPeople(first: 20) { nodes { rowId name email age } } }",
  },
  "20 rows, 5 children each": {
    ours: "{ people(limit: 20) { id name pageViews(limit: 5) { id page paid } } }",
    peer: "{ allPeople(first: 20) { nodes { rowId name pageViewsByPersonId(first: 5) " +
      "{ nodes { rowId page paid } } } } }",
  },
  "one row by key": {
    ours: '{ person(id: "KEY") { id name email age } }',
    peer: '{ personByRowId(rowId: "KEY") { rowId name email age } }',
  },
} as const;
