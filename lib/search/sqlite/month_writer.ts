/** Writes the events of one month into its file, each once, all of a call or none. */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setImmediate as others } from "node:timers/promises";
import { abortError } from "../../errors.ts";
import type { IndexedEvent } from "../store.ts";
import { numberColumns, openToWrite } from "./month_tables.ts";
import { firstRow, lastRow, type Month } from "./months.ts";
import { tokenText } from "./tokens.ts";

/** An event and its place in what was given to be written. */
export interface PlacedEvent {
  readonly row: number;
  readonly id: Uint8Array;
  readonly event: IndexedEvent;
}

export interface RefusedRow {
  readonly row: number;
  readonly reason: string;
}

export class MonthWriter {
  readonly #database: DatabaseSync;
  readonly #taken: StatementSync;
  readonly #event: StatementSync;
  readonly #document: StatementSync;
  readonly #tokens: StatementSync;

  constructor(
    readonly path: string,
    private readonly month: Month,
    private readonly columns: readonly string[],
  ) {
    this.#database = openToWrite(path, columns);
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#taken = prepare("select max(n) as n from events where n between ? and ?");
    const names = [...FIELDS, ...columns.flatMap(numberColumns)];
    this.#event = prepare(
      `insert into events (${names.join(", ")}) values (${names.map(() => "?").join(", ")})
      on conflict (id) do nothing`,
    );
    this.#document = prepare("insert into documents values (?, ?, ?)");
    this.#tokens = prepare("insert into found_by (rowid, tokens) values (?, ?)");
  }

  /** Gives those of which there is no room for. */
  async write(events: readonly PlacedEvent[], signal: AbortSignal): Promise<RefusedRow[]> {
    // FTS5 wants rising row numbers: each step back ends a part of its index.
    const ordered = events.toSorted((a, b) => a.event.micros - b.event.micros);
    const refused: RefusedRow[] = [];
    this.#database.exec("begin immediate");
    try {
      let [next, last] = [0, -1];
      for (const [i, placed] of ordered.entries()) {
        const { micros } = placed.event;
        if (next > last || last !== lastRow(this.month, micros)) {
          last = lastRow(this.month, micros);
          next = this.#free(micros);
        }
        if (next > last) refused.push({ row: placed.row, reason: full });
        else if (this.#insert(next, placed)) next++;
        if (i % eventsPerTurn === eventsPerTurn - 1) {
          await others(); // the worker's connections are to be kept alive
          if (signal.aborted) throw abortError(signal);
        }
      }
      this.#database.exec("commit");
      return refused;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #free(micros: number): number {
    const first = firstRow(this.month, micros);
    const taken = this.#taken.get(first, lastRow(this.month, micros))?.["n"];
    return typeof taken === "number" ? taken + 1 : first;
  }

  /** False where the event is there already. */
  #insert(n: number, { id, event }: PlacedEvent): boolean {
    const { eventType, entityType, entityId, userId, orgId, micros, numbers } = event;
    // What an object has by itself, like `constructor`, is no number of the event.
    const values = this.columns.flatMap((name) =>
      (Object.hasOwn(numbers, name) ? numbers[name] : null) ?? [null, null]
    );
    const fields = [micros, eventType, entityType, entityId, userId, orgId];
    const { changes } = this.#event.run(n, id, ...fields, ...values);
    if (changes === 0) return false;
    this.#document.run(n, event.timestamp, event.data);
    this.#tokens.run(n, tokenText(event));
    return true;
  }
}

// deno-fmt-ignore: as the table has them
const FIELDS = ["n", "id", "micros", "event_type", "entity_type", "entity_id", "user_id", "org_id"];

const eventsPerTurn = 1000;

const full = "the store has no room for more events of one millisecond";
