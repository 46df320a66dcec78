/** What is in the file of a month, and how it is opened to be written and to be read. */

import { DatabaseSync } from "node:sqlite";
import { AppError } from "../../errors.ts";
import { TOKEN_CHARS } from "./tokens.ts";

/** Raised when the tables or the tokens change. */
const version = 1;

/**
 * `events` is what conditions are checked on and what is walked in the order of time, so it has no
 * large values; those are in `documents`. `found_by` is the index alone, without its texts.
 */
const TABLES = `
create table events (
  n integer primary key, id blob not null, micros integer not null,
  event_type text not null, entity_type text not null, entity_id text not null,
  user_id text, org_id text);
create unique index events_id on events (id);
create table documents (n integer primary key, timestamp text not null, data text not null);
create virtual table found_by using fts5 (
  tokens, content = '', tokenize = "ascii tokenchars '${TOKEN_CHARS}'");
insert into found_by (found_by, rank) values ('hashsize', ${32 * 1024 * 1024});
pragma user_version = ${version};`;

/** A file that one program writes. Whoever reads it meanwhile sees what was there before. */
export function openToWrite(path: string, columns: readonly string[]): DatabaseSync {
  return opened(path, false, (database) => {
    // Full: what was told to be stored has to be there after a loss of power too.
    database.exec(`pragma journal_mode = wal; pragma synchronous = full;
      pragma wal_autocheckpoint = ${walPages}; pragma journal_size_limit = ${walPages * 4096};
      pragma cache_size = -${writeCacheKiB}`);
    const found = versionOf(database);
    if (found !== version && found !== 0) throw otherVersion(path, found);
    database.exec("begin immediate");
    if (found === 0) database.exec(TABLES);
    const there = columnsOf(database);
    for (const column of columns.flatMap(numberColumns)) {
      if (!there.has(column)) database.exec(`alter table events add column ${column} real`);
    }
    database.exec("commit");
  });
}

/** A file to read; null where its tables are not there yet. */
export function openToRead(path: string): DatabaseSync | null {
  let isReady = false;
  const database = opened(path, true, (database) => {
    database.exec(`pragma cache_size = -${readCacheKiB}`);
    const found = versionOf(database);
    if (found !== version && found !== 0) throw otherVersion(path, found);
    isReady = found !== 0;
  });
  if (isReady) return database;
  database.close();
  return null;
}

/**
 * The two columns of a configured one, as they are written in SQL: its name has no quotes, but can
 * differ from another's in capitals alone, which are all the same to SQLite.
 */
export function numberColumns(name: string): [least: string, greatest: string] {
  const written = name.replaceAll(/[A-Z]/g, (capital) => `^${capital.toLowerCase()}`);
  return [`"least ${written}"`, `"greatest ${written}"`];
}

/** The columns of `events`, as `numberColumns` has them. */
export function columnsOf(database: DatabaseSync): Set<string> {
  const rows = database.prepare("select name from pragma_table_info('events')").all();
  return new Set(rows.map(({ name }) => `"${name}"`));
}

function opened(
  path: string,
  readOnly: boolean,
  prepare: (database: DatabaseSync) => void,
): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly, timeout: lockedMsMax });
  try {
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("pragma user_version").get()?.["user_version"]);
}

function otherVersion(path: string, found: number): AppError {
  return new AppError("UNAVAILABLE", `${path} has version ${found} of the search store's tables`, {
    hint: `this program knows version ${version}: use the one that made it, or remove the folder ` +
      "and bring its events back with fraiseql replay --sink elasticsearch",
  });
}

/** The file grows by so much before its pages are put where they belong; a large write is more. */
const walPages = 4000;

const writeCacheKiB = 16 * 1024;
const readCacheKiB = 4 * 1024;

/** Others hold a file for moments: while it is opened or its pages are put in place. */
const lockedMsMax = 5000;
