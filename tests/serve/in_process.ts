/** Both transports over a real database within the test, each with an engine of its own as in `serve`. */

import { encapsulated } from "../../lib/arrow/record_batches.ts";
import { decodeMessage } from "../../flight/protobuf.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { createMetrics, type Metrics } from "../../lib/metrics.ts";
import { readCatalog } from "../../lib/postgres/catalog.ts";
import { catalogStamp } from "../../lib/postgres/catalog_stamp.ts";
import { openDatabase } from "../../lib/postgres/database.ts";
import { openEngine } from "../../lib/query/open_query.ts";
import type { QueryEngine } from "../../lib/query/query_engine.ts";
import { type Answer, RawClient } from "../flight/raw_client.ts";
import { startFlight, ticketBytes } from "../flight/serve.ts";
import { readArrow } from "../lib/arrow/read_arrow.ts";
import { serve as serveHttp, type TestServer } from "../lib/http/serve.ts";

export interface InProcessOptions {
  readonly limits?: Partial<Limits>;
  /** `error` when absent. */
  readonly unrepresentable?: "error" | "null";
  /** Relations whose results are kept, for a minute. */
  readonly resultCache?: readonly string[];
}

/** What a query gave: rows of its first root field, or an error with its hint. */
export interface Seen {
  readonly rows: unknown;
  readonly code: string | null;
  readonly message: string;
}

export interface InProcess extends AsyncDisposable {
  http(query: string): Promise<Seen>;
  flight(query: string): Promise<Seen>;
  readonly httpServer: TestServer;
  /** The bare answer of DoGet. */
  get(ticket: string): Promise<Answer>;
  readonly engines: { readonly http: QueryEngine; readonly flight: QueryEngine };
  readonly metrics: { readonly http: Metrics; readonly flight: Metrics };
  /** How often both together have read the catalog. */
  catalogReads(): number;
}

export async function serveInProcess(url: string, options: InProcessOptions): Promise<InProcess> {
  const all = limits(options.limits);
  const { unrepresentable = "error" } = options;
  const log = createLog("error", () => {});
  const metrics = { http: createMetrics(), flight: createMetrics() };
  let catalogReads = 0;
  const open = async (transport: "http" | "flight") => {
    const database = await openDatabase({ url, limits: all, log });
    const relations = options.resultCache;
    const engine = await openEngine({
      database,
      readCatalog: () => {
        catalogReads++;
        return readCatalog(database, ["public"]);
      },
      readStamp: () => catalogStamp(database, ["public"]),
      limits: all,
      unrepresentable,
      views: [],
      ...relations && {
        resultCache: { seconds: 60, relations, metrics: metrics[transport] },
      },
    });
    return { database, engine };
  };
  const [forHttp, forFlight] = await Promise.all([open("http"), open("flight")]);
  const httpServer = await serveHttp(forHttp.engine, {
    limits: all,
    metrics: metrics.http,
    unrepresentable,
  });
  const flightServer = await startFlight(forFlight.engine, {
    limits: all,
    log,
    metrics: metrics.flight,
    unrepresentable,
  });
  const client = new RawClient(flightServer.url);
  const get = (ticket: string) => client.call("DoGet", ticketBytes(ticket));
  return {
    httpServer,
    get,
    http: async (query) => {
      const { data, errors } = await (await httpServer.post(query)).json();
      const { code = null, hint = "" } = errors?.[0]?.extensions ?? {};
      const [rows] = Object.values(data ?? {});
      return { rows, code, message: `${errors?.[0]?.message ?? ""} ${hint}` };
    },
    flight: async (query) => {
      const answer = await get(query);
      const [said] = answer.trailers.get("fraiseql-error");
      if (said === undefined) return { rows: rowsOf(answer), code: null, message: "" };
      const [error] = JSON.parse(String(said));
      return { rows: undefined, code: error.extensions.code, message: answer.message };
    },
    engines: { http: forHttp.engine, flight: forFlight.engine },
    metrics,
    catalogReads: () => catalogReads,
    async [Symbol.asyncDispose]() {
      client.close();
      await Promise.all([httpServer.server.stop(0), flightServer.stop(0)]);
      await Promise.all([forHttp.database.close(), forFlight.database.close()]);
    },
  };
}

const FLIGHT_DATA = { header: [2, "bytes"], body: [1000, "bytes"] } as const;

/** The messages of a stream as a reader takes them that is not ours. */
function rowsOf({ messages }: Answer): unknown {
  const parts = messages.flatMap((message) => {
    const { header, body } = decodeMessage(FLIGHT_DATA, message);
    return [encapsulated(header), body];
  });
  const stream = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    stream.set(part, at);
    at += part.length;
  }
  return readArrow(stream).rows;
}
