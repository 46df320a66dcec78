/**
 * The texts, numbers and booleans of a JSON document, where they are, as they are written there: a
 * number keeps all its digits, which `JSON.parse` would not let it.
 */

export type LeafKind = "text" | "number" | "boolean";

/**
 * Calls `visit` for each of them in the order of the document. The path is the keys that lead there,
 * joined by points; arrays add nothing to it. What is no JSON is passed over.
 *
 * Hot: about 1 KB of it for each event that is stored, so it is one flat loop.
 */
export function eachLeaf(
  json: string,
  visit: (path: string, kind: LeafKind, text: string) => void,
): void {
  const around: (string | null)[] = [];
  const aroundIsObject: boolean[] = [];
  let holder: string | null = null; // the path of the object or array that we are in
  let path: string | null = null; // of the value that comes; of none at the outermost
  let isObject = false;
  let isKey = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (code === quote) {
      const end = textEnd(json, at);
      const text = readText(json, at, end);
      at = end;
      if (isKey) {
        path = holder === null ? text : `${holder}.${text}`;
        isKey = false;
      } else visit(path ?? "", "text", text);
    } else if (code === comma) isKey = isObject;
    else if (code === openBrace || code === openBracket) {
      around.push(holder);
      aroundIsObject.push(isObject);
      holder = path;
      isObject = isKey = code === openBrace;
    } else if (code === closeBrace || code === closeBracket) {
      path = holder;
      holder = around.pop() ?? null;
      isObject = aroundIsObject.pop() ?? false;
      isKey = false;
    } else if (code === minus || (code >= zero && code <= nine)) {
      const end = numberEnd(json, at);
      visit(path ?? "", "number", json.slice(at, end));
      at = end - 1;
    } else if (code === letterT && json.startsWith("true", at)) {
      visit(path ?? "", "boolean", "true");
      at += 3;
    } else if (code === letterF && json.startsWith("false", at)) {
      visit(path ?? "", "boolean", "false");
      at += 4;
    }
  }
}

const [quote, backslash, comma, minus] = [0x22, 0x5c, 0x2c, 0x2d];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const [zero, nine, letterT, letterF] = [0x30, 0x39, 0x74, 0x66];

/** At the closing quote. */
function textEnd(json: string, start: number): number {
  for (let from = start + 1;;) {
    const end = json.indexOf('"', from);
    if (end < 0) return json.length;
    let before = end - 1;
    while (json.charCodeAt(before) === backslash) before--;
    if ((end - before) % 2 === 1) return end;
    from = end + 1;
  }
}

function readText(json: string, start: number, end: number): string {
  const inner = json.slice(start + 1, end);
  if (!inner.includes("\\")) return inner;
  try {
    const value: unknown = JSON.parse(json.slice(start, end + 1));
    return typeof value === "string" ? value : inner;
  } catch {
    return inner; // an escape that does not exist stands for itself
  }
}

function numberEnd(json: string, start: number): number {
  let at = start + 1;
  for (;; at++) {
    const code = json.charCodeAt(at);
    const isPart = (code >= zero && code <= nine) || code === 0x2e || code === 0x2b ||
      code === minus || code === 0x65 || code === 0x45;
    if (!isPart) return at;
  }
}
