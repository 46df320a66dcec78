/** Elasticsearch's refusals as ours: which pass by themselves, and which stay. */

// deno-lint-ignore-file camelcase -- the names are Elasticsearch's

import { abortError, AppError, type ErrorCode } from "../errors.ts";

/** As it stands in an answer: of a request, or of one item of many. */
export interface ElasticsearchFault {
  readonly type?: string;
  readonly reason?: string;
  readonly caused_by?: ElasticsearchFault;
  /** Of a search, whose own reason is that all shards failed. */
  readonly root_cause?: readonly ElasticsearchFault[];
}

/** The type and reason, and the cause below all others, which most often is the one that helps. */
export function faultText(fault: ElasticsearchFault): string {
  let cause = fault.caused_by ?? fault.root_cause?.find(({ reason }) => reason !== fault.reason);
  while (cause?.caused_by) cause = cause.caused_by;
  const below = cause?.reason ? ` (${cause.reason})` : "";
  return `${fault.type ?? "error"}: ${fault.reason ?? "no reason given"}${below}`
    .slice(0, messageCharsMax);
}

/** Enough to see what is wrong; some texts repeat what was sent. */
const messageCharsMax = 2000;

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "BAD_INPUT",
  401: "UNAUTHENTICATED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  408: "UNAVAILABLE",
  413: "TOO_LARGE",
  429: "UNAVAILABLE",
  502: "UNAVAILABLE",
  503: "UNAVAILABLE",
  504: "UNAVAILABLE",
};

const HINTS: Readonly<Partial<Record<ErrorCode, string>>> = {
  UNAUTHENTICATED:
    "see FRAISEQL_ELASTICSEARCH_API_KEY, or user and password of FRAISEQL_ELASTICSEARCH_URL",
  FORBIDDEN: "grant the user or key what it needs: docs/elasticsearch.md",
};

/** Faults that are of an index or the cluster, and pass once somebody mends those. */
export const passingTypes: readonly string[] = [
  "cluster_block_exception",
  "index_closed_exception",
  "index_not_found_exception",
  // The cluster has as many shards as it may have.
  "validation_exception",
];

/** The error of an answer by its status and what stands in it. */
export function answerError(status: number, said: string): AppError {
  const fault = readFault(said);
  const text = fault ? faultText(fault) : said.trim().slice(0, 200) || "nothing more";
  const isPassing = fault !== null && passingTypes.includes(fault.type ?? "");
  const code = isPassing && status !== 404 ? "UNAVAILABLE" : CODES[status] ?? "INTERNAL";
  const hint = HINTS[code] ??
    (fault === null
      ? "see FRAISEQL_ELASTICSEARCH_URL: it must lead to Elasticsearch's HTTP port"
      : undefined);
  return new AppError(code, `Elasticsearch answered ${status}: ${text}`, {
    ...hint !== undefined && { hint },
    cause: { status, ...fault } satisfies AnswerCause,
  });
}

type AnswerCause = ElasticsearchFault & { readonly status: number };

function readFault(said: string): ElasticsearchFault | null {
  try {
    const { error } = JSON.parse(said) as { readonly error?: unknown };
    if (typeof error === "string") return { type: "error", reason: error };
    return typeof error === "object" ? error as ElasticsearchFault | null : null;
  } catch {
    return null; // it is from something between us and Elasticsearch
  }
}

/** Status and type of an answer's fault, for who decides by them. */
export function answerFault(error: unknown): Partial<AnswerCause> {
  const cause = error instanceof AppError ? error.cause : null;
  return typeof cause === "object" && cause !== null && "status" in cause
    ? cause as AnswerCause
    : {};
}

/** The error of an answer that is none: refused, cut, too late. */
export function connectionError(
  base: string,
  cause: unknown,
  signal: AbortSignal | undefined,
): Error {
  if (cause instanceof AppError) return cause;
  if (signal?.aborted) return abortError(signal);
  const said = plain(cause);
  const what = isTimeout(cause) ? "does not answer in time" : `cannot be reached: ${said}`;
  const hint = /certificate|UnknownIssuer/i.test(said)
    ? "name the authority that signed its certificate in FRAISEQL_ELASTICSEARCH_CA_FILE"
    : "see that it runs, and FRAISEQL_ELASTICSEARCH_URL";
  return new AppError("UNAVAILABLE", `Elasticsearch at ${base} ${what}`, { hint, cause });
}

/** Whether there was no answer in time. */
export function isLate(error: unknown): boolean {
  return error instanceof AppError && isTimeout(error.cause);
}

const isTimeout = (cause: unknown) =>
  cause instanceof DOMException && cause.name === "TimeoutError";

/** `fetch` tells in the cause of its error what it was, and names the whole URL there. */
function plain(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return String(inner instanceof Error ? inner.message : inner)
    .replace(/for url \(\S*\)?:?\s*/g, "")
    .slice(0, 300);
}
