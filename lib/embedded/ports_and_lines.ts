/** What every embedded server needs: a port of this machine, and what it says line by line. */

import { AppError } from "../errors.ts";

/** The port that was asked for, else the last one where it is free, else any that is. */
export function choosePort(asked: number | undefined, last: number | undefined): number {
  if (asked !== undefined) {
    if (isFree(asked)) return asked;
    throw new AppError("UNAVAILABLE", `port ${asked} is in use`, {
      hint: "name another port, or none for a free one",
    });
  }
  if (last && isFree(last)) return last;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false; // in use, or not ours to take
  }
}

/** Lines of a server's standard error. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest) yield rest;
  return undefined;
}
