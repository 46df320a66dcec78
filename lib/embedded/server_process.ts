/** What running an embedded server's program is like, whichever server it is. */

/** A server that is ready. */
export interface Server {
  readonly child: Deno.ChildProcess;
  readonly port: number;
  /** What it goes on to say. */
  readonly lines: AsyncIterator<string>;
}

export interface ServerEnd {
  /** By `stop`. */
  readonly wanted: boolean;
  readonly code: number;
  /** What it said last, for a message about an end that nobody wanted. */
  readonly lastLines: readonly string[];
}

/**
 * Nothing when the server says that it is ready, else all it said before it ended. There is no limit
 * of time: it may be replaying its log after a crash, and ending that would only start it over.
 */
export async function untilReady(
  lines: AsyncIterator<string>,
  isReady: (line: string) => boolean,
): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const { value, done } = await lines.next();
    if (done) return said.length > 0 ? said : ["it said nothing"];
    if (isReady(value)) return [];
    said.push(value);
  }
}

/** Tells of each line until the server says nothing more; gives the last ones. */
export async function lastWords(
  lines: AsyncIterator<string>,
  tell: (line: string) => void,
): Promise<string[]> {
  const last: string[] = [];
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    last.push(next.value);
    if (last.length > lastLinesMax) last.shift();
    tell(next.value);
  }
  return last;
}

const lastLinesMax = 20;
