/** What a client accepts: media types and encodings with their weights (RFC 9110, 12.4 and 12.5). */

/** One alternative of an `Accept` or `Accept-Encoding` header. */
interface Choice {
  readonly name: string;
  readonly weight: number;
}

/** The media types in which a GraphQL answer is written. */
export type AnswerType = "application/graphql-response+json" | "application/json";

/** A page for browsers stands beside the answers. */
export type PageType = "text/html";

const token = /^[\w!#$%&'*+.^`|~-]+(\/[\w!#$%&'*+.^`|~-]+)?$/;

/** The alternatives of a header; those that cannot be read are left out, as nobody asked for them. */
function choices(header: string): Choice[] {
  const found: Choice[] = [];
  for (const part of header.split(",")) {
    const [name = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    if (!token.test(name)) continue;
    let weight = 1;
    let wanted = true;
    for (const parameter of parameters) {
      const [key, value = ""] = parameter.split("=").map((piece) => piece.trim());
      if (key === "q") weight = /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(value) ? Number(value) : 0;
      // Answers are UTF-8; who insists on another charset is not served by them.
      else if (key === "charset") wanted = /^"?utf-?8"?$/.test(value);
    }
    if (wanted) found.push({ name, weight });
  }
  return found;
}

/** The weight of a media type: its most specific alternative decides, 0 where none matches. */
function weightOf(type: string, asked: readonly Choice[]): number {
  const names = [type, type.slice(0, type.indexOf("/")) + "/*", "*/*"];
  for (const name of names) {
    const matching = asked.filter((choice) => choice.name === name);
    if (matching.length > 0) return Math.max(...matching.map((choice) => choice.weight));
  }
  return 0;
}

/** The best of the offered types, the first among equals; null where none is accepted. */
export function chooseType<Type extends string>(
  accept: string | undefined,
  offered: readonly Type[],
): Type | null {
  if (accept === undefined || accept.trim() === "") return offered[0] ?? null;
  // Nearly every request; the same answer as below.
  if (offered.includes(accept as Type)) return accept as Type;
  const asked = choices(accept);
  let best: Type | null = null;
  let most = 0;
  for (const type of offered) {
    const weight = weightOf(type, asked);
    if (weight > most) [best, most] = [type, weight];
  }
  return best;
}

/**
 * `application/json` comes first: the specification's audit wants it where the client says nothing
 * or takes anything.
 */
export const ANSWER_TYPES: readonly AnswerType[] = [
  "application/json",
  "application/graphql-response+json",
];

/** Whether the answer is to be compressed: gzip is accepted and not less than the plain form. */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  if (!acceptEncoding) return false;
  const asked = choices(acceptEncoding);
  const weight = (name: string) => asked.find((choice) => choice.name === name)?.weight;
  const gzip = weight("gzip") ?? weight("x-gzip") ?? weight("*") ?? 0;
  const plain = weight("identity") ?? 0;
  return gzip > 0 && gzip >= plain;
}
