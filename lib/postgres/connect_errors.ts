/** Why nobody was let in, in words for the person who sets the program up. */

import { AppError } from "../errors.ts";
import { ConnectionLost, PostgresError, toAppError } from "./errors.ts";
import { type ConnectTarget, isSocket, type Server, serverName } from "./url.ts";

/** What failed, with what to do. */
export function connectError(error: unknown, server: Server, target: ConnectTarget): AppError {
  if (error instanceof PostgresError) return refusedError(error, target);
  if (error instanceof AppError && !(error instanceof ConnectionLost)) return error;
  const reason = error instanceof ConnectionLost
    ? "it closed the connection during the login"
    : error instanceof Error
    ? error.message
    : String(error);
  return new AppError("UNAVAILABLE", `no PostgreSQL at ${serverName(server)}: ${reason}`, {
    hint: isSocket(server)
      ? "check that PostgreSQL runs and that the folder of its socket is named, host=/folder"
      : "check that PostgreSQL runs and that host and port of DATABASE_URL are right",
    retryAfterSeconds: 1,
    cause: error,
  });
}

function refusedError(error: PostgresError, target: ConnectTarget): AppError {
  const said = error.fields.message ?? "no reason";
  // The role is not there, or may not log in: no line of pg_hba.conf helps.
  const roleless = error.sqlState === "28000" && error.fields.routine === "InitializeSessionUserId";
  const row = REFUSALS[roleless ? "role" : error.sqlState];
  if (row) {
    return new AppError("BAD_INPUT", row.message(target, said), { hint: row.hint, cause: error });
  }
  if (isRefusalOfFull(error)) return fullError(said, error);
  // Poolers have one SQLSTATE for all they refuse, and their words tell what it is.
  if (error.sqlState === "08P01") {
    const mendable = /unsupported startup parameter|no such|authentication failed|not allowed/;
    return new AppError(
      mendable.test(said) ? "BAD_INPUT" : "UNAVAILABLE",
      `the connection pooler refused the connection: ${said}`,
      {
        hint: "check DATABASE_URL against the pooler's own settings" +
          (target.options === null ? "" : ", and leave options out of it"),
        cause: error,
      },
    );
  }
  return toAppError(error);
}

/** PostgreSQL's words, since they tell which of its limits it was. */
function fullError(said: string, cause: unknown): AppError {
  return new AppError("UNAVAILABLE", `PostgreSQL has no connection left: ${said}`, {
    hint: `${fullHint}; HTTP and Flight need one each`,
    retryAfterSeconds: 5,
    cause,
  });
}

const fullHint =
  "raise PostgreSQL's limit (max_connections, or `alter role ... connection limit`)" +
  ", or lower the limits pool_connections_max and flight_pool_connections_max";

/** Of poolers, which have one SQLSTATE for all that they refuse. */
const poolerFull = /no more connections|too many connections/;

const REFUSALS: Readonly<
  Record<string, { message: (target: ConnectTarget, said: string) => string; hint: string }>
> = {
  "28P01": {
    message: (target) => `PostgreSQL refused the password of user ${target.user}`,
    hint: "correct user and password in DATABASE_URL; write : / ? # @ % percent-encoded",
  },
  "28000": {
    message: (_target, said) => `PostgreSQL refused the login: ${said}`,
    hint: "add a line for this user, database and address to pg_hba.conf, or change DATABASE_URL",
  },
  role: {
    message: (_target, said) => `PostgreSQL refused the login: ${said}`,
    hint:
      "check user and password in DATABASE_URL; the role must exist and have the right to login",
  },
  "22023": {
    message: (_target, said) => `PostgreSQL refused a setting of DATABASE_URL: ${said}`,
    hint: "correct options in DATABASE_URL",
  },
  "42704": {
    message: (_target, said) => `PostgreSQL does not know a setting of DATABASE_URL: ${said}`,
    hint: "correct options in DATABASE_URL",
  },
  "3D000": {
    message: (target) => `PostgreSQL has no database ${target.database}`,
    hint: "create it with createdb, or correct DATABASE_URL",
  },
  "42501": {
    message: (target, said) => `PostgreSQL refused user ${target.user}: ${said}`,
    hint: "grant connect on the database to the user",
  },
};

/** Somebody is there, and says nothing or too little. */
export function lateError(server: Server, waitMs: number): AppError {
  const name = serverName(server);
  return new AppError("UNAVAILABLE", `PostgreSQL at ${name} let nobody in within ${waitMs} ms`, {
    hint: "check that it can be reached and is not overloaded, or raise the limit connect_ms_max",
    retryAfterSeconds: 1,
  });
}

/** PostgreSQL is there and has no connection left to give, at least not to this user. */
export function isFull(error: unknown): boolean {
  if (!(error instanceof AppError)) return false;
  // Of several servers each has its own.
  if (Array.isArray(error.cause)) return error.cause.some(isFull);
  return error.cause instanceof PostgresError && isRefusalOfFull(error.cause);
}

function isRefusalOfFull({ sqlState, fields }: PostgresError): boolean {
  return sqlState === "53300" || (sqlState === "08P01" && poolerFull.test(fields.message ?? ""));
}

/**
 * Why no connection could be had, for who asks a query: a refused login is no fault of theirs, and
 * where the database is, is nothing for them to know. The log has the reason.
 */
export function connectErrorAtRunTime(error: unknown): unknown {
  if (!(error instanceof AppError)) return error;
  const { code, cause } = error;
  if (code === "BAD_INPUT") {
    return new AppError("UNAVAILABLE", "PostgreSQL does not let the server in", {
      hint: "the server's log has the reason",
      retryAfterSeconds: 5,
      cause: error,
    });
  }
  if (code !== "UNAVAILABLE") return error;
  if (isFull(error)) {
    return new AppError("UNAVAILABLE", "PostgreSQL has no connection left", {
      hint: `try again later, or ${fullHint}`,
      retryAfterSeconds: 5,
      cause,
    });
  }
  // What it says itself is told in our words, but a pooler's error of this state in its own.
  if (cause instanceof PostgresError && cause.sqlState !== "08P01") return error;
  return new AppError("UNAVAILABLE", "PostgreSQL cannot be reached", {
    hint: "try again; the server's log has the reason",
    retryAfterSeconds: error.retryAfterSeconds ?? 1,
    cause: error,
  });
}
