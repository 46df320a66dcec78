/** What tests ask of `Database.rows`, and how they read what comes. */

import type { Database, SqlStatement } from "../../../lib/query/database.ts";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";

export const never = new AbortController().signal;

export function sql(text: string, ...parameters: (string | null)[]): SqlStatement {
  return { text, parameters };
}

export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly statementTimeoutMs?: number;
  readonly snapshot?: string;
}

export function ask(
  database: Database,
  statements: readonly SqlStatement[],
  options: AskOptions = {},
): AsyncIterable<RowChunk> {
  return database.rows(statements, { signal: never, statementTimeoutMs: 60_000, ...options });
}

/** Rows of one int4 column, as [statement, value]. */
export async function ints(
  database: Database,
  statements: readonly SqlStatement[],
  options: AskOptions = {},
): Promise<[number, number][]> {
  const found: [number, number][] = [];
  for await (const chunk of ask(database, statements, options)) found.push(...intsOf(chunk));
  return found;
}

export function intsOf({ statement, bytes, start, end }: RowChunk): [number, number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const found: [number, number][] = [];
  for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) {
    found.push([statement, view.getInt32(at + 11)]);
  }
  return found;
}

/** How many rows, and how many bytes. */
export async function count(chunks: AsyncIterable<RowChunk>): Promise<[number, number]> {
  let [rows, size] = [0, 0];
  for await (const { bytes, start, end } of chunks) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let at = start; at < end; at += 1 + view.getInt32(at + 1)) rows++;
    size += end - start;
  }
  return [rows, size];
}
