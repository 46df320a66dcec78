/**
 * The HTTP transport: listens, holds the limits on connections, finds the route, and stops.
 *
 * `node:http` and not `Deno.serve`, since the latter takes connections that send nothing, or a byte
 * a second, without end and out of our reach; and it streams large bodies at nearly half the speed.
 * Small answers cost about a tenth more here.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Address, Unrepresentable } from "../config.ts";
import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { QueryEngine } from "../query/query_engine.ts";
import { within } from "../waiting.ts";
import { corsHeaders } from "./cors.ts";
import { type Exchange, sendError, shownError } from "./exchange.ts";
import { HttpFault } from "./http_fault.ts";
import { route } from "./routes.ts";

export interface HttpOptions {
  readonly engine: QueryEngine;
  readonly address: Address;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Origins whose pages may read our answers; `*` for all. */
  readonly corsOrigins: readonly string[];
  readonly unrepresentable: Unrepresentable;
  /** Whether every part that the topology names answers, and what each says. */
  readonly readiness: () => Promise<{ ready: boolean; parts: Record<string, string> }>;
  /** Prometheus' text. */
  readonly metricsText: () => Promise<string>;
}

export interface HttpServer {
  readonly address: Deno.NetAddr;
  /** `http://127.0.0.1:8080`, without a slash at the end. */
  readonly url: string;
  /**
   * Refuses new work, lets what is in flight go on for so many seconds, then ends it and closes.
   * Later calls wait for the first.
   */
  stop(drainSeconds: number): Promise<void>;
}

/** Serves HTTP until it is stopped. Throws `BAD_INPUT` where the address cannot be had. */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const { limits, log, metrics, address } = options;
  const underWay = new Set<Exchange>();
  let streams = 0;
  let draining = false;
  let idle = () => {};

  metrics.onCollect(() => metrics.streams.set({ transport: "http" }, streams));

  const service = {
    ...options,
    draining: () => draining,
    enter() {
      if (draining) throw stopping();
      if (streams >= limits.httpStreamsMax) {
        throw new HttpFault(429, "TOO_MANY_STREAMS", `${streams} answers are under way`, {
          hint: "try again in a moment, or raise the limit http_streams_max",
          retryAfterSeconds: 1,
        });
      }
      streams++;
      return () => void streams--;
    },
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const exchange = createExchange(request, response, options.corsOrigins);
    if (draining) response.setHeader("connection", "close");
    underWay.add(exchange);
    answering.set(request.socket, response);
    try {
      await route(exchange, service);
    } catch (error) {
      const shown = shownError(error, exchange, log);
      if (response.headersSent) response.destroy();
      else sendError(exchange, shown, null);
    } finally {
      if (!request.complete) discard(request, 8 * limits.bodyBytesMax);
      underWay.delete(exchange);
      if (underWay.size === 0) idle();
    }
  };

  const requestMs = limits.httpRequestSecondsMax * 1000;
  const server = createServer({
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    keepAliveTimeout: limits.httpIdleSecondsMax * 1000,
    connectionsCheckingInterval: Math.min(1000, requestMs / 4),
    maxHeaderSize: limits.httpHeaderBytesMax,
  });
  server.maxConnections = limits.httpConnectionsMax;
  server.on("request", (request, response) => void handle(request, response));
  server.on("clientError", refuse);

  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: Error) =>
      reject(
        new AppError("BAD_INPUT", `cannot listen on ${urlOf(address)}: ${cause.message}`, {
          hint: "give another address by FRAISEQL_BIND_ADDR; port 0 takes a free one",
          cause,
        }),
      ));
    server.listen(address.port, address.hostname, resolve);
  });
  server.on("error", (error) => log.error("http server", { error }));
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no address after listening");

  const stop = async (drainSeconds: number): Promise<void> => {
    draining = true;
    const empty = new Promise<void>((resolve) => {
      idle = resolve;
      if (underWay.size === 0) resolve();
    });
    if (!await within(drainSeconds * 1000, empty)) {
      log.warn("http cuts", { answers: underWay.size });
      for (const exchange of underWay) exchange.giveUp(stopping());
      await within(closingMs, empty);
    }
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  let stopped: Promise<void> | null = null;
  return {
    address: { transport: "tcp", hostname: bound.address, port: bound.port },
    url: urlOf({ hostname: bound.address, port: bound.port }),
    stop: (drainSeconds) => stopped ??= stop(drainSeconds),
  };
}

/** How long answers that are ended at a stop may take to close as valid JSON. */
const closingMs = 500;

/** The answer that each connection waits for, to know whether bytes of it are out. */
const answering = new WeakMap<object, ServerResponse>();

function stopping(): HttpFault {
  return new HttpFault(503, "UNAVAILABLE", "the server is stopping", {
    hint: "try again in a moment",
    retryAfterSeconds: 1,
  });
}

function createExchange(
  request: IncomingMessage,
  response: ServerResponse,
  corsOrigins: readonly string[],
): Exchange {
  const url = request.url ?? "/";
  // Proxies may name the whole address; only the path matters here.
  const local = url.startsWith("/") ? url : url.replace(/^[a-z]+:\/\/[^/?]*/i, "") || "/";
  const mark = local.indexOf("?");
  const given = request.headers["x-request-id"]?.toString() ?? "";
  const id = /^[\w.:/+=@-]{1,128}$/.test(given) ? given : crypto.randomUUID();
  const client = new AbortController();
  const work = new AbortController();
  const leave = (reason: AppError) => {
    client.abort(reason);
    work.abort(reason);
  };
  response.on("close", () => {
    if (!response.writableFinished) {
      leave(new AppError("CANCELLED", "the client left before its answer was whole"));
    }
  });
  // Without a listener a broken connection would end the program; "close" tells all that matters.
  response.on("error", () => {});
  request.on("error", () => {});
  return {
    request,
    response,
    id,
    path: mark < 0 ? local : local.slice(0, mark),
    search: mark < 0 ? "" : local.slice(mark + 1),
    headers: {
      "x-request-id": id,
      "x-content-type-options": "nosniff",
      // A cache must not give one client the form, or one origin the answer, made for another.
      vary: "accept, accept-encoding, origin",
      ...corsHeaders(request.headers, corsOrigins),
    },
    client: client.signal,
    work: work.signal,
    leave,
    giveUp: (reason) => work.abort(reason),
  };
}

/** Reads on without keeping, so that the client gets to read its answer; but not for ever. */
function discard(request: IncomingMessage, bytesMax: number): void {
  let size = 0;
  request.on("data", (part: Uint8Array) => {
    size += part.length;
    if (size > bytesMax) request.socket.destroy();
  });
  request.resume();
}

/** Answers what is no HTTP, or came too slowly, and closes. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  const answer = answering.get(socket);
  const half = answer !== undefined && answer.headersSent && !answer.writableFinished;
  // Bytes in the middle of an answer would be read as part of it.
  if (half || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, message] = REFUSALS[error.code ?? ""] ??
    ["400 Bad Request", "BAD_INPUT", "the request is not HTTP/1.1"];
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

const REFUSALS: Readonly<Record<string, readonly [string, string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    "TOO_LARGE",
    "the request's URL and headers are too large",
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "TIMEOUT", "the request came too slowly"],
};

function urlOf({ hostname, port }: Address): string {
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
