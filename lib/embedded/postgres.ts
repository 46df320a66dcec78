/**
 * The embedded PostgreSQL: a real server of version 18 on a port of this machine, for those who
 * name no database of their own.
 *
 * It keeps its data in `<data folder>/postgres` and lets in nobody without the generated password
 * that stands in `<data folder>/services.json`. It ends with this program: by `stop`, by the
 * watchdog where the program is killed, at the latest by the next start.
 */

import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type PostgresBinaries, postgresVersion, unpackBinaries } from "./postgres_binaries.ts";
import { command, database, prepareData, user } from "./postgres_data.ts";
import { openFolder, type PostgresFolder } from "./postgres_folder.ts";
import { endOrphan } from "./postgres_orphan.ts";
import { readServices, writeService } from "./services_file.ts";
import { startWatchdog } from "./watchdog.ts";

export interface StartOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** This port and no other; otherwise the last start's where it is free, else any. */
  readonly port?: number;
  /** A line for people about what takes a while: the first start. */
  readonly onProgress?: (line: string) => void;
  /** False: data that may be lost with the machine, as tests' may. */
  readonly durable?: boolean;
  /** Settings of PostgreSQL, `name=value`, over ours. */
  readonly settings?: readonly string[];
  /** A server that takes longer to write everything down is ended harder. */
  readonly stopMsMax?: number;
}

export interface EmbeddedPostgres {
  /** With the password, for the superuser `postgres` and the database `fraiseql`. */
  readonly url: string;
  readonly version: string;
  readonly pid: number;
  /** The server has ended, by `stop` or by itself. */
  readonly exited: Promise<ServerEnd>;
  /** Ends running statements and sessions, writes everything down and ends the server. */
  stop(): Promise<void>;
}

export interface ServerEnd {
  /** By `stop`. */
  readonly wanted: boolean;
  readonly code: number;
  /** What it said last, for a message about an end that nobody wanted. */
  readonly lastLines: readonly string[];
}

/** Starts the server on its data, made at the first start; ready for connections when it returns. */
export async function startPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, onProgress = () => {} } = options;
  const folder = await openFolder(dataDir);
  try {
    const known = knownConnection((await readServices(dataDir)).postgres);
    const binaries = await unpackBinaries(folder.path, onProgress);
    await endOrphan(folder.data, binaries.postgres, log);
    const password = await prepareData(folder, binaries, {
      password: known?.password ?? null,
      durable: options.durable ?? true,
      onProgress,
    });
    const server = await launch(folder, binaries, options, known?.port);
    const url = `postgres://${user}:${password}@127.0.0.1:${server.port}/${database}`;
    const running = watch(server, folder, binaries, options);
    try {
      await writeService(dataDir, "postgres", url);
    } catch (error) {
      await running.stop();
      throw error;
    }
    return { ...running, url, version: postgresVersion };
  } catch (error) {
    folder.close();
    throw error;
  }
}

function knownConnection(url: string | undefined): { password: string; port: number } | null {
  if (url === undefined || !URL.canParse(url)) return null;
  const { password, port } = new URL(url);
  return password ? { password, port: Number(port) } : null;
}

/** How the server is run; they win over what a user wrote into its postgresql.conf. */
const settings: readonly string[] = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "max_connections=100",
  "shared_buffers=256MB",
  "max_wal_size=2GB",
  // A query whose client has gone ends within a second, also while it sends nothing.
  "client_connection_check_interval=1s",
  // For logical replication of the user's; the level cannot be raised without a restart.
  "wal_level=logical",
  // Its messages come to us, in the words that are looked for below.
  "log_destination=stderr",
  "logging_collector=off",
  "lc_messages=C",
  "log_line_prefix=",
];

/** Without waiting for the disk. */
const fleeting: readonly string[] = [
  "fsync=off",
  "synchronous_commit=off",
  "full_page_writes=off",
];

interface Server {
  readonly child: Deno.ChildProcess;
  readonly port: number;
  readonly lines: AsyncIterator<string>;
}

/** Each try takes another port, since a free one can be taken before PostgreSQL has it. */
const launchTriesMax = 20;
const retryWaitMs = 250;

async function launch(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  options: StartOptions,
  lastPort: number | undefined,
): Promise<Server> {
  let said: string[] = [];
  for (let tries = 1; tries <= launchTriesMax; tries++) {
    const port = choosePort(options.port, tries === 1 ? lastPort : undefined);
    const args = ["-D", folder.data, "-p", String(port), ...flags(options)];
    const child = command(folder, binaries.postgres, args, { detached: true }).spawn();
    const lines = linesOf(child.stderr);
    said = await untilReady(lines);
    if (said.length === 0) return { child, port, lines };

    await child.status;
    const text = said.join("\n");
    if (/could not (bind|create any TCP)/.test(text)) continue;
    // Left by a killed server whose own children are still on their way out.
    if (!/shared memory block|lock file .* already exists/.test(text)) break;
    await new Promise((done) => setTimeout(done, retryWaitMs));
  }
  const fatal = said.findLast((line) => /^(FATAL|PANIC)/.test(line)) ?? said.at(-1);
  throw new AppError("UNAVAILABLE", `PostgreSQL does not start: ${fatal}`, {
    hint: `its data is in ${folder.data}; or set DATABASE_URL to a PostgreSQL server`,
    cause: new Error(said.join("\n")),
  });
}

function flags(options: StartOptions): string[] {
  const all = [
    ...settings,
    ...(options.durable ?? true ? [] : fleeting),
    ...(options.settings ?? []),
  ];
  return all.flatMap((setting) => ["-c", setting]);
}

function choosePort(asked: number | undefined, last: number | undefined): number {
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

/**
 * Nothing when the server is ready, else all it said before it ended. There is no limit of time:
 * it may be replaying its log after a crash, and ending that would only start it over.
 */
async function untilReady(lines: AsyncIterator<string>): Promise<string[]> {
  const said: string[] = [];
  for (;;) {
    const { value, done } = await lines.next();
    if (done) return said.length > 0 ? said : ["it said nothing"];
    if (value.includes("database system is ready to accept connections")) return [];
    said.push(value);
  }
}

async function* linesOf(
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

/** Passes the server's messages on until it ends, and ends it when asked. */
function watch(
  { child, lines }: Server,
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  { log, stopMsMax = 10_000 }: StartOptions,
): Pick<EmbeddedPostgres, "pid" | "exited" | "stop"> {
  const pidFile = join(folder.data, "postmaster.pid");
  const watchdog = startWatchdog(child.pid, pidFile, folder.runAs, log);
  const lastLines: string[] = [];
  let wanted = false;

  const follow = async (): Promise<ServerEnd> => {
    for (let next = await lines.next(); !next.done; next = await lines.next()) {
      lastLines.push(next.value);
      if (lastLines.length > lastLinesMax) lastLines.shift();
      if (/^(FATAL|PANIC)/.test(next.value)) log.warn("postgres", { line: next.value });
      else log.debug("postgres", { line: next.value });
    }
    const { code } = await child.status;
    await watchdog.release();
    folder.close();
    return { wanted, code, lastLines };
  };
  const exited = follow();

  const stop = async () => {
    wanted = true;
    for (const mode of ["fast", "immediate"] as const) {
      await shutDown(child, mode, folder, binaries);
      if (await within(stopMsMax, exited)) return;
    }
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid, exited, stop };
}

const lastLinesMax = 20;

async function shutDown(
  child: Deno.ChildProcess,
  mode: "fast" | "immediate",
  folder: PostgresFolder,
  binaries: PostgresBinaries,
): Promise<void> {
  if (Deno.build.os === "windows") { // it has no signals; PostgreSQL brings its own
    const args = ["stop", "-D", folder.data, "-m", mode, "--no-wait"];
    await command(folder, binaries.pgCtl, args).output();
    return;
  }
  try {
    child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
  } catch {
    // it has ended already, which is what was asked
  }
}

/** Whether the promise is fulfilled in that time. */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((done) => timer = setTimeout(() => done(false), ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
