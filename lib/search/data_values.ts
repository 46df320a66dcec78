/**
 * The plain values of an event's `data`, read from its text: `JSON.parse` would round long numbers,
 * and put keys that are numbers first.
 */

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

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** A letter of a number, or of true, false and null. */
function isPlain(letter: number): boolean {
  return letter === 0x2b || letter === 0x2d || letter === 0x2e ||
    (letter >= 0x30 && letter <= 0x39) || (letter >= 0x41 && letter <= 0x5a) ||
    (letter >= 0x61 && letter <= 0x7a);
}

/** Behind the closing quote. */
function textEnd(data: string, start: number): number {
  for (let at = start + 1; at < data.length; at++) {
    const letter = data.charCodeAt(at);
    if (letter === quote) return at + 1;
    if (letter === backslash) at++;
  }
  return data.length;
}

function textOf(data: string, start: number, end: number): string {
  const raw = data.slice(start + 1, end - 1);
  if (!raw.includes("\\")) return raw;
  return JSON.parse(data.slice(start, end)) as string;
}
