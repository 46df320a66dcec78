/**
 * What PostgreSQL says when it refuses, and the one table from its SQLSTATE to our code.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

import { AppError, type ErrorCode, SchemaChanged } from "../errors.ts";
import { UNFIT } from "../query/json_field_sql.ts";

/**
 * Every field of an ErrorResponse or NoticeResponse.
 * https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
const FIELDS = {
  S: "severityLocalized",
  V: "severity",
  C: "sqlState",
  M: "message",
  D: "detail",
  H: "hint",
  P: "position",
  p: "internalPosition",
  q: "internalQuery",
  W: "where",
  s: "schema",
  t: "table",
  c: "column",
  d: "dataType",
  n: "constraint",
  F: "file",
  L: "line",
  R: "routine",
} as const;

export type PostgresFields = Readonly<
  Partial<Record<(typeof FIELDS)[keyof typeof FIELDS], string>>
>;

const decoder = new TextDecoder();

/** Reads the body of an ErrorResponse or NoticeResponse; letters that are not known are left out. */
export function decodeFields(body: Uint8Array): PostgresFields {
  const fields: Partial<Record<keyof PostgresFields, string>> = {};
  for (const part of decoder.decode(body).split("\0")) {
    const name = FIELDS[part.charAt(0) as keyof typeof FIELDS];
    if (name) fields[name] = part.slice(1);
  }
  return fields;
}

/** What PostgreSQL answered, with all that it said; never shown to a client as it is. */
export class PostgresError extends Error {
  override readonly name = "PostgresError";
  readonly sqlState: string;

  constructor(readonly fields: PostgresFields) {
    super(`${fields.message ?? "no message"} (SQLSTATE ${fields.sqlState ?? "missing"})`);
    this.sqlState = fields.sqlState ?? "XX000";
  }

  /** True where PostgreSQL closes the connection after this. */
  get fatal(): boolean {
    const severity = this.fields.severity ?? this.fields.severityLocalized;
    return severity === "FATAL" || severity === "PANIC";
  }
}

interface SqlStateRow {
  readonly code: ErrorCode;
  /** What the caller reads; PostgreSQL's own words where it is absent. */
  readonly message?: string;
  readonly hint?: string;
  readonly retryAfterSeconds?: number;
}

/** A pattern is read when the statement runs, so no other place tells whose it is. */
const BAD_PATTERN = {
  code: "BAD_INPUT",
  hint: "check the patterns among the query's arguments",
} as const;
const OUT_OF_RANGE = {
  code: "UNREPRESENTABLE",
  message: "a value that PostgreSQL computed for this query is beyond the range of its type",
  hint: "an aggregate or a view's own expression cannot hold it: leave such rows out by a filter",
} as const;
const RESTART = {
  code: "UNAVAILABLE",
  message: "PostgreSQL ended the connection",
  hint: "it restarts, stops or an administrator ended the session: try again",
  retryAfterSeconds: 1,
} as const;
const CONNECTION = {
  code: "UNAVAILABLE",
  message: "the connection to PostgreSQL failed",
  hint: "try again; if it stays, check that PostgreSQL runs and can be reached",
  retryAfterSeconds: 1,
} as const;
const RESOURCES = {
  code: "UNAVAILABLE",
  message: "PostgreSQL is out of resources",
  hint: "try again later, or ask for less; PostgreSQL's log names the resource",
  retryAfterSeconds: 5,
} as const;
const CONFLICT = {
  code: "UNAVAILABLE",
  message: "the query collided with a change in PostgreSQL",
  hint: "try again",
  retryAfterSeconds: 1,
} as const;
const SCHEMA_CHANGED = {
  code: "UNAVAILABLE",
  message: "the database's schema is no longer the one that was read",
} as const;
const TOO_LARGE = {
  code: "TOO_LARGE",
  message: "a value of this result is larger than PostgreSQL can build",
  hint: "ask for fewer related rows or smaller columns",
} as const;

/** By SQLSTATE, else by its class of two letters; what is in neither is a fault of ours. */
export const SQL_STATES: Readonly<Record<string, SqlStateRow>> = {
  // Only what the caller alone can have given. The rest of class 22 is a fault of the data, or of a
  // view that cannot cope with it, unless it came with a parameter: see `parameterError`.
  "2200C": BAD_PATTERN, // use of an escape character
  "22019": BAD_PATTERN, // escape character
  "22025": BAD_PATTERN, // escape sequence of LIKE
  "2201B": BAD_PATTERN, // regular expression
  "2201W": { code: "BAD_INPUT", hint: "give a limit of 0 or more" },
  "2201X": { code: "BAD_INPUT", hint: "give an offset of 0 or more" },
  "22003": OUT_OF_RANGE, // numbers
  "22008": OUT_OF_RANGE, // dates, times and intervals
  "22P05": {
    code: "UNREPRESENTABLE",
    message: "a row holds a character that PostgreSQL cannot convert, such as \\u0000 in json",
    hint: "conditions read json as jsonb, which has no \\u0000: leave them out, or mend the row",
  },
  "55000": {
    code: "UNAVAILABLE",
    message: "a relation of the query cannot be read yet",
    hint: "a materialized view made WITH NO DATA waits for REFRESH MATERIALIZED VIEW",
  },
  "42501": { code: "FORBIDDEN", hint: "grant the role of DATABASE_URL the right to read it" },
  "25006": {
    code: "UNSUPPORTED",
    message: "the query tried to write, and queries only read",
    hint: "a function or rule behind the relation writes; expose a view that does not",
  },
  "57014": {
    code: "TIMEOUT",
    message: "the statement took longer than PostgreSQL was allowed",
    hint: "ask for less, or raise the limit statement_seconds_max",
  },
  "25P03": RESTART, // idle in transaction for too long
  "25P04": RESTART, // transaction_timeout
  "57P01": RESTART, // terminated by an administrator, or a fast shutdown
  "57P02": RESTART, // another session crashed
  "57P03": {
    ...RESTART,
    message: "PostgreSQL does not take connections",
    hint: "it starts, stops or recovers: try again",
  },
  "57P04": { ...RESTART, message: "the database was dropped", hint: "create it, then try again" },
  "57P05": RESTART, // idle for too long
  "08": CONNECTION,
  "53300": {
    code: "UNAVAILABLE",
    message: "PostgreSQL has no connection left",
    hint: "raise its max_connections, or lower the limits pool_connections_max and " +
      "flight_pool_connections_max",
    retryAfterSeconds: 5,
  },
  "53": RESOURCES,
  "40": CONFLICT, // serialization, deadlock, conflict with recovery on a standby
  "55P03": CONFLICT, // lock not available within lock_timeout
  "3F000": SCHEMA_CHANGED,
  "42P01": SCHEMA_CHANGED, // table
  "42703": SCHEMA_CHANGED, // column
  "42704": SCHEMA_CHANGED, // type
  "42804": SCHEMA_CHANGED, // two types that were one
  "42809": SCHEMA_CHANGED, // an attribute of what is no composite
  "42846": SCHEMA_CHANGED, // no such cast
  "42883": SCHEMA_CHANGED, // function or operator
  "26000": SCHEMA_CHANGED, // somebody deallocated our prepared statement
  "54": TOO_LARGE,
};

/** What the catalog said is no longer so. */
export function schemaChanged(): SchemaChanged {
  return new SchemaChanged(SCHEMA_CHANGED.message);
}

/** The statement that an error ended. */
export interface FailedStatement {
  /** Values that the caller may have given; without any, no fault is the caller's. */
  readonly parameters: number;
  /** `SqlStatement.places`. */
  readonly places?: Readonly<Record<number, string>>;
  /** False while PostgreSQL still took the values in. */
  readonly bound: boolean;
  /** `server_version_num`. */
  readonly version: number;
}

const NO_STATEMENT: FailedStatement = { parameters: 0, bound: true, version: 0 };

/** PostgreSQL's error as ours, itself kept as the cause. */
export function toAppError(error: PostgresError, statement = NO_STATEMENT): AppError {
  const row = parameterError(error, statement) ?? unfitValue(error) ?? rowOf(error);
  if (!row || (row.code === "BAD_INPUT" && statement.parameters === 0)) {
    return new AppError("INTERNAL", `PostgreSQL refused the statement (${error.sqlState})`, {
      cause: error,
    });
  }
  if (row === SCHEMA_CHANGED) return new SchemaChanged(SCHEMA_CHANGED.message, { cause: error });
  return new AppError(row.code, row.message ?? error.fields.message ?? error.message, {
    cause: error,
    ...(row.hint && { hint: row.hint }),
    ...(row.retryAfterSeconds && { retryAfterSeconds: row.retryAfterSeconds }),
  });
}

/**
 * The refusal of a parameter's value. Values are read before BindComplete, but so are the constants
 * of a view, when PostgreSQL plans; from 14 on its context names the parameter that it read. Before,
 * its words might be about the view, and are not shown.
 */
function parameterError(
  { sqlState, fields }: PostgresError,
  { parameters, places, bound, version }: FailedStatement,
): SqlStateRow | undefined {
  if (bound || parameters === 0) return undefined;
  const [, number] = /\$(\d+)/.exec(fields.where ?? "") ?? [];
  const hint = "check the values of the query's arguments";
  if (number !== undefined && VALUE_CLASSES.has(sqlState.slice(0, 2))) {
    const place = places?.[Number(number)] ?? `parameter $${number}`;
    return { code: "BAD_INPUT", message: `${place}: ${fields.message}`, hint };
  }
  if (version >= contextVersion || !sqlState.startsWith("22")) return undefined;
  return { code: "BAD_INPUT", message: `a parameter's value was refused (${sqlState})`, hint };
}

/** A value in JSON that is not of the type that the schema file declares. */
function unfitValue({ fields }: PostgresError): SqlStateRow | undefined {
  const message = fields.message ?? "";
  const begin = message.indexOf(UNFIT.begin);
  const end = message.lastIndexOf(UNFIT.end);
  if (begin < 0 || end < begin) return undefined;
  return {
    code: "UNREPRESENTABLE",
    message: message.slice(begin + UNFIT.begin.length, end),
    hint: "declare the field's type as the data has it, leave such rows out in the view, or set " +
      "FRAISEQL_UNREPRESENTABLE=null",
  };
}

/** What types say to a text: 22 most of them; 42 and 0A e.g. `tsquery`, 23 a domain. */
const VALUE_CLASSES = new Set(["22", "23", "42", "0A"]);

const contextVersion = 140000;

function rowOf(error: PostgresError): SqlStateRow | undefined {
  const { sqlState, fields } = error;
  // The message of a cancel is translated, so only its English form tells who asked for it; whoever
  // cancelled by a signal knows better and does not ask here.
  if (sqlState === "57014" && /user request/.test(fields.message ?? "")) {
    return {
      code: "CANCELLED",
      message: "the statement was cancelled in PostgreSQL",
      hint: "somebody called pg_cancel_backend, or the role's own settings ended it",
    };
  }
  // These two have no SQLSTATE of their own.
  if (sqlState === "XX000" && /invalid memory alloc request size/.test(fields.message ?? "")) {
    return TOO_LARGE;
  }
  if (sqlState === "0A000") {
    if (fields.routine === "RevalidateCachedQuery") return SCHEMA_CHANGED;
    if (/nondeterministic/.test(fields.message ?? "") || MATCHERS.has(fields.routine ?? "")) {
      return NO_MATCHING;
    }
  }
  if (sqlState === "22023" && ZONE_READERS.has(fields.routine ?? "")) return NO_ZONE;
  return SQL_STATES[sqlState] ?? SQL_STATES[sqlState.slice(0, 2)];
}

/** The functions that refuse it, in whatever language they say so. */
const MATCHERS = new Set(["GenericMatchText", "Generic_Text_IC_like", "pg_set_regex_collation"]);

const NO_MATCHING = {
  code: "BAD_INPUT",
  message: "PostgreSQL matches no patterns in text of a nondeterministic collation",
  hint: "compare the field by eq or in, or expose it by a view with another collation",
} as const;

/** The functions that read a zone's name, from 16 on and before. */
const ZONE_READERS = new Set(["DecodeTimezoneName", "timestamptz_trunc_zone", "timestamptz_zone"]);

const NO_ZONE = {
  code: "BAD_INPUT",
  message: "PostgreSQL does not know a time zone of the query",
  hint:
    "give a timeZone that its pg_timezone_names has: its time zone database may be an older one",
} as const;

/** A connection that broke without a word from PostgreSQL. */
export class ConnectionLost extends AppError {
  /** True where the other side's system no longer knew the connection, so nothing ran there. */
  readonly unknownThere: boolean;

  constructor(cause?: unknown) {
    super("UNAVAILABLE", "the connection to PostgreSQL was lost", {
      hint: "try again; if it stays, check that PostgreSQL runs and can be reached",
      retryAfterSeconds: 1,
      ...(cause !== undefined && { cause }),
    });
    this.unknownThere = cause instanceof Deno.errors.ConnectionReset ||
      cause instanceof Deno.errors.BrokenPipe ||
      (cause instanceof Error && "code" in cause &&
        (cause.code === "ECONNRESET" || cause.code === "EPIPE"));
  }
}

/** Bytes that no PostgreSQL sends. */
export function protocolError(what: string): AppError {
  return new AppError("UNAVAILABLE", `the answer is not PostgreSQL's protocol: ${what}`, {
    hint: "check that host and port of DATABASE_URL are those of a PostgreSQL server",
  });
}
