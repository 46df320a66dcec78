/** Which path is answered by what. */

import type { Exchange } from "./exchange.ts";
import { send, sendEmpty } from "./exchange.ts";
import { answerGraphql, type GraphqlService } from "./graphql.ts";
import { preflightHeaders } from "./cors.ts";
import { isAsset, sendAsset, sendGraphiql } from "./graphiql.ts";
import { HttpFault, methodNotAllowed } from "./http_fault.ts";
import { ANSWER_TYPES, chooseType } from "./negotiate.ts";

/** What the routes need of the server. */
export interface RouteService extends GraphqlService {
  readonly readiness: () => Promise<{ ready: boolean; parts: Record<string, string> }>;
  readonly metricsText: () => Promise<string>;
  readonly draining: () => boolean;
}

const json = "application/json; charset=utf-8";
const text = "text/plain; charset=utf-8";
const never = { "cache-control": "no-store" };

type Route = (exchange: Exchange, service: RouteService) => void | Promise<void>;

interface RouteRow {
  readonly shows: string;
  readonly answer: Route;
}

const READ_ONLY: Readonly<Record<string, RouteRow>> = {
  "/": { shows: "this list", answer: sendIndex },
  "/health": {
    shows: "200 while the program lives",
    answer: (exchange) => send(exchange, 200, json, '{"status":"alive"}', never),
  },
  "/readiness": {
    shows: "200 when every part answers, else 503 with the reason",
    answer: sendReadiness,
  },
  "/metrics": {
    shows: "metrics as Prometheus reads them",
    answer: async (exchange, service) =>
      send(
        exchange,
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        await service.metricsText(),
        never,
      ),
  },
  "/schema.graphql": {
    shows: "the schema as SDL",
    answer: (exchange, service) => send(exchange, 200, text, service.engine.sdl()),
  },
};

/** Answers one request; what it throws is sent as JSON. */
export async function route(exchange: Exchange, service: RouteService): Promise<void> {
  const { request, path } = exchange;
  const { method = "" } = request;
  if (path === "/graphql") {
    if (method === "OPTIONS") return sendOptions(exchange, "GET, HEAD, POST, OPTIONS");
    const reads = method === "GET" || method === "HEAD";
    if (reads && wantsPage(request.headers.accept)) return sendGraphiql(exchange);
    return await answerGraphql(exchange, service);
  }
  const answer = isAsset(path)
    ? sendAsset
    : Object.hasOwn(READ_ONLY, path) && READ_ONLY[path]?.answer;
  if (!answer) {
    throw new HttpFault(404, "NOT_FOUND", `nothing is at ${path.slice(0, 200)}`, {
      hint: `there are /graphql, ${Object.keys(READ_ONLY).join(", ")}`,
    });
  }
  if (method === "OPTIONS") return sendOptions(exchange, "GET, HEAD, OPTIONS");
  if (method !== "GET" && method !== "HEAD") {
    throw methodNotAllowed(method, path, "GET, HEAD, OPTIONS");
  }
  await answer(exchange, service);
}

/** Browsers put a page before all else; programs that take anything get an answer. */
function wantsPage(accept: string | undefined): boolean {
  return chooseType(accept, [...ANSWER_TYPES, "text/html"]) === "text/html";
}

function sendOptions(exchange: Exchange, allow: string): void {
  const { headers } = exchange.request;
  const preflight = headers["access-control-request-method"] !== undefined &&
    "access-control-allow-origin" in exchange.headers;
  sendEmpty(exchange, 204, { allow, ...(preflight && preflightHeaders(headers)) });
}

async function sendReadiness(exchange: Exchange, service: RouteService): Promise<void> {
  const { ready, parts } = await service.readiness();
  const draining = service.draining();
  const body = {
    ready: ready && !draining,
    parts: draining ? { ...parts, http: "stopping" } : parts,
  };
  send(exchange, body.ready ? 200 : 503, json, JSON.stringify(body), never);
}

function sendIndex(exchange: Exchange): void {
  const urls = { "/graphql": "GraphQL over HTTP; in a browser GraphiQL", ...shown() };
  if (!wantsPage(exchange.request.headers.accept)) {
    return send(exchange, 200, json, JSON.stringify({ name: "FraiseQL", urls }, null, 2) + "\n");
  }
  const rows = Object.entries(urls).map(([path, what]) =>
    `<li><a href="${path}">${path}</a>: ${what}</li>`
  );
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>FraiseQL</title>` +
    `<h1>FraiseQL</h1><ul>${rows.join("")}</ul></html>\n`;
  send(exchange, 200, "text/html; charset=utf-8", page, {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  });
}

function shown(): Record<string, string> {
  return Object.fromEntries(Object.entries(READ_ONLY).map(([path, row]) => [path, row.shows]));
}
