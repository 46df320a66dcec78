/**
 * The embedded PostgreSQL: a real server of version 18 on a port of this machine, for those who
 * name no database of their own.
 *
 * It keeps its data in `<data folder>/postgres` and lets in nobody without the generated password
 * that stands in `<data folder>/services.json`. It ends with this program: by `stop`, by the
 * watchdog where the program is killed, at the latest by the next start.
 */

import { join } from "node:path";
import { abortError } from "../errors.ts";
import type { Log } from "../log.ts";
import { within } from "../waiting.ts";
import { type PostgresBinaries, postgresVersion, unpackBinaries } from "./postgres_binaries.ts";
import { command } from "./postgres_command.ts";
import { database, prepareData, user } from "./postgres_data.ts";
import { openFolder, type PostgresFolder } from "./postgres_folder.ts";
import { launch, type LaunchOptions } from "./postgres_launch.ts";
import { endOrphan } from "./postgres_orphan.ts";
import { lastWords, type Server, type ServerEnd } from "./server_process.ts";
import { readServices, writeService } from "./services_file.ts";
import { startWatchdog } from "./watchdog.ts";

export interface StartOptions extends LaunchOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** A line for people about what takes a while: the first start. */
  readonly onProgress?: (line: string) => void;
  /** A server that takes longer to write everything down is ended harder. */
  readonly stopMsMax?: number;
  /** How long to wait for another program that uses the folder; default 3 s. */
  readonly inUseMsMax?: number;
  /** Ends the start within seconds; nothing is left running then. */
  readonly signal?: AbortSignal;
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

/** Starts the server on its data, made at the first start; ready for connections when it returns. */
export async function startPostgres(options: StartOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log, signal, onProgress = () => {} } = options;
  const goOn = () => {
    if (signal?.aborted) throw abortError(signal);
  };
  goOn();
  const folder = await openFolder(dataDir, options.inUseMsMax);
  try {
    goOn();
    const known = knownConnection((await readServices(dataDir)).postgres);
    if (folder.path !== folder.asked) {
      onProgress(
        `PostgreSQL and its data are in ${folder.path}: PostgreSQL does not run as root, and ` +
          `no other user can enter ${dataDir}`,
      );
    }
    const binaries = await unpackBinaries(folder.path, onProgress, folder.owner, signal);
    goOn();
    await endOrphan(folder, log);
    goOn();
    const password = await prepareData(folder, binaries, {
      password: known?.password ?? null,
      durable: options.durable ?? true,
      onProgress,
      ...(signal && { signal }),
    });
    goOn();
    log.info("starting PostgreSQL", { version: postgresVersion, data: folder.data });
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

/** Passes the server's messages on until it ends, and ends it when asked. */
function watch(
  { child, lines }: Server,
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  { log, stopMsMax = 10_000 }: StartOptions,
): Pick<EmbeddedPostgres, "pid" | "exited" | "stop"> {
  const pidFile = join(folder.data, "postmaster.pid");
  const watchdog = startWatchdog(child.pid, pidFile, folder.runAs, log);
  let wanted = false;

  const follow = async (): Promise<ServerEnd> => {
    const lastLines = await lastWords(lines, (line) => {
      if (!wanted && /^(FATAL|PANIC)/.test(line)) log.warn("postgres", { line });
      else log.debug("postgres", { line });
    });
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
