/** Which pages of other origins may ask us, by configuration (https://fetch.spec.whatwg.org/#http-cors-protocol). */

import type { IncomingHttpHeaders } from "node:http";

/** Headers that let a page of the request's origin read the answer; none where it may not. */
export function corsHeaders(
  headers: IncomingHttpHeaders,
  origins: readonly string[],
): Record<string, string> {
  const { origin } = headers;
  const all = origins.includes("*");
  if (!origin || !(all || origins.includes(origin))) return {};
  return {
    "access-control-allow-origin": all ? "*" : origin,
    "access-control-expose-headers": "x-request-id, retry-after, age, x-fraiseql-cache",
  };
}

/** Headers that answer a preflight: what the page may send beyond the plain. */
export function preflightHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const asked = headers["access-control-request-headers"]?.toString() ?? "";
  return {
    "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
    // Whatever it names: our answers do not depend on cookies, so a header can do no harm.
    "access-control-allow-headers": /^[\w\s,!#$%&'*+.^`|~-]{1,2000}$/.test(asked)
      ? asked
      : "content-type",
    "access-control-max-age": "600",
  };
}
