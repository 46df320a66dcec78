/** The real query engine on a database, for tests of the HTTP transport from end to end. */

import { limits } from "../../../lib/limits.ts";
import type { Log } from "../../../lib/log.ts";
import { readCatalog } from "../../../lib/postgres/catalog.ts";
import { openDatabase } from "../../../lib/postgres/database.ts";
import { openEngine } from "../../../lib/query/open_query.ts";
import type { QueryEngine } from "../../../lib/query/query_engine.ts";
import { serve, type ServeOptions, type TestServer } from "./serve.ts";

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Serves the database over HTTP; its sessions are named, so that a test finds them. */
export async function serveDatabase(
  url: string,
  applicationName: string,
  options: ServeOptions = {},
): Promise<TestServer> {
  const all = limits(options.limits);
  const database = await openDatabase({ url, limits: all, log: quiet, applicationName });
  const engine: QueryEngine = await openEngine({
    database,
    readCatalog: () => readCatalog(database, ["public"]),
    limits: all,
    unrepresentable: "error",
    views: [],
  });
  const http = await serve(engine, options);
  return {
    ...http,
    async [Symbol.asyncDispose]() {
      await http.server.stop(0);
      await database.close();
    },
  };
}
