/** Requests that are wrong, the same ones in every run. */

/** Numbers that are the same in every run. */
export function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

const good = JSON.stringify({
  query: "{ __typename }",
  variables: { n: 1, list: ["a", { b: 2 }] },
});

/** Bodies of POST that no server can answer with data, by the way in which they are wrong. */
export const MALFORMED: Record<string, (next: () => number, i: number) => string | Uint8Array> = {
  "random bytes": (next) =>
    Uint8Array.from({ length: 1 + Math.floor(next() * 2000) }, () => Math.floor(next() * 256)),
  "JSON cut somewhere": (next) => good.slice(0, Math.floor(next() * (good.length - 1))),
  "JSON with a character too many": (next) => {
    const at = Math.floor(next() * good.length);
    return good.slice(0, at) + '"}],{['[Math.floor(next() * 6)] + good.slice(at) + "]";
  },
  "broken GraphQL": (next) =>
    JSON.stringify({ query: "}" + '{}()$!@:"#[] \u0000'.repeat(next() * 100) }),
  "huge numbers": (next) =>
    `{"query":"query CoerceFailure($id: ID!) { a }","variables":{"id":${
      next() < 0.5 ? "9".repeat(1 + next() * 5000) : `1e${Math.floor(next() * 1e9)}`
    }}}`,
  "wrong variables": (_, i) =>
    `{"query":"{ __typename }","variables":${["3", '"x"', "[{}]", "true", "1.5"][i % 5]}}`,
  "deep nesting": (next) => {
    const depth = 300 + Math.floor(next() * 5000);
    return next() < 0.5
      ? `{"query":"{ a }","variables":{"a":${"[".repeat(depth)}${"]".repeat(depth)}}}`
      : '{"query":'.repeat(depth);
  },
};
