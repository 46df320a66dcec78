import { deepStrictEqual as deepEqual, rejects } from "node:assert/strict";
import type { RowChunk } from "../../../lib/arrow/row_chunk.ts";
import type { EventStatement, EventStore } from "../../../lib/query/event_store.ts";
import { readStatements } from "../../../lib/query/read_statements.ts";
import { compileSearch } from "../../../lib/query/search_rows.ts";
import type { SqlStatement } from "../../../lib/query/database.ts";
import { indexed, query } from "../../contracts/search_events.ts";
import { SearchModel } from "../../contracts/search_model.ts";

const sql = (text: string): SqlStatement => ({ text, parameters: [] });
const events = (text: string): EventStatement => ({ source: "events", text });
const search = compileSearch(
  { query: query("word"), selection: [{ kind: "total", name: "total" }] },
  false,
).statement;

const bytes = (text: string): RowChunk => ({
  statement: 0,
  bytes: new TextEncoder().encode(text),
  start: 0,
  end: text.length,
});

/** Three places that give a chunk for each statement, and what they were asked. */
function places() {
  const diary: string[] = [];
  const database = {
    async *rows(statements: readonly SqlStatement[]) {
      diary.push(`postgres ${statements.map(({ text }) => text).join()}`);
      await Promise.resolve();
      for (const [statement, { text }] of statements.entries()) yield { ...bytes(text), statement };
    },
  };
  const clickhouse: EventStore = {
    async *rows({ text }) {
      diary.push(`clickhouse ${text}`);
      await Promise.resolve();
      yield bytes(text);
    },
  };
  const store = new SearchModel();
  return { diary, database, others: { events: clickhouse, search: store }, store };
}

const options = (signal = new AbortController().signal) => ({
  signal,
  statementTimeoutMs: 60_000,
  rowBytesMax: 1_000_000,
});

Deno.test("readStatements() gives the rows of all three places in the statements' order, PostgreSQL's of one read", async () => {
  const { diary, database, others, store } = places();
  await store.write([indexed(1, ["word"])]);
  const asked = [search, sql("a"), events("b"), sql("c"), search, sql("d")];
  const told: string[] = [];
  const found: number[] = [];
  const rows = readStatements(asked, database, others, {
    ...options(),
    found: (total) => found.push(total),
  });
  for await (const { statement, bytes, start, end } of rows) {
    if (end > start) {
      told.push(`${statement} ${bytes[start] === 68 ? "row" : String.fromCharCode(bytes[start]!)}`);
    }
  }
  deepEqual(told, ["0 row", "1 a", "2 b", "3 c", "4 row", "5 d"]);
  deepEqual(found, [1, 1]);
  deepEqual(diary, ["postgres a,c,d", "clickhouse b"]);
});

Deno.test("readStatements() asks PostgreSQL nothing where nothing is PostgreSQL's", async () => {
  const { diary, database, others } = places();
  for await (const _ of readStatements([search], database, others, options()));
  deepEqual(diary, []);
});

Deno.test("readStatements() gives PostgreSQL's read back where a search fails", async () => {
  let ended = false;
  const { others } = places();
  const database = {
    async *rows() {
      try {
        await Promise.resolve();
        yield bytes("a");
        yield { ...bytes("b"), statement: 1 };
      } finally {
        ended = true;
      }
    },
  };
  const asked = [sql("a"), search, sql("b")];
  const aborted = AbortSignal.abort();
  await rejects(
    Array.fromAsync(readStatements(asked, database, others, options(aborted))),
    { name: "AppError", code: "CANCELLED" },
  );
  deepEqual(ended, true);
});
