/** Runs the program as a process, for tests of its commands. */

import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../../main.ts", import.meta.url));

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running program. */
export interface Program {
  readonly child: Deno.ChildProcess;
  /** The next line of its standard output; throws where it ends first. */
  line(): Promise<string>;
  /** The first line of standard error of that form. */
  said(form: RegExp): Promise<string>;
  /** Sends the signal and waits for its end. */
  end(signal?: Deno.Signal): Promise<number>;
}

function command(args: readonly string[], env: Record<string, string>): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", "--no-prompt", main, ...args],
    clearEnv: true,
    env: { ...inherited(), ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Settings of the tests are none of the program's. */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !/^(FRAISEQL|TEST)_/.test(name)),
  );
}

/** Runs it to its end. */
export async function run(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  const { code, stdout, stderr } = await command(args, env).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out ?? "", stderr: err ?? "" };
}

/** Starts it. */
export function start(args: readonly string[], env: Record<string, string>): Program {
  const child = command(args, env).spawn();
  const [out, err] = [linesOf(child.stdout), linesOf(child.stderr)];
  const next = async (lines: AsyncGenerator<string>) => {
    const { value, done } = await lines.next();
    if (done) throw new Error("it has ended");
    return value;
  };
  return {
    child,
    line: () => next(out),
    async said(form) {
      for (;;) {
        const line = await next(err);
        if (form.test(line)) return line;
      }
    },
    async end(signal = "SIGINT") {
      child.kill(signal);
      await Promise.all([Array.fromAsync(out), Array.fromAsync(err)]);
      return (await child.status).code;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
