/** Starting programs, and what the kernel counts of them (Linux: `/proc`). */

/** A program that runs until it is ended. */
export interface Running {
  readonly pid: number;
  /** Ends it and waits for that. */
  stop(): Promise<void>;
}

/**
 * Starts a program and gives the first line of its standard output in which `find` finds something.
 * What it says on standard error is shown only where it ends before that.
 */
export async function startProgram<Found>(
  program: string,
  options: {
    readonly args: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
    readonly find: (line: string) => Found | null;
  },
): Promise<Running & { readonly found: Found }> {
  const child = new Deno.Command(program, {
    args: [...options.args],
    env: { ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const tail = keepTail(child.stderr);
  const stop = async () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // it has ended by itself
    }
    await child.status;
  };
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const late = setTimeout(stop, readySecondsMax * 1000); // it then ends, and what it said is shown
  let text = "";
  for (;;) {
    const { value, done } = await lines.read();
    if (done) {
      clearTimeout(late);
      await child.status;
      throw new Error(`${program} ${options.args.join(" ")} ended:\n${text}${await tail()}`);
    }
    text += value;
    for (const line of text.split("\n").slice(0, -1)) {
      const found = options.find(line);
      if (found === null) continue;
      clearTimeout(late);
      void drain(lines);
      return { pid: child.pid, stop, found };
    }
  }
}

/** A server that takes longer to start waits for something that will not come. */
const readySecondsMax = 90;

/** Runs a program to its end and gives what it printed; throws with its errors when it failed. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const output = await new Deno.Command(program, {
    args: [...args],
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(output.stdout);
  if (output.success) return text;
  const errors = new TextDecoder().decode(output.stderr);
  throw new Error(`${program} ${args.join(" ")} failed:\n${errors}${text}`.slice(0, 4000));
}

async function drain(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

function keepTail(stream: ReadableStream<Uint8Array<ArrayBuffer>>): () => Promise<string> {
  let text = "";
  const all = (async () => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      text = (text + part).slice(-4000);
    }
  })();
  return async () => {
    await all;
    return text;
  };
}

/** A port of this machine that nobody has just now. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** The kernel counts CPU in ticks of 10 ms on all common builds (`getconf CLK_TCK`). */
const ticksPerSecond = 100;

/** CPU seconds that processes have used so far, in user and system mode. */
export function cpuSeconds(...pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticksOf(pid, 2), 0) / ticksPerSecond;
}

/** CPU seconds of a process and of its children, ended ones too: PostgreSQL and its backends. */
export function familyCpuSeconds(pid: number): number {
  const ticks = childrenOf(pid).reduce((sum, child) => sum + ticksOf(child, 2), ticksOf(pid, 4));
  return ticks / ticksPerSecond;
}

/** utime and stime are the 14th and 15th fields, those of ended children the two after. */
function ticksOf(pid: number, fields: 2 | 4): number {
  const values = statOf(pid);
  return values.slice(11, 11 + fields).reduce((sum, value) => sum + Number(value), 0);
}

/** The fields after the command, which may itself hold spaces and brackets. */
function statOf(pid: number): string[] {
  try {
    const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return []; // it has ended
  }
}

/** Processes started by this one that still run. */
export function childrenOf(pid: number): number[] {
  return [...Deno.readDirSync("/proc")]
    .map(({ name }) => Number(name))
    .filter((other) => other > 0 && Number(statOf(other)[1]) === pid);
}

/** The command line of a process. */
export function commandOf(pid: number): string {
  return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
}

/** Bytes that a process holds in memory, and the most since `resetPeak`. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(text)?.[1]) * 1024;
  return { now: read("VmRSS"), peak: read("VmHWM") };
}

/** Lets the peak begin again at what the process holds. */
export function resetPeak(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}
