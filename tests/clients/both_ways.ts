/** Asks queries over HTTP and over Flight, and compares the answers with pyarrow. */

import { deepStrictEqual as equal } from "node:assert/strict";
import { python } from "./python.ts";

/** A query with one root field. */
export interface Job {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Whether its rows have an order to be compared in. */
  readonly ordered: boolean;
  /** Whether both may say that a value is UNREPRESENTABLE. */
  readonly mayRefuse?: boolean;
}

/** The rows that both gave, and where they differed. */
export async function compare(http: string, flight: string, queries: readonly Job[]) {
  const jobs = queries.map((query) => JSON.stringify(query) + "\n").join("");
  const client = new URL("./both_ways.py", import.meta.url);
  const lines = (await python(client, [http, flight], jobs)).trim().split("\n");
  equal(lines.length, queries.length);
  const answers: { rows?: number; fault?: string }[] = lines.map((line) => JSON.parse(line));
  return {
    rows: answers.reduce((sum, { rows = 0 }) => sum + rows, 0),
    faults: answers.flatMap(({ fault }, i) =>
      fault ? [`${queries[i]?.query.slice(0, 60)}: ${fault}`] : []
    ),
  };
}
