/** HTTP request -> GraphQL request, as https://graphql.github.io/graphql-over-http/draft/ has it. */

import type { IncomingMessage } from "node:http";
import type { Limits } from "../limits.ts";
import type { QueryRequest } from "../query/query_engine.ts";
import { HttpFault } from "./http_fault.ts";

/** The request in the URL of a GET. */
export function requestFromUrl(search: string, limits: Limits): QueryRequest {
  const parameters = new URLSearchParams(search);
  for (const name of ["query", "variables", "operationName", "extensions"]) {
    const count = parameters.getAll(name).length;
    if (count > 1) {
      throw bad(`the URL has the parameter ${name} ${count} times`, "give each once");
    }
  }
  const json = (name: string): unknown => {
    const text = parameters.get(name);
    return text === null || text === "" ? null : parseJson(text, `parameter ${name}`, limits);
  };
  const query = parameters.get("query");
  if (query === null) {
    throw bad("the URL has no parameter query", "GET /graphql?query={__typename}, or POST JSON");
  }
  return checkRequest({
    query,
    variables: json("variables"),
    operationName: parameters.get("operationName") || null,
    extensions: json("extensions"),
  });
}

/** The request in the body of a POST. */
export async function requestFromBody(
  request: IncomingMessage,
  limits: Limits,
): Promise<QueryRequest> {
  checkHeaders(request);
  const bytes = await readBody(request, limits.bodyBytesMax);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw bad("the body is not UTF-8", "encode the JSON as UTF-8");
  }
  return checkRequest(parseJson(text, "body", limits));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function checkHeaders(request: IncomingMessage): void {
  const [type = "", ...parameters] = (request.headers["content-type"] ?? "").toLowerCase()
    .split(";").map((part) => part.trim());
  if (type !== "application/json") {
    throw unsupported(
      type ? `the body's content type is ${type}` : "the request has no content-type",
      "send JSON with content-type: application/json",
    );
  }
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  if (charset && !/^charset="?utf-?8"?$/.test(charset)) {
    throw unsupported(`the body's ${charset} is not supported`, "send UTF-8");
  }
  const encoding = request.headers["content-encoding"]?.toLowerCase();
  if (encoding && encoding !== "identity") {
    throw unsupported(`the body's content-encoding ${encoding} is not supported`, "send it plain");
  }
}

/** The whole body; refused as soon as it is known to be too large. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new HttpFault(413, "TOO_LARGE", `the body is larger than ${bytesMax} bytes`, {
      hint: "pass long lists in several requests, or raise the limit body_bytes_max",
    });
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  return await new Promise<Uint8Array>((resolve, reject) => {
    const onData = (part: Uint8Array) => {
      size += part.length;
      if (size <= bytesMax) parts.push(part);
      else {
        done();
        request.pause();
        reject(tooLarge());
      }
    };
    const onEnd = () => {
      done();
      resolve(parts.length === 1 ? parts[0]! : concat(parts, size));
    };
    const onClose = () => {
      done();
      reject(new HttpFault(499, "CANCELLED", "the client left before its body was whole"));
    };
    const done = () => request.off("data", onData).off("end", onEnd).off("close", onClose);
    request.on("data", onData).on("end", onEnd).on("close", onClose);
  });
}

/** The parts as one array. */
function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function parseJson(text: string, what: string, limits: Limits): unknown {
  if (nestedDeeper(text, limits.queryNestingMax)) {
    throw bad(
      `the ${what} is nested deeper than ${limits.queryNestingMax} levels`,
      "send flatter variables, or raise the limit query_nesting_max",
    );
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw bad(`the ${what} is not JSON: ${reason.slice(0, 200)}`, 'send {"query":"..."}');
  }
}

/** Whether brackets outside strings stand deeper than the limit. A loop, since recursion is the risk. */
function nestedDeeper(text: string, depthMax: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // a string: on to its end
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) {
          if (text.charCodeAt(i) === 0x5c) i++;
        }
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > depthMax) return true;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
    }
  }
  return false;
}

/** The parameters' types; keys that the specification does not name are ignored, as it asks. */
function checkRequest(body: unknown): QueryRequest {
  if (Array.isArray(body)) {
    throw bad(
      "the body is an array",
      "send one query per request; several root fields may stand in one query",
    );
  }
  if (!isMap(body)) throw bad("the body is not a JSON object", 'send {"query":"..."}');
  const { query, variables = null, operationName = null, extensions = null } = body;
  if (typeof query !== "string") {
    throw bad(
      query === undefined ? "query is missing" : `query is ${kindOf(query)}`,
      'send the GraphQL text as a string: {"query":"..."}',
    );
  }
  if (variables !== null && !isMap(variables)) {
    throw bad(`variables is ${kindOf(variables)}`, 'send an object: {"variables":{"n":10}}');
  }
  if (operationName !== null && typeof operationName !== "string") {
    throw bad(`operationName is ${kindOf(operationName)}`, "send a string");
  }
  if (extensions !== null && !isMap(extensions)) {
    throw bad(`extensions is ${kindOf(extensions)}`, "send an object, or leave it out");
  }
  return { text: query, variables, operationName };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : `of type ${typeof value}`;
}

function bad(message: string, hint: string): HttpFault {
  return new HttpFault(400, "BAD_INPUT", message, { hint });
}

function unsupported(message: string, hint: string): HttpFault {
  return new HttpFault(415, "BAD_INPUT", message, { hint });
}
