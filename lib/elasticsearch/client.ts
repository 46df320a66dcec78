/** Elasticsearch over HTTP, by plain `fetch`: the network is all that it needs. */

import { AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import { answerError, connectionError } from "./errors.ts";
import type { ElasticsearchSettings } from "./url.ts";

export interface AskOptions {
  /** Sent as JSON; bytes as they are, as lines of JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly msMax?: number;
}

export type Method = "GET" | "PUT" | "POST" | "DELETE";

export interface Elasticsearch {
  readonly settings: ElasticsearchSettings;
  /** Throws `AppError` for every answer that is no success, and where there is none. */
  bytes(method: Method, path: string, options?: AskOptions): Promise<Uint8Array>;
  json<Answer>(method: Method, path: string, options?: AskOptions): Promise<Answer>;
  /** Null where there is nothing of that name. */
  find<Answer>(path: string, options?: AskOptions): Promise<Answer | null>;
  /** Gives connections back; nothing may be asked any more. */
  close(): void;
}

export type ClientLimits = Pick<Limits, "elasticsearchAnswerMsMax" | "elasticsearchAnswerBytesMax">;

/** A client; connects when it is asked. */
export function connectElasticsearch(
  settings: ElasticsearchSettings,
  limits: ClientLimits,
): Elasticsearch {
  const { base, authorization, ca } = settings;
  // One of our own, so that its connections can be closed.
  const connect = () => Deno.createHttpClient(ca === null ? {} : { caCerts: [ca] });
  let client = connect();
  let isClosed = false;
  // What was silent once may be a network that is gone, and then every kept connection is: each would
  // have to be waited for.
  const reconnect = () => {
    client.close();
    client = connect();
  };

  const bytes = async (method: Method, path: string, options: AskOptions = {}) => {
    const { body, signal, msMax = limits.elasticsearchAnswerMsMax } = options;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new DOMException("late", "TimeoutError")), msMax);
    try {
      const response = await fetch(base + path, {
        client,
        method,
        redirect: "error",
        headers: {
          ...authorization !== null && { authorization },
          ...body !== undefined && { "content-type": typeOf(body) },
        },
        ...body !== undefined && { body: isBytes(body) ? body : JSON.stringify(body) },
        signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
      });
      const answer = await wholeBody(response, limits.elasticsearchAnswerBytesMax);
      if (response.ok) return answer;
      throw answerError(response.status, new TextDecoder().decode(answer));
    } catch (error) {
      if (late.signal.aborted && !isClosed) reconnect();
      throw connectionError(base, error, signal);
    } finally {
      clearTimeout(timer);
    }
  };

  const json = async <Answer>(method: Method, path: string, options?: AskOptions) => {
    return readAnswer<Answer>(base, await bytes(method, path, options));
  };

  return {
    settings,
    bytes,
    json,
    async find<Answer>(path: string, options?: AskOptions) {
      try {
        return await json<Answer>("GET", path, options);
      } catch (error) {
        if (error instanceof AppError && error.code === "NOT_FOUND") return null;
        throw error;
      }
    },
    close() {
      isClosed = true;
      client.close();
    },
  };
}

/** The object that an answer is; throws `UNAVAILABLE` for what Elasticsearch never says. */
export function readAnswer<Answer>(base: string, bytes: Uint8Array): Answer {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw noElasticsearch(base, cause);
  }
  if (typeof answer !== "object" || answer === null) throw noElasticsearch(base);
  return answer as Answer;
}

/** Something else answers at its address. */
export function noElasticsearch(base: string, cause?: unknown): AppError {
  return new AppError("UNAVAILABLE", `what answers at ${base} is no Elasticsearch`, {
    hint: "see FRAISEQL_ELASTICSEARCH_URL: it must lead to Elasticsearch's HTTP port",
    cause,
  });
}

const isBytes = (body: unknown): body is Uint8Array<ArrayBuffer> => body instanceof Uint8Array;
const typeOf = (body: unknown) => isBytes(body) ? "application/x-ndjson" : "application/json";

/** The body, which has to fit into memory. */
async function wholeBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let count = 0;
  for await (const piece of response.body ?? []) {
    count += piece.length;
    if (count > bytesMax) {
      throw new AppError("TOO_LARGE", `Elasticsearch's answer has more than ${bytesMax} bytes`, {
        hint: "ask for fewer events at once, or raise elasticsearch_answer_bytes_max",
      });
    }
    pieces.push(piece);
  }
  const [first] = pieces;
  if (first && pieces.length === 1) return first;
  const whole = new Uint8Array(count);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
