/**
 * The whole program as a child, as `deno task serve` runs it: its own processes, real sockets, free
 * ports. Nothing of the tests' own environment but the paths reaches it.
 */

import { fileURLToPath } from "node:url";
import { natsPrograms } from "../services/nats.ts";

/** What `serve` prints when it is ready. */
export interface Ready {
  readonly event: "ready";
  readonly http: string | null;
  readonly flight: string | null;
  readonly topology: string;
}

/** A `fraiseql` process under way. */
export interface Program {
  readonly pid: number;
  readonly ended: Promise<Deno.CommandStatus>;
  /** All that came so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when standard error holds the words; throws when the program ends without them, or hangs. */
  said(words: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the ready line is out; throws when the program ends before. */
  ready(): Promise<Ready>;
  signal(signal: Deno.Signal): void;
  /** SIGTERM, and the exit status. */
  stop(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A served database, both transports by default. */
export interface Served extends Program {
  readonly http: string;
  readonly flight: string;
  readonly readyLine: Ready;
}

export type Environment = Readonly<Record<string, string>>;

/** Starts `fraiseql <args>`; the folder is where it looks for `fraiseql.toml`: this one has none. */
export function run(args: readonly string[], env: Environment = {}, cwd?: string): Program {
  return start([...taskArguments("serve"), ...args], env, cwd);
}

/** Starts what `deno task <task>` does, with that task's permissions and memory settings. */
export function runTask(task: string, env: Environment = {}): Program {
  return start([...taskArguments(task), ...commandOf(task)], env);
}

function start(args: readonly string[], env: Environment, cwd?: string): Program {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    clearEnv: true,
    env: { ...inherited(), ...env },
    cwd: cwd ?? fileURLToPath(new URL(".", import.meta.url)),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = new Heard(child.stdout);
  const stderr = new Heard(child.stderr);
  const signal = (name: Deno.Signal) => {
    try {
      child.kill(name);
    } catch {
      // it has ended already, which is what most signals are for
    }
  };
  const ended = Promise.all([child.status, stdout.whole, stderr.whole]).then(([status]) => status);
  const stop = async () => {
    signal("SIGTERM");
    return (await ended).code;
  };
  const failed = (what: string) => () =>
    new Error(`${args.join(" ")} came to no ${what}: ${stderr.text}${stdout.text}`);
  return {
    pid: child.pid,
    ended,
    stdout: () => stdout.text,
    stderr: () => stderr.text,
    said: (words) => stderr.until(words, failed(String(words))),
    ready: async () => {
      const [line] = await stdout.until(/^\{"event":"ready".*\}$/m, failed("ready line"));
      return JSON.parse(line);
    },
    signal,
    stop,
    [Symbol.asyncDispose]: async () => void await stop(),
  };
}

/**
 * Starts `fraiseql serve` on free ports and waits until it is ready; without sinks, unless the test
 * says otherwise, since each would start a ClickHouse.
 */
export async function serve(env: Environment = {}, cwd?: string): Promise<Served> {
  const program = run(["serve"], { ...freePorts, FRAISEQL_SINKS: "none", ...env }, cwd);
  try {
    const readyLine = await program.ready();
    const { http, flight } = readyLine;
    return { ...program, readyLine, http: http ?? "", flight: flight ?? "" };
  } catch (error) {
    await program.stop();
    throw error;
  }
}

/** Addresses on which any port will do. */
export const freePorts: Environment = {
  FRAISEQL_BIND_ADDR: "127.0.0.1:0",
  FRAISEQL_FLIGHT_BIND_ADDR: "127.0.0.1:0",
};

/** Runs a command to its end. */
export async function command(
  args: readonly string[],
  env: Environment = {},
  cwd?: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = run(args, env, cwd);
  const { code } = await program.ended;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

/** A folder that goes with the test. */
export async function folder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "fraiseql-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** GraphQL by POST, the answer parsed. */
export async function post(
  http: string,
  query: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ status: number; body: Answer }> {
  const response = await fetch(`${http}/graphql`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
    },
    body: JSON.stringify({ query, ...more }),
  });
  return { status: response.status, body: await response.json() };
}

/** A GraphQL answer of which the test knows the form. */
export interface Answer {
  // deno-lint-ignore no-explicit-any -- rows have the form of the query in the test
  readonly data?: any;
  readonly errors?: readonly {
    readonly message: string;
    readonly path?: readonly (string | number)[];
    readonly extensions: { readonly code: string; readonly hint?: string };
  }[];
}

/** Asks again until the answer is the wanted one; the test runner's patience is the limit. */
export async function until<Result>(
  ask: () => Promise<Result> | Result,
  wanted: (result: Result) => boolean,
  secondsMax = 30,
): Promise<Result> {
  for (let tries = 0;; tries++) {
    const result = await ask();
    if (wanted(result)) return result;
    if (tries >= secondsMax * 10) throw new Error(`never came: ${JSON.stringify(result)}`);
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

/** Processes below one, and theirs, by Linux's /proc. One that ends meanwhile has none. */
export function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendants(child)]);
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = [...Deno.readDirSync(`/proc/${pid}/task`)];
    return tasks.flatMap(({ name }) =>
      Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).split(" ").filter(Boolean)
    ).map(Number);
  } catch {
    return []; // it ended while it was looked at
  }
}

/** The command line of a process; empty when it is gone or a zombie. */
export function commandLine(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

/** Memory that a process holds, in bytes. */
export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kib) * 1024;
}

/** The process that serves Flight for a `serve`. */
export function flightPid(serve: Program): number {
  const found = descendants(serve.pid).find((pid) => commandLine(pid).endsWith("main.ts flight"));
  if (found === undefined) throw new Error("no Flight process");
  return found;
}

/** The flags with which a task runs the program, so that tests have its permissions and no more. */
function taskArguments(task: string): string[] {
  const [flags] = readTask(task);
  const config = fileURLToPath(new URL("deno.json", root));
  const main = fileURLToPath(new URL("main.ts", root));
  return ["run", "--quiet", `--config=${config}`, ...flags.split(" "), main];
}

/** What a task has the program do. */
function commandOf(task: string): string[] {
  const [, command] = readTask(task);
  return command.split(" ");
}

function readTask(task: string): [flags: string, command: string] {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const [, flags, command] = /^deno run (.*) main\.ts (.*)$/.exec(tasks[task]) ?? [];
  if (!flags || !command) throw new Error(`deno.json has no task ${task} that runs main.ts`);
  return [flags, command];
}

const root = new URL("../../", import.meta.url);

function inherited(): Record<string, string> {
  const names = [
    "PATH",
    "HOME",
    "USER",
    "DENO_DIR",
    "TMPDIR",
    "NPM_CONFIG_REGISTRY",
    "SSL_CERT_FILE",
  ];
  const all = Deno.env.toObject();
  // Last, so that one of the machine's own is taken before the one that tests have fetched.
  all.PATH = `${all.PATH ?? ""}:${natsPrograms}`;
  return Object.fromEntries(
    Object.entries(all).filter(([name]) =>
      names.includes(name) || /^(deno_|npm_config_|https?_proxy|no_proxy)/i.test(name)
    ),
  );
}

/** So that a program that hangs is told of, with what it said; a first start takes 30 s. */
const patienceMs = 120_000;

/** A stream's text, kept, with those who wait for words in it. */
class Heard {
  text = "";
  readonly whole: Promise<void>;
  #isEnded = false;
  #wake: (() => void)[] = [];

  constructor(stream: ReadableStream<Uint8Array>) {
    this.whole = this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      this.text += part;
      this.#tell();
    }
    this.#isEnded = true;
    this.#tell();
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async until(words: RegExp, failed: () => Error): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#tell();
    }, patienceMs);
    try {
      for (;;) {
        const found = words.exec(this.text);
        if (found) return found;
        if (this.#isEnded || isLate) throw failed();
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
