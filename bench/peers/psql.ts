/** The floor of JSON: PostgreSQL makes it by json_agg and psql throws it away. */

import { runProgram } from "../processes.ts";

/** Runs a query so many times on one warm connection; seconds of each, as psql takes the time. */
export async function timeQuery(
  psql: string,
  url: string,
  sql: string,
  times: number,
): Promise<number[]> {
  const query = ["-c", sql];
  const output = await runProgram(psql, [
    ...["-X", "-q", "-A", "-t", "-o", "/dev/null", "-d", url, "-c", "\\timing on"],
    ...query, // to warm up, and left out below
    ...Array.from({ length: times }, () => query).flat(),
  ]);
  const found = [...output.matchAll(/^Time: ([\d.]+) ms/gm)].map((match) =>
    Number(match[1]) / 1000
  );
  if (found.length !== times + 1) throw new Error(`psql printed ${found.length} times: ${output}`);
  return found.slice(1);
}
