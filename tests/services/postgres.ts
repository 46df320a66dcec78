/**
 * A PostgreSQL server for tests.
 *
 * `deno task test` starts one for the whole run and names it in `TEST_POSTGRES_URL`; with
 * `DATABASE_URL` tests use that server instead (its user must be able to create databases). A test
 * file run alone starts one for itself, which ends with it.
 *
 * Call it at the top of a test file, outside of any test, since the server outlives the test.
 */

import { fileURLToPath } from "node:url";
import { AppError } from "../../lib/errors.ts";
import { type EmbeddedPostgres, startPostgres } from "../../lib/embedded/postgres.ts";
import { loadSampleShop, type ShopQuery } from "../../lib/embedded/sample_shop.ts";
import { createLog } from "../../lib/log.ts";
import postgres from "postgres";

export interface TestPostgres {
  /** A database without tables, the same for all. */
  readonly url: string;
  /** Creates and drops databases. */
  readonly adminUrl: string;
  /** A database with the sample shop of 10,000 orders, the same for all: to be read only. */
  shop(): Promise<string>;
  /** A copy of the shop that a test can write to. */
  createShop(): Promise<string>;
  /** A new empty database. Whatever its name, it is dropped at the latest by the next run. */
  createDatabase(name?: string): Promise<string>;
  /** Ends the sessions in a database and drops it. */
  dropDatabase(url: string): Promise<void>;
  /** Runs statements and gives the last one's rows, at `url` or in the database that is named. */
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
  const root = fileURLToPath(new URL("../../.cache/", import.meta.url));
  for (let n = 1;; n++) {
    try {
      const server = await startPostgres({
        dataDir: `${root}postgres-${n}`,
        log: createLog("error"),
        durable: false,
        inUseMsMax: 0,
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

/** Databases of tests, and of nobody else. */
const prefix = "fraiseql_test_";

/** Drops the databases that earlier runs left. */
export async function dropLeftovers(url: string): Promise<void> {
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
  const create = async (name: string, template: string) => {
    if (template === shopTemplate) await once(url, template, () => makeShop(at(template)));
    await withClient(url, async (sql) => {
      const [row] = await sql`select current_setting('server_version_num')::int as version`;
      // Copying files is quickest, and asks only that nobody is in the template. It was the only way
      // before PostgreSQL 15.
      const how = row?.version >= 150_000 ? "strategy file_copy" : "";
      await sql.unsafe(`create database "${name}" template "${template}" ${how}`);
    });
    return name;
  };
  const makeShop = async (target: string) => {
    await create(shopTemplate, "template0");
    await withClient(target, (sql) => loadSampleShop(shopQuery(sql)));
  };
  return {
    url,
    adminUrl: url,
    shop: async () => {
      const name = `${prefix}shop`;
      await once(url, name, () => create(name, shopTemplate));
      return at(name);
    },
    createShop: async () => at(await create(newName(), shopTemplate)),
    createDatabase: async (name) => at(await create(name ? prefix + name : newName(), "template0")),
    async dropDatabase(dropped) {
      const name = decodeURIComponent(new URL(dropped).pathname.slice(1));
      await withClient(url, (sql) => sql.unsafe(`drop database if exists "${name}" with (force)`));
    },
    query: (text, inDatabase = url) =>
      withClient(inDatabase, async (sql) => [...await sql.unsafe(text)]),
  };
}

const shopTemplate = `${prefix}shop_template`;

function newName(): string {
  return prefix + crypto.randomUUID().replaceAll("-", "").slice(0, 12);
}

/** Makes a database where there is none, in one test file while the others wait. */
async function once(url: string, name: string, make: () => Promise<unknown>): Promise<void> {
  await withClient(url, async (sql) => {
    await sql`select pg_advisory_lock(hashtextextended(${name}, 0))`;
    const [row] = await sql`select from pg_database where datname = ${name}`;
    if (!row) await make();
  });
}

/** The shop's loader on a client of one connection. */
export function shopQuery(sql: postgres.Sql): ShopQuery {
  return async (text, parameters = []) => {
    const rows = await sql.unsafe(text, parameters).values();
    return rows.map((row: unknown[]) => row.map((value) => value === null ? null : String(value)));
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
