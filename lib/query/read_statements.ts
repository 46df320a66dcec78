/** One operation's statements, read each where its rows are, in the order of its root fields. */

import type { RowChunk } from "../arrow/row_chunk.ts";
import type { Database, ReadOptions, SqlStatement } from "./database.ts";
import type { EventStatement, EventStore } from "./event_store.ts";

export type Statement = SqlStatement | EventStatement;

/** Whether its rows are ClickHouse's. */
export function isOfEvents(statement: Statement): statement is EventStatement {
  return "source" in statement;
}

/**
 * The rows of all statements. Those of PostgreSQL are read in one snapshot, whatever is read from
 * ClickHouse between them.
 */
export function readStatements(
  statements: readonly Statement[],
  database: Pick<Database, "rows">,
  events: EventStore | null,
  options: ReadOptions,
): AsyncIterable<RowChunk> {
  const own = statements.filter((statement) => !isOfEvents(statement)) as SqlStatement[];
  if (own.length === statements.length) return database.rows(own, options);
  if (!events) throw new Error("a statement for ClickHouse without one");
  return inTurn(statements, database.rows(own, options), events, options);
}

async function* inTurn(
  statements: readonly Statement[],
  own: AsyncIterable<RowChunk>,
  events: EventStore,
  { signal, statementTimeoutMs }: ReadOptions,
): AsyncGenerator<RowChunk, undefined> {
  const rows = own[Symbol.asyncIterator]();
  let next: IteratorResult<RowChunk> | null = null;
  let ofOwn = 0;
  try {
    for (const [statement, asked] of statements.entries()) {
      if (isOfEvents(asked)) {
        // Says whose turn it is, so that an error has its place.
        yield { statement, bytes: nothing, start: 0, end: 0 };
        const secondsMax = statementTimeoutMs / 1000;
        for await (const chunk of events.rows(asked, { signal, secondsMax })) {
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

const nothing = new Uint8Array();
