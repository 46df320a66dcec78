/**
 * What `serve` and its Flight process say to each other: one JSON object a line, over the child's
 * standard input and output. `supervise.ts` is the parent's side, `process.ts` the child's.
 */

import type { MetricObject } from "../lib/metrics.ts";

/**
 * From the parent. `refreshed` answers the child's event of that name. `giveBack`: HTTP gets no
 * connection from PostgreSQL, and Flight may have some that it does not need just now.
 */
export type Ask =
  | { readonly ask: "metrics"; readonly id: number }
  | { readonly ask: "refresh"; readonly id: number }
  | { readonly ask: "refreshed"; readonly id: number; readonly isDone: boolean }
  | { readonly ask: "giveBack" }
  | { readonly ask: "stop"; readonly drainSeconds: number };

/**
 * From the child. `done` and `failed` answer a `refresh`. `refreshed` is the one event that is a
 * question, with an id of the child's own: the parent shall read the catalog too, and tell when.
 * `starved` is the other side of `giveBack`, and can come before `ready`.
 */
export type Told =
  | { readonly event: "ready"; readonly flight: string }
  | { readonly event: "refreshed"; readonly id: number }
  | { readonly event: "starved" }
  | { readonly event: "metrics"; readonly id: number; readonly values: MetricObject[] }
  | { readonly event: "done"; readonly id: number }
  | { readonly event: "failed"; readonly id: number; readonly message: string };

/**
 * Set by the parent: the child obeys its standard input. The value is the port to take, 0 for the
 * configured one. Not named `FRAISEQL_...`, because those are configuration, and this is not.
 */
export const CONTROL_ENV = "_FRAISEQL_FLIGHT_CONTROL";

/** A line longer than this is no line of ours. */
const lineBytesMax = 16 * 1024 * 1024;

/** Whole lines of UTF-8; the last one also without its line feed. */
export async function* lines(bytes: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoderStream();
  // Copied types: the stream's own say that it might write shared memory, which it does not.
  for await (const text of bytes.pipeThrough(decoder as TransformStream<Uint8Array, string>)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > lineBytesMax) throw new Error(`a line of more than ${lineBytesMax} bytes`);
    yield* parts;
  }
  if (rest) yield rest;
}

/** The line as JSON, or null where it is none of ours. */
export function parseLine<Line extends Ask | Told>(
  line: string,
  key: "ask" | "event",
): Line | null {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null && key in parsed ? parsed as Line : null;
  } catch {
    return null; // something else was printed there
  }
}
