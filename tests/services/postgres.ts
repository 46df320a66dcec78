/**
 * A PostgreSQL server for tests.
 *
 * `deno task test` starts one for the whole run and names it in `TEST_POSTGRES_URL`; with
 * `DATABASE_URL` tests use that server instead (its user must be able to create databases). A test
 * file run alone starts one for itself, which ends with it.
 *
 * Call it at the top of a test file, outside of any test, since the server outlives the test.
 */

import { AppError } from "../../lib/errors.ts";
import { type EmbeddedPostgres, startPostgres } from "../../lib/embedded/postgres.ts";
import { createLog } from "../../lib/log.ts";
import postgres from "postgres";

export interface TestPostgres {
  /** A database without tables, the same for all. */
  readonly url: string;
  /** Creates and drops databases. */
  readonly adminUrl: string;
  /** Gives a new empty database. It goes away with the server, or at the next run. */
  createDatabase(name?: string): Promise<string>;
  /** Ends the sessions in a database and drops it. */
  dropDatabase(url: string): Promise<void>;
  /** Runs statements and gives rows of text, at `url` or in the database that is named. */
  query(sql: string, inDatabase?: string): Promise<Record<string, unknown>[]>;
}

/** The server; started by the first call of a test file, and the same for every other. */
export function testPostgres(): Promise<TestPostgres> {
  started ??= start();
  return started;
}

let started: Promise<TestPostgres> | undefined;

async function start(): Promise<TestPostgres> {
  const url = Deno.env.get("TEST_POSTGRES_URL") ?? Deno.env.get("DATABASE_URL") ??
    (await startTestServer()).url;
  return serverAt(url);
}

/**
 * Starts a server on a folder below `.cache` that no other run uses just now. The folders are kept,
 * so that the next run starts in a moment; what tests left in them is dropped.
 */
export async function startTestServer(
  onProgress?: (line: string) => void,
): Promise<EmbeddedPostgres> {
  const root = new URL("../../.cache/", import.meta.url).pathname;
  for (let n = 1;; n++) {
    try {
      const server = await startPostgres({
        dataDir: `${root}postgres-${n}`,
        log: createLog("error"),
        durable: false,
        ...(onProgress && { onProgress }),
      });
      await dropLeftovers(server.url);
      return server;
    } catch (error) {
      const isTaken = error instanceof AppError && /is in use by process/.test(error.message);
      if (!isTaken || n === serversMax) throw error;
    }
  }
}

/** So many runs at once are a mistake. */
const serversMax = 8;

const prefix = "test_";

async function dropLeftovers(url: string): Promise<void> {
  await withClient(url, async (sql) => {
    const rows = await sql<{ datname: string }[]>`
      select datname from pg_database where starts_with(datname, ${prefix})`;
    for (const { datname } of rows) await sql.unsafe(`drop database "${datname}" with (force)`);
  });
}

function serverAt(url: string): TestPostgres {
  const at = (database: string) => {
    const other = new URL(url);
    other.pathname = `/${database}`;
    return other.href;
  };
  return {
    url,
    adminUrl: url,
    async createDatabase(name = prefix + crypto.randomUUID().replaceAll("-", "").slice(0, 12)) {
      // Copying files is quickest, and needs nobody to be in the template.
      await withClient(
        url,
        (sql) => sql.unsafe(`create database "${name}" template template0 strategy file_copy`),
      );
      return at(name);
    },
    async dropDatabase(dropped) {
      const name = decodeURIComponent(new URL(dropped).pathname.slice(1));
      await withClient(url, (sql) => sql.unsafe(`drop database if exists "${name}" with (force)`));
    },
    query: (text, inDatabase = url) =>
      withClient(inDatabase, async (sql) => [...await sql.unsafe(text)]),
  };
}

/** A connection for one piece of work. */
export async function withClient<Result>(
  url: string,
  work: (sql: postgres.Sql) => Promise<Result>,
): Promise<Result> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
