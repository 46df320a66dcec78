/**
 * ClickHouse for tests.
 *
 * `deno task test` starts the embedded engine once for the whole run and names it in
 * `TEST_CLICKHOUSE_URL`; set by hand, tests use that server instead, whose user must be able to
 * create databases. A test file run alone starts one for itself, which ends with it.
 *
 * Call it at the top of a test file, outside of any test, since the engine outlives the test.
 */

import { fileURLToPath } from "node:url";
import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { type EmbeddedClickhouse, startClickhouse } from "../../lib/embedded/clickhouse.ts";
import { AppError } from "../../lib/errors.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";

const cache = fileURLToPath(new URL("../../.cache/", import.meta.url));

export interface TestClickhouse {
  /** Of a database that no other test has, and that is not made yet. */
  url(): string;
  /** A client on such a database, made and empty. */
  createDatabase(some?: Partial<Limits>): Promise<Clickhouse>;
}

/** The server; started by the first call of a test file, and the same for every other. */
export function testClickhouse(): Promise<TestClickhouse> {
  started ??= start();
  return started;
}

let started: Promise<TestClickhouse> | undefined;

async function start(): Promise<TestClickhouse> {
  const server = Deno.env.get("TEST_CLICKHOUSE_URL") ?? (await startTestClickhouse()).url;
  const url = () => {
    const one = new URL(server);
    one.pathname = `/${testPrefix}${crypto.randomUUID().replaceAll("-", "")}`;
    return String(one);
  };
  return {
    url,
    async createDatabase(some = {}) {
      const clickhouse = connectClickhouse(readClickhouseUrl(url()), limits(some));
      const { database } = clickhouse.settings;
      await clickhouse.command(`CREATE DATABASE ${database}`, { inDatabase: false });
      return clickhouse;
    },
  };
}

const testPrefix = "fraiseql_test_";

/** Starts the engine in a folder that no other run uses just now, without the databases of others. */
export async function startTestClickhouse(
  onProgress: (line: string) => void = () => {},
): Promise<EmbeddedClickhouse> {
  const log = createLog("error", () => {});
  for (let n = 1;; n++) {
    try {
      const dataDir = `${cache}clickhouse-${n}`;
      await Deno.mkdir(dataDir, { recursive: true });
      const engine = await startClickhouse({
        dataDir,
        log,
        limits: limits(),
        inUseMsMax: 0,
        onProgress,
      });
      await dropLeftovers(engine.url);
      return engine;
    } catch (error) {
      const isUsed = error instanceof AppError && /is in use by process/.test(error.message);
      if (!isUsed || n === enginesMax) throw error;
    }
  }
}

/** So many runs at once are a mistake. */
const enginesMax = 8;

async function dropLeftovers(url: string): Promise<void> {
  const clickhouse = connectClickhouse(readClickhouseUrl(url), limits());
  const ask = { inDatabase: false };
  const sql = `SELECT name FROM system.databases WHERE startsWith(name, '${testPrefix}')`;
  for (const { name } of await clickhouse.rows<{ name: string }>(sql, ask)) {
    await clickhouse.command(`DROP DATABASE IF EXISTS ${name} SYNC`, ask);
  }
}
