/** Asks the file of one month. */

import type { DatabaseSync } from "node:sqlite";
import type { StoredEvent } from "../store.ts";
import { conditionSql, type Sql } from "./condition_sql.ts";
import { uuidText } from "./event_ids.ts";
import { sqliteFault } from "./faults.ts";
import type { Match } from "./match.ts";
import { columnsOf } from "./month_tables.ts";
import { firstRow, lastRow, type Month } from "./months.ts";
import { EVERY, quoted } from "./tokens.ts";

/** A found event, before its document is read. */
export interface FoundRow {
  readonly n: number;
  readonly micros: number;
  /** Of 32 letters, ordered as its UUID is. */
  readonly id: string;
  /** Higher is better; 0 where it was not asked for. */
  readonly score: number;
}

/** Not before and not behind these moments, whose milliseconds are looked at as a whole. */
interface Range {
  readonly fromMicros: number;
  readonly toMicros: number;
}

export interface RowsWanted extends Range {
  readonly match: Match;
  readonly order: "newest" | "oldest";
  readonly withScore: boolean;
  /** No more than this many. */
  readonly rowsMax: number;
}

export class MonthReader {
  readonly #columns: ReadonlySet<string>;

  /** `tick` is called for every row that is looked at; what it throws ends the search. */
  constructor(
    private readonly path: string,
    readonly month: Month,
    private readonly database: DatabaseSync,
    tick: () => void,
  ) {
    this.#columns = columnsOf(database);
    database.function("tick", () => {
      tick();
      return 1;
    });
  }

  /** What is asked within it sees the file at one moment. */
  atOnce<Result>(work: () => Result): Result {
    try {
      this.database.exec("begin");
      const result = work();
      this.database.exec("commit");
      return result;
    } catch (error) {
      this.#leave();
      throw sqliteFault(error, this.path);
    }
  }

  /** In the order of time, those of one millisecond in none. */
  *rows(wanted: RowsWanted): Generator<FoundRow> {
    const { order, withScore, rowsMax } = wanted;
    const { text, values } = this.#from(wanted.match, wanted, JOINED);
    const hasRank = withScore && wanted.match.expression !== null;
    const sql = `select e.n, e.micros, lower(hex(e.id)) as id, ${hasRank ? "-f.rank" : "0"} as score
      ${text} order by ${text.includes(FOUND) ? "f.rowid" : "e.n"} ${
      order === "newest" ? "desc" : "asc"
    } limit ?`;
    for (const row of this.database.prepare(sql).iterate(...values, rowsMax)) {
      yield {
        n: Number(row["n"]),
        micros: Number(row["micros"]),
        id: String(row["id"]),
        score: Number(row["score"]),
      };
    }
  }

  count(match: Match): number {
    // Counting what has a token is quicker than counting rows.
    const expression = match.rest.length === 0
      ? match.expression ?? quoted(EVERY)
      : match.expression;
    const { text, values } = this.#from({ ...match, expression }, match);
    return Number(this.database.prepare(`select count(*) as n ${text}`).get(...values)?.["n"]);
  }

  /** The event of a row. */
  event(n: number): StoredEvent {
    const row = this.database.prepare(EVENT).get(n);
    if (!row) throw new Error(`row ${n} of ${this.month.name} has no event`);
    const text = (name: string) => {
      const value = row[name];
      return typeof value === "string" ? value : null;
    };
    return {
      eventId: uuidText(String(row["id"])),
      eventType: text("event_type") ?? "",
      entityType: text("entity_type") ?? "",
      entityId: text("entity_id") ?? "",
      timestamp: text("timestamp") ?? "",
      data: text("data") ?? "",
      userId: text("user_id"),
      orgId: text("org_id"),
    };
  }

  close(): void {
    this.database.close();
  }

  #leave(): void {
    try {
      if (this.database.isTransaction) this.database.exec("rollback");
    } catch {
      // What failed is told already; a file that does not even take this is opened anew.
    }
  }

  /** From where, and with what conditions; `events e` is there where it is needed, or asked for. */
  #from({ expression, rest }: Match, { fromMicros, toMicros }: Range, joined = ""): Sql {
    const first = Math.max(fromMicros, this.month.startMs * 1000);
    const last = Math.min(toMicros, this.month.endMs * 1000 - 1);
    const rows = [firstRow(this.month, first), lastRow(this.month, last)];
    const checked = rest.map((condition) => conditionSql(condition, this.#columns));
    const more = checked.map(({ text }) => ` and ${text}`).join("");
    const values = checked.flatMap(({ values }) => values);
    if (expression === null) {
      const text = `from events e where e.n between ? and ? and tick()${more}`;
      return { text, values: [...rows, ...values] };
    }
    // Ids that are known are few, and looked up sooner than all that has the tokens.
    if (rest.some((part) => part.kind === "in" && part.field === "eventId")) {
      const text = `from events e where e.n between ? and ? and tick()${more} and exists (
        select 1 from found_by where found_by match ? and rowid = e.n)`;
      return { text, values: [...rows, ...values, expression] };
    }
    const text = `${FOUND} ${rest.length > 0 ? JOINED : joined}
      where f.found_by match ? and f.rowid between ? and ? and tick()${more}`;
    return { text, values: [expression, ...rows, ...values] };
  }
}

const FOUND = "from found_by f";

/** The index first: what it finds comes in the order of time by itself. */
const JOINED = "cross join events e on e.n = f.rowid";

const EVENT = `select lower(hex(e.id)) as id, event_type, entity_type, entity_id, user_id, org_id,
  timestamp, data from events e join documents d on d.n = e.n where e.n = ?`;
