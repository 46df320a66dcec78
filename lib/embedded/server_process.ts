/** What running an embedded server's program is like, whichever server it is. */

import { within } from "../waiting.ts";

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

export interface FollowOptions {
  /** Told of each line that it says, and whether its end is wanted. */
  readonly tell: (line: string, wanted: boolean) => void;
  /** When it has ended. */
  readonly release: () => Promise<void>;
  /** What asks it to end, and what ends it harder after so long. */
  readonly signals: readonly Deno.Signal[];
  readonly stopMsMax: number;
}

/** Passes the server's messages on until it ends, and ends it when asked. */
export function followServer({ child, lines }: Server, options: FollowOptions): {
  readonly pid: number;
  readonly exited: Promise<ServerEnd>;
  stop(): Promise<void>;
} {
  const { tell, release, signals, stopMsMax } = options;
  let wanted = false;
  const follow = async (): Promise<ServerEnd> => {
    const lastLines = await lastWords(lines, (line) => tell(line, wanted));
    const { code } = await child.status;
    await release();
    return { wanted, code, lastLines };
  };
  const exited = follow();
  return {
    pid: child.pid,
    exited,
    async stop() {
      wanted = true;
      for (const signal of signals) {
        try {
          child.kill(signal);
        } catch {
          // it has ended already, which is what was asked
        }
        if (await within(stopMsMax, exited)) return;
      }
      await exited;
    },
  };
}
