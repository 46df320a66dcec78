/** The code blocks of a page, as the tests run them. */

import { fileURLToPath } from "node:url";

export interface Example {
  /** The heading above it and its place below that, e.g. `Aggregates 2`. */
  readonly name: string;
  readonly language: string;
  readonly text: string;
}

/** Every block of `docs/<page>` that names its language, in order. */
export function examples(page: string): Example[] {
  const path = fileURLToPath(new URL(`../../docs/${page}`, import.meta.url));
  const found: Example[] = [];
  let heading = page;
  let count = 0;
  const form = /^#+ ([^\n]*)$|^```(\w+)\n(.*?)^```$/gms;
  for (const [, title, language, text] of Deno.readTextFileSync(path).matchAll(form)) {
    if (title !== undefined) [heading, count] = [title, 0];
    else found.push({ name: `${heading} ${++count}`, language: language ?? "", text: text ?? "" });
  }
  return found;
}
