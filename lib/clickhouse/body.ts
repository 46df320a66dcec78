/**
 * Reading an answer to its end. ClickHouse sends status 200 before it knows whether a statement will
 * end well; what fails later stands at the end of the body, and nobody may take the cut result for
 * the whole.
 */

import { AppError } from "../errors.ts";
import { clickhouseError, connectionError, numberOf } from "./errors.ts";

type Bytes = Uint8Array<ArrayBuffer>;

export interface BodyOptions {
  readonly origin: string;
  readonly signal?: AbortSignal;
  /** Silence in the middle for so long means that the other side is gone. */
  readonly silenceMsMax: number;
}

/** The pieces of an answer; throws where it is not whole. `isWhole` looks at its last bytes. */
export async function* wholeBody(
  response: Response,
  options: BodyOptions,
  isWhole: (tail: Uint8Array) => boolean,
): AsyncGenerator<Bytes, undefined> {
  const tag = response.headers.get("X-ClickHouse-Exception-Tag");
  const held: Bytes[] = [];
  let heldBytes = 0;
  try {
    for await (const piece of pieces(response, options.silenceMsMax)) {
      held.push(piece);
      heldBytes += piece.length;
      // The block of an error has to be in what is kept back, whole.
      while (held[0] && heldBytes - held[0].length >= errorBytesMax) {
        const first = held.shift()!;
        heldBytes -= first.length;
        yield first;
      }
    }
  } catch (error) {
    throw errorIn(joined(held), tag) ?? connectionError(options.origin, error, options.signal);
  }
  const tail = joined(held);
  const announced = errorIn(tail, tag);
  // Without the tag of newer servers the text may as well be somebody's data.
  if (announced && (tag !== null || !isWhole(tail))) throw announced;
  if (!isWhole(tail)) {
    throw new AppError("UNAVAILABLE", `the answer of ClickHouse at ${options.origin} was cut`);
  }
  yield* held;
  return undefined;
}

/** ClickHouse cuts the text of an error at 16 KiB. */
const errorBytesMax = 20 * 1024;

async function* pieces(response: Response, silenceMsMax: number): AsyncGenerator<Bytes, undefined> {
  const reader = response.body?.getReader();
  if (!reader) return undefined;
  let done = false;
  try {
    for (;;) {
      const next = await inTime(reader.read(), silenceMsMax);
      done = next.done;
      if (next.done) return undefined;
      yield next.value as Bytes;
    }
  } finally {
    if (!done) await reader.cancel().catch(() => {}); // it was cut: nothing is left to cancel
  }
}

async function inTime<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("silent", "TimeoutError")), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error that ends the text; null where none does. */
function errorIn(tail: Uint8Array, tag: string | null): AppError | null {
  const text = new TextDecoder().decode(tail.subarray(-errorBytesMax));
  if (tag !== null) {
    const start = text.lastIndexOf(`__exception__\r\n${tag}\r\n`);
    if (start < 0) return null;
    const from = text.slice(start);
    return clickhouseError(
      /Code: \d+\.[\s\S]*?(?=\n\d+ \w+\s*\n__exception__|$)/.exec(from)?.[0] ?? from,
    );
  }
  const found = text.lastIndexOf("Code: ");
  if (found < 0 || numberOf(text.slice(found)) === null) return null;
  return clickhouseError(text.slice(found));
}

export function joined(pieces: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
