/** `/graphql`: GraphQL over HTTP, https://graphql.github.io/graphql-over-http/draft/. */

import type { Unrepresentable } from "../config.ts";
import { AppError, entriesOf, type ErrorCode } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import {
  listHint,
  type Plan,
  type QueryEngine,
  type QueryRequest,
  type RootField,
} from "../query/query_engine.ts";
import { type Exchange, sendError, shownError } from "./exchange.ts";
import { requestFromBody, requestFromUrl } from "./graphql_request.ts";
import { HeldBody } from "./held_body.ts";
import { HttpFault, methodNotAllowed } from "./http_fault.ts";
import { acceptsGzip, ANSWER_TYPES, type AnswerType, chooseType } from "./negotiate.ts";
import { JsonDocument } from "./to_json.ts";

/** What the route needs of the server. */
export interface GraphqlService {
  readonly engine: QueryEngine;
  readonly limits: Limits;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly unrepresentable: Unrepresentable;
  /** Takes a place among the answers under way, given back by the function; throws when there is none. */
  enter(): () => void;
}

/** What became of a request, for the log and the metrics. */
interface Outcome {
  /** When it came. */
  readonly began: number;
  status: number;
  code: ErrorCode | "OK";
  operation: string | null;
  rows: number;
  bytes: number;
  /** The status was sent before the error came. */
  late: boolean;
}

/** Answers one request and writes its line in the log. Never throws. */
export async function answerGraphql(exchange: Exchange, service: GraphqlService): Promise<void> {
  const began = performance.now();
  const outcome: Outcome = {
    began,
    status: 0,
    code: "OK",
    operation: null,
    rows: 0,
    bytes: 0,
    late: false,
  };
  await answer(exchange, service, outcome);
  const { log, metrics } = service;
  const seconds = (performance.now() - began) / 1000;
  metrics.requests.inc({ transport: "http", code: outcome.code });
  metrics.requestSeconds.observe({ transport: "http" }, seconds);
  metrics.rows.inc({ transport: "http" }, outcome.rows);
  metrics.bytes.inc({ transport: "http" }, outcome.bytes);
  log.info("request", {
    transport: "http",
    requestId: exchange.id,
    method: exchange.request.method,
    operation: outcome.operation,
    code: outcome.code,
    status: outcome.status,
    ...(outcome.late && { late: true }),
    rows: outcome.rows,
    bytes: outcome.bytes,
    ms: Math.round(seconds * 1e6) / 1000,
  });
}

async function answer(
  exchange: Exchange,
  service: GraphqlService,
  outcome: Outcome,
): Promise<void> {
  let type: AnswerType = "application/json";
  let leave: (() => void) | null = null;
  try {
    checkMethod(exchange);
    type = answerType(exchange.request.headers.accept);
    const asked = exchange.request.method === "POST"
      ? await requestFromBody(exchange.request, service.limits)
      : requestFromUrl(exchange.search, service.limits);
    outcome.operation = asked.operationName?.slice(0, 200) ?? null;
    leave = service.enter();
    const looking = service.engine.current();
    if (looking) await looking;
    const plan = planFor(exchange, service.engine, asked);
    outcome.operation = plan.operationName;
    await sendData(exchange, service, plan, type, outcome);
  } catch (error) {
    // Where nothing was planned yet, the error says nothing about the schema.
    const told = leave ? await service.engine.failed(error, outcome.began) : error;
    const shown = shownError(told, exchange, service.log);
    outcome.code = shown.code;
    if (exchange.client.aborted) outcome.status = 499;
    else outcome.status = sendError(exchange, shown, type);
  } finally {
    leave?.();
  }
}

const allow = "GET, HEAD, POST, OPTIONS";

function checkMethod({ request, path }: Exchange): void {
  const method = request.method ?? "";
  if (!["GET", "HEAD", "POST"].includes(method)) throw methodNotAllowed(method, path, allow);
}

function answerType(accept: string | undefined): AnswerType {
  const type = chooseType(accept, ANSWER_TYPES);
  if (type) return type;
  throw new HttpFault(406, "BAD_INPUT", `accept: ${accept} names no type that is offered`, {
    hint: `accept ${ANSWER_TYPES.join(" or ")}`,
  });
}

/** The plan; what the engine cannot do by GET is refused by HTTP's own status. */
function planFor({ request, path }: Exchange, engine: QueryEngine, asked: QueryRequest): Plan {
  try {
    return engine.plan(asked);
  } catch (error) {
    // A mutation by GET must be 405, and so is all else that only POST could ever do.
    if (request.method === "POST" || !(error instanceof AppError)) throw error;
    if (error.code !== "UNSUPPORTED") throw error;
    throw new HttpFault(405, "UNSUPPORTED", error.message, {
      hint: error.hint ?? `${request.method} ${path} takes queries only`,
      headers: { allow: "POST" },
    });
  }
}

/** Streams the rows; throws only while the status is still open. */
async function sendData(
  exchange: Exchange,
  service: GraphqlService,
  plan: Plan,
  type: AnswerType,
  outcome: Outcome,
): Promise<void> {
  const { request, response, client, work, leave } = exchange;
  const headers: Record<string, string> = {
    ...exchange.headers,
    "content-type": `${type}; charset=utf-8`,
  };
  outcome.status = 200;
  if (request.method === "HEAD") {
    response.writeHead(200, headers).end();
    return;
  }
  const body = new HeldBody(response, {
    status: 200,
    headers,
    gzip: acceptsGzip(request.headers["accept-encoding"]?.toString()),
    stallSecondsMax: service.limits.httpStallSecondsMax,
    client,
    leave,
  });
  const document = new JsonDocument(plan.roots, service.unrepresentable);
  try {
    if (plan.roots.some((root) => root.kind !== "value")) {
      const fromCache = (ageSeconds: number) => {
        headers.age = String(ageSeconds);
        headers["x-fraiseql-cache"] = "hit";
      };
      for await (const chunk of service.engine.rows(plan, { signal: work, fromCache })) {
        await body.write(document.push(chunk));
      }
    }
    await body.write(document.end());
    await body.end();
  } catch (error) {
    const failed = placed(error, document, plan.roots);
    if (!body.begun) throw failed;
    const shown = shownError(
      await service.engine.failed(failed, outcome.began),
      exchange,
      service.log,
    );
    outcome.code = shown.code;
    outcome.late = true;
    await closeLate(body, document, entriesOf(shown, exchange.id), client);
  } finally {
    document.release();
    outcome.rows = document.rows;
    outcome.bytes = body.begun ? body.bytes : 0;
  }
}

/** The error with the place where it happened. */
function placed(error: unknown, document: JsonDocument, roots: readonly RootField[]): AppError {
  const seen = error instanceof AppError
    ? error
    : new AppError("INTERNAL", "a fault of ours", { cause: error });
  const path = document.placeOf(seen);
  if (seen instanceof HttpFault) return seen;
  const [only, ...more] = roots;
  const isOne = only !== undefined && only.kind !== "value" && more.length === 0;
  const hint = isOne && seen.code === "TOO_LARGE" ? listHint(only) : null;
  if (path.length === 0 && hint === null) return seen;
  return seen.with({ ...(path.length > 0 && { path }), ...(hint !== null && { hint }) });
}

/** Ends a started document as valid JSON, or the connection where its client is gone. */
async function closeLate(
  body: HeldBody,
  document: JsonDocument,
  entries: ReturnType<typeof entriesOf>,
  left: AbortSignal,
): Promise<void> {
  try {
    if (left.aborted) throw left.reason;
    await body.write(document.fail(entries));
    await body.end();
  } catch {
    // Nobody is there to be told: a cut has no terminal chunk, which says that the answer is not whole.
    body.cut();
  }
}
