/** Steps through the text of a JSON document that is known to be one. */

export const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
export const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** A letter of a number, or of true, false and null. */
export function isPlain(letter: number): boolean {
  return letter === 0x2b || letter === 0x2d || letter === 0x2e ||
    (letter >= 0x30 && letter <= 0x39) || (letter >= 0x41 && letter <= 0x5a) ||
    (letter >= 0x61 && letter <= 0x7a);
}

/** Behind the closing quote of the string that begins at `start`. */
export function textEnd(data: string, start: number): number {
  for (let at = start + 1; at < data.length; at++) {
    const letter = data.charCodeAt(at);
    if (letter === quote) return at + 1;
    if (letter === backslash) at++;
  }
  return data.length;
}

/** What the string between these places stands for, its quotes included in them. */
export function textOf(data: string, start: number, end: number): string {
  const raw = data.slice(start + 1, end - 1);
  if (!raw.includes("\\")) return raw;
  return JSON.parse(data.slice(start, end)) as string;
}

/** Behind the value of any kind that begins at `start`. */
export function valueEnd(data: string, start: number): number {
  const first = data.charCodeAt(start);
  if (first === quote) return textEnd(data, start);
  if (first !== openBrace && first !== openBracket) {
    let end = start;
    while (end < data.length && isPlain(data.charCodeAt(end))) end++;
    return end;
  }
  let depth = 0;
  for (let at = start; at < data.length; at++) {
    const letter = data.charCodeAt(at);
    if (letter === quote) at = textEnd(data, at) - 1;
    else if (letter === openBrace || letter === openBracket) depth++;
    else if ((letter === closeBrace || letter === closeBracket) && --depth === 0) return at + 1;
  }
  return data.length;
}

export function skipSpace(data: string, from: number): number {
  let at = from;
  while (at < data.length && data.charCodeAt(at) <= 0x20) at++;
  return at;
}
