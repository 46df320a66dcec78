/** JSON read without losing a digit. */

/** A number by its text. */
export class Digits {
  constructor(readonly text: string) {}
}

/** Like `JSON.parse`, but numbers stay as they are written. */
export function parseJson(text: string): unknown {
  return parse(
    text,
    (_, value, context) => typeof value === "number" ? new Digits(context.source) : value,
  );
}

/** The reviver's third argument is of ECMAScript, and not of TypeScript's library. */
const parse = JSON.parse as (
  text: string,
  reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown,
) => unknown;
