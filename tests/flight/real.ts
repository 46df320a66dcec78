/** A Flight server over a real PostgreSQL, in the test's own process. */

import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { readCatalog } from "../../lib/postgres/catalog.ts";
import { openDatabase } from "../../lib/postgres/database.ts";
import { openEngine } from "../../lib/query/open_query.ts";
import type { QueryEngine } from "../../lib/query/query_engine.ts";
import { python } from "../clients/python.ts";
import { type Answer, type CallOptions, RawClient } from "./raw_client.ts";
import { startFlight, ticketBytes } from "./serve.ts";

export interface Real {
  /** `grpc://...` */
  readonly url: string;
  readonly engine: QueryEngine;
  readonly client: RawClient;
  get(ticket: string | Uint8Array, options?: CallOptions): Promise<Answer>;
  /** What a program of `tests/flight/` prints as JSON, run with the server's URL. */
  python<Told>(script: string, ...args: string[]): Promise<Told>;
}

/** Serves the database for the length of the test. */
export async function withFlight(
  database: string,
  test: (real: Real) => Promise<void>,
  some: Partial<Limits> = {},
): Promise<void> {
  const all = limits(some);
  const log = createLog("error");
  const opened = await openDatabase({ url: database, limits: all, log });
  try {
    const engine = await openEngine({
      database: opened,
      readCatalog: () => readCatalog(opened, ["public"]),
      limits: all,
      unrepresentable: "error",
      views: [],
    });
    const server = await startFlight(engine, { limits: all, log });
    const client = new RawClient(server.url);
    try {
      await test({
        url: server.url,
        engine,
        client,
        get: (ticket, options) => client.call("DoGet", ticketBytes(ticket), options),
        python: async (script, ...args) =>
          JSON.parse(await python(new URL(script, import.meta.url), [server.url, ...args])),
      });
    } finally {
      client.close();
      await server.stop(0);
    }
  } finally {
    await opened.close();
  }
}
