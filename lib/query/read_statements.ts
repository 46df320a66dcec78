/** One operation's statements, read each where its rows are, in the order of its root fields. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import type { SearchStore } from "../search/store.ts";
import type { Database, ReadOptions, SqlStatement } from "./database.ts";
import type { EventStatement, EventStore } from "./event_store.ts";
import { searchRows, type SearchStatement } from "./search_rows.ts";

export type Statement = SqlStatement | EventStatement | SearchStatement;

/** Whether its rows are not PostgreSQL's. */
export function isElsewhere(statement: Statement): statement is EventStatement | SearchStatement {
  return "source" in statement;
}

/** Where rows are that are not in PostgreSQL; null: there are none, and no statement asks for them. */
export interface OtherStores {
  readonly events: EventStore | null;
  readonly search: SearchStore | null;
}

export interface StatementOptions extends ReadOptions {
  readonly rowBytesMax: number;
  /** Told how many events a search has found in all. */
  readonly found?: (total: number) => void;
}

/**
 * The rows of all statements. Those of PostgreSQL are read in one snapshot, whatever is read elsewhere
 * between them.
 */
export function readStatements(
  statements: readonly Statement[],
  database: Pick<Database, "rows">,
  others: OtherStores,
  options: StatementOptions,
): AsyncIterable<RowChunk> {
  const own = statements.filter((statement) => !isElsewhere(statement)) as SqlStatement[];
  if (own.length === statements.length) return database.rows(own, options);
  const rows = own.length === 0 ? noRows() : database.rows(own, options);
  return inTurn(statements, rows, others, options);
}

async function* inTurn(
  statements: readonly Statement[],
  own: AsyncIterable<RowChunk>,
  others: OtherStores,
  options: StatementOptions,
): AsyncGenerator<RowChunk, undefined> {
  const rows = own[Symbol.asyncIterator]();
  let next: IteratorResult<RowChunk> | null = null;
  let ofOwn = 0;
  try {
    for (const [statement, asked] of statements.entries()) {
      if (isElsewhere(asked)) {
        // Says whose turn it is, so that an error has its place.
        yield { statement, bytes: nothing, start: 0, end: 0 };
        for await (const chunk of rowsElsewhere(asked, others, options)) {
          yield { ...chunk, statement };
        }
        continue;
      }
      const mine = ofOwn++;
      next ??= await rows.next();
      while (!next.done && next.value.statement === mine) {
        yield { ...next.value, statement };
        next = await rows.next();
      }
    }
  } finally {
    await rows.return?.();
  }
  return undefined;
}

async function* noRows(): AsyncGenerator<RowChunk> {}

function rowsElsewhere(
  asked: EventStatement | SearchStatement,
  { events, search }: OtherStores,
  options: StatementOptions,
): AsyncIterable<RowChunk> {
  const { signal, statementTimeoutMs, rowBytesMax, found } = options;
  const secondsMax = statementTimeoutMs / 1000;
  switch (asked.source) {
    case "events":
      if (!events) throw new Error("a statement for ClickHouse without one");
      return events.rows(asked, { signal, secondsMax });
    case "search":
      if (!search) throw new Error("a search without a store");
      return searchRows(asked, search, { signal, secondsMax, rowBytesMax, ...found && { found } });
    default:
      return asked satisfies never;
  }
}

const nothing = new Uint8Array();
