/**
 * A request with a large body, in pieces that are sent as they lie: `fetch` copies a body several
 * times, which for a batch of events takes more than reading and joining it.
 */

import { Agent, type IncomingMessage, request as requestHttp } from "node:http";
import { Readable } from "node:stream";
import { joined } from "./body.ts";

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly Uint8Array[];
  readonly signal: AbortSignal;
}

/** The answer once its status is there; throws where none came, the signal's reason if that did it. */
export function post(url: URL, given: Post): Promise<Response> {
  return url.protocol === "https:" ? postSecurely(url, given) : postPlainly(url, given);
}

/** By `fetch` all the same: nothing else goes by the authorities of `DENO_CERT` and `--cert`. */
function postSecurely(url: URL, { headers, pieces, signal }: Post): Promise<Response> {
  return fetch(url, { method: "POST", headers, body: joined(pieces), redirect: "error", signal });
}

function postPlainly(url: URL, { headers, pieces, signal }: Post): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const request = requestHttp(url, {
    method: "POST",
    headers: { ...headers, "content-length": length },
    agent,
  });
  const stop = () => request.destroy(new Error("stopped"));
  request.on("error", (error) => reject(signal.aborted ? signal.reason : error));
  request.on("response", (answer) => {
    try {
      resolve(toResponse(answer));
    } catch (error) {
      request.destroy();
      reject(error);
    }
  });
  signal.addEventListener("abort", stop, { once: true });
  request.on("close", () => signal.removeEventListener("abort", stop));
  if (signal.aborted) stop();
  else for (const piece of pieces) request.write(piece);
  request.end();
  return promise;
}

/** One connection after the other is used again; a server closes those that rest for long. */
const agent = new Agent({ keepAlive: true });

function toResponse(answer: IncomingMessage): Response {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status < 400) throw new Error(`it redirects (status ${status})`);
  const headers = new Headers();
  for (const [name, value] of Object.entries(answer.headers)) {
    headers.set(name, [value ?? ""].flat().join(", "));
  }
  const body = Readable.toWeb(answer) as ReadableStream<Uint8Array<ArrayBuffer>>;
  return new Response(status === 204 ? null : body, { status, headers });
}
