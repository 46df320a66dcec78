/**
 * The plain values of an event's `data`, read from its text: `JSON.parse` would round long numbers,
 * and put keys that are numbers first.
 */

import {
  closeBrace,
  closeBracket,
  comma,
  isPlain,
  openBrace,
  openBracket,
  quote,
  textEnd,
  textOf,
} from "./json_text.ts";

export interface DataValue {
  readonly kind: "text" | "number" | "boolean";
  /** The text itself; of a number or boolean its JSON. */
  readonly text: string;
}

/**
 * Tells each text, number and boolean at any depth, in the order of the document. Its path is the keys
 * from the outside in: it leads through arrays as if they were not there. The array that holds the
 * path is the same one each time. `data` is JSON; what comes of anything else is not said.
 */
export function eachValue(
  data: string,
  visit: (value: DataValue, path: readonly string[]) => void,
): void {
  const path: string[] = [];
  /** For each bracket that is open, whether it is an object's. */
  const open: boolean[] = [];
  let isKeyNext = false;
  for (let at = 0; at < data.length;) {
    const letter = data.charCodeAt(at);
    if (letter === quote) {
      const end = textEnd(data, at);
      const text = textOf(data, at, end);
      at = end;
      if (isKeyNext) path.push(text);
      else visit({ kind: "text", text }, path);
      isKeyNext = false;
    } else if (letter === openBrace || letter === openBracket) {
      isKeyNext = letter === openBrace;
      open.push(isKeyNext);
      at++;
    } else if (letter === closeBrace || letter === closeBracket) {
      // An empty object has no key to take away.
      if (open.pop() && !isKeyNext) path.pop();
      isKeyNext = false;
      at++;
    } else if (letter === comma) {
      isKeyNext = open.at(-1) ?? false;
      if (isKeyNext) path.pop();
      at++;
    } else if (isPlain(letter)) {
      const start = at;
      while (at < data.length && isPlain(data.charCodeAt(at))) at++;
      const text = data.slice(start, at);
      if (letter === 0x74 || letter === 0x66) visit({ kind: "boolean", text }, path);
      else if (letter !== 0x6e) visit({ kind: "number", text }, path);
    } else at++;
  }
}
