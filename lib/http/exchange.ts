/** One HTTP request and the answer to it, as the routes see them. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError, CODES, entriesOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { HttpFault } from "./http_fault.ts";
import type { AnswerType } from "./negotiate.ts";

/** What a route is given. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The client's `x-request-id`, or ours. */
  readonly id: string;
  readonly path: string;
  /** The URL behind `?`. */
  readonly search: string;
  /** Headers that every answer to this request has. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborted when the client has left. */
  readonly client: AbortSignal;
  /** Aborted when the client has left or the server stops waiting for this answer. */
  readonly work: AbortSignal;
  /** The client is gone, or taken for it. */
  leave(reason: AppError): void;
  /** The server waits no longer; the answer may still be closed. */
  giveUp(reason: AppError): void;
}

const encoder = new TextEncoder();

/** Sends a whole small answer; to HEAD its head alone. */
export function send(
  exchange: Exchange,
  status: number,
  type: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  exchange.response.writeHead(status, {
    ...exchange.headers,
    "content-type": type,
    ...headers,
    "content-length": String(bytes.length),
  });
  exchange.response.end(exchange.request.method === "HEAD" ? undefined : bytes);
}

/** Sends an answer without a body. */
export function sendEmpty(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>>,
): void {
  exchange.response.writeHead(status, { ...exchange.headers, ...headers }).end();
}

/**
 * Any error as one that a client may see. What is not an `AppError` is a fault of ours: the client
 * gets the request's id, the log gets the cause.
 */
export function shownError(error: unknown, exchange: Exchange, log: Log): AppError {
  if (error instanceof AppError && error.code !== "INTERNAL") return error;
  log.error("internal", { transport: "http", requestId: exchange.id, cause: error });
  return new AppError("INTERNAL", "the server failed on this request", {
    hint: `its log has the reason under the id ${exchange.id}`,
    ...(error instanceof AppError && error.path && { path: error.path }),
  });
}

/**
 * The status of an answer that holds errors and no data. Under `application/json` a well-formed
 * GraphQL request gets 200 whatever became of it; the specification has it so for old clients.
 */
function statusOf(error: AppError, type: AnswerType | null): number {
  if (error instanceof HttpFault) return error.status;
  return type === "application/json" ? 200 : CODES[error.code].http;
}

/** Sends `{"errors":[...]}` and gives the status; no type where no GraphQL was asked. */
export function sendError(exchange: Exchange, error: AppError, type: AnswerType | null): number {
  const status = statusOf(error, type);
  const headers: Record<string, string> = error instanceof HttpFault ? { ...error.headers } : {};
  if (status === 429 || status === 503) {
    headers["retry-after"] = String(error.retryAfterSeconds ?? retryAfterSeconds);
  }
  const body = JSON.stringify({ errors: entriesOf(error, exchange.id) });
  send(exchange, status, `${type ?? "application/json"}; charset=utf-8`, body, headers);
  return status;
}

/** A full house empties, and PostgreSQL restarts, within seconds. */
const retryAfterSeconds = 1;
