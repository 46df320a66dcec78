/** What of an event is searched by words. */

import { eachValue } from "./data_values.ts";
import { joinedWords } from "./words.ts";

/**
 * The words of each text and number in `data`, with a space between; those without a word are left out.
 * Keys and booleans are no texts.
 */
export function textsOf(data: string): string[] {
  const texts: string[] = [];
  eachValue(data, ({ kind, text }) => {
    if (kind === "boolean") return;
    const words = joinedWords(text);
    if (words !== "") texts.push(words);
  });
  return texts;
}
