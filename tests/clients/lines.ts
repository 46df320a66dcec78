/** A Python program that answers a line with a line, for as long as it is asked. */

import { fileURLToPath } from "node:url";
import { preparePython } from "./python.ts";

export interface LineProgram extends AsyncDisposable {
  /** The answer to a request; they are answered in order. */
  ask(request: string): Promise<string>;
}

/** Starts the program; what it says on standard error is shown. */
export async function startLines(script: URL, args: readonly string[]): Promise<LineProgram> {
  const child = new Deno.Command(await preparePython(), {
    args: [fileURLToPath(script), ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    env: { PYTHONDONTWRITEBYTECODE: "1", PYTHONUTF8: "1" },
  }).spawn();
  const stdin = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (request: string): Promise<string> => {
    await stdin.write(new TextEncoder().encode(`${request}\n`));
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended while it was asked ${request}`);
    return value;
  };
  return {
    ask: (request) => {
      const answer = last.then(() => ask(request));
      last = answer.catch(() => {}); // told to who asked
      return answer;
    },
    async [Symbol.asyncDispose]() {
      await stdin.close();
      await child.status;
      await lines.return(undefined);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let text = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const whole = (text + part).split("\n");
    text = whole.pop() ?? "";
    yield* whole;
  }
}
