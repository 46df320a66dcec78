/** What SQLite says, as an error that names the file and what to do. */

import { AppError } from "../../errors.ts";

/** Nothing of it is the event's or the query's fault, so all of it may be tried again. */
export function sqliteFault(error: unknown, path: string): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const known = FAULTS.find(({ says }) => says.test(error.message));
  if (!known) return error;
  return new AppError("UNAVAILABLE", `${path} ${known.what}: ${error.message}`, {
    hint: known.hint,
    cause: error,
  });
}

/** By SQLite's own texts, since a number does not come with all of its errors. */
const FAULTS: readonly { readonly says: RegExp; readonly what: string; readonly hint: string }[] = [
  {
    says: new RegExp(
      "^(file is not a database|database disk image is malformed|malformed database schema|" +
        "fts5: corrupt|vtable constructor failed|no such table)",
    ),
    what: "is damaged",
    hint: "stop what writes it, move it away with its -wal and -shm, start again, and bring its " +
      "events back with fraiseql replay --sink elasticsearch",
  },
  {
    says: /^(database or disk is full|disk I\/O error)/,
    what: "cannot be written or read",
    hint: "make room on its disk, or see whether that works; what was not stored is tried again",
  },
  {
    says: /^(attempt to write a readonly database|unable to open database file)/,
    what: "cannot be opened",
    hint: "let this user read and write the folder and its files",
  },
  {
    says: /^database (table )?is locked/,
    what: "is in use",
    hint: "another program holds it: sqlite3, or a backup of it; end that",
  },
];
