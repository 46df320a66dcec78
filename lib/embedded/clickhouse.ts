/**
 * The embedded ClickHouse: the real engine as a process of its own behind ClickHouse's HTTP
 * interface on a port of this machine, for those who name no server of their own.
 *
 * It keeps its data in `<data folder>/clickhouse` and lets in nobody without the generated password
 * that stands in `<data folder>/services.json`. It ends with this program: by `stop`, by the watchdog
 * where the program is killed, at the latest by the next start.
 */

import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { abortError, AppError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Log } from "../log.ts";
import { engineConfig, usersConfig } from "./clickhouse_config.ts";
import { findEngine } from "./clickhouse_package.ts";
import { portTakenLine, type ProgramSettings, readyLine } from "./clickhouse_settings.ts";
import { holdLock, unusableFolder } from "./folder_lock.ts";
import { giveTo, otherOwner, type Owner } from "./owner.ts";
import { choosePort, linesOf } from "./ports_and_lines.ts";
import { commandOf, endProcess } from "./processes.ts";
import { followServer, type Server, type ServerEnd, untilReady } from "./server_process.ts";
import { readServices, writeService } from "./services_file.ts";
import { startWatchdog } from "./watchdog.ts";

export interface ClickhouseStartOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly limits: Limits;
  /** This port and no other; otherwise the last start's where it is free, else any. */
  readonly port?: number;
  /** A line for people about what takes a while: the download at the first start. */
  readonly onProgress?: (line: string) => void;
  /** An engine that takes longer to close is ended harder; what it acknowledged is written. */
  readonly stopMsMax?: number;
  /** How long to wait for another program that uses the folder. */
  readonly inUseMsMax?: number;
  /** Ends the start within seconds; nothing is left running then. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedClickhouse {
  /** With the user, the password and the database. */
  readonly url: string;
  readonly pid: number;
  /** The engine has ended, by `stop` or by itself. */
  readonly exited: Promise<ServerEnd>;
  stop(): Promise<void>;
}

/** Its user, and the database that its URL names: it serves none whose name begins otherwise. */
const user = "fraiseql";
const database = "fraiseql";

/** Starts the engine on its data; ready for requests when it returns. */
export async function startClickhouse(
  options: ClickhouseStartOptions,
): Promise<EmbeddedClickhouse> {
  const { log, signal } = options;
  const goOn = () => {
    if (signal?.aborted) throw abortError(signal);
  };
  goOn();
  refuseBundled(import.meta.url);
  const folder = await openFolder(options.dataDir, options.inUseMsMax);
  try {
    goOn();
    const library = await findEngine({
      onProgress: options.onProgress ?? (() => {}),
      ...signal && { signal },
    });
    await endOrphan(folder, log);
    goOn();
    const known = (await readServices(options.dataDir)).clickhouse;
    const last = known !== undefined && URL.canParse(known) ? new URL(known) : null;
    const password = last?.password || newPassword();
    await writeConfigs(folder, options.limits);
    log.info("starting the ClickHouse engine", { data: folder.path });
    const server = await launch(folder, library, options, password, Number(last?.port));
    const running = watch(server, folder, options);
    const url = `http://${user}:${password}@127.0.0.1:${server.port}/${database}`;
    try {
      await writeService(options.dataDir, "clickhouse", url);
    } catch (error) {
      await running.stop();
      throw error;
    }
    return { ...running, url };
  } catch (error) {
    folder.lock.close();
    throw error;
  }
}

/**
 * Throws `UNSUPPORTED` where all code is one file: the engine's process is a program of its own, with
 * rights that the rest must not have, and a compiled program has neither its source nor npm.
 */
export function refuseBundled(moduleUrl: string): void {
  if (!Deno.build.standalone && moduleUrl.endsWith("/embedded/clickhouse.ts")) return;
  throw new AppError("UNSUPPORTED", "a compiled fraiseql has no embedded ClickHouse", {
    hint: "set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server, or FRAISEQL_SINKS=none to store " +
      "nothing, or run fraiseql from its source",
  });
}

/** 192 bits, in letters that no URL has to escape. */
function newPassword(): string {
  return crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
}

interface ClickhouseFolder {
  readonly path: string;
  readonly data: string;
  readonly config: string;
  readonly users: string;
  readonly pidFile: string;
  /** Who gets what root makes in the folder, and runs the engine; null: who runs us. */
  readonly owner: Owner | null;
  readonly lock: Deno.FsFile;
}

async function openFolder(dataDir: string, inUseMsMax?: number): Promise<ClickhouseFolder> {
  const asked = resolve(dataDir);
  try {
    await Deno.mkdir(join(asked, "clickhouse"), { recursive: true });
    const path = join(await Deno.realPath(asked), "clickhouse");
    const owner = await otherOwner(asked);
    const lock = await holdLock(path, inUseMsMax);
    const [data, config, users] = ["data", "config.xml", "users.xml"].map((name) =>
      join(path, name)
    ) as [string, string, string];
    await Deno.mkdir(data, { recursive: true });
    return { path, data, config, users, pidFile: join(path, "pid"), owner, lock };
  } catch (error) {
    throw unusableFolder(asked, error);
  }
}

async function writeConfigs(folder: ClickhouseFolder, limits: Limits): Promise<void> {
  const some = {
    memoryBytesMax: limits.clickhouseMemoryBytesMax,
    querySecondsMax: limits.clickhouseQuerySecondsMax,
  };
  await Deno.writeTextFile(folder.config, engineConfig(folder.users, some));
  await Deno.writeTextFile(folder.users, usersConfig(some));
  if (folder.owner) await giveTo(folder.owner, folder.path);
}

/**
 * Ends the engine that a killed fraiseql left on this data. Called by the program that holds the
 * folder's lock, so no living fraiseql can be using it.
 */
async function endOrphan({ path, pidFile }: ClickhouseFolder, log: Log): Promise<void> {
  const pid = Number.parseInt(await Deno.readTextFile(pidFile).catch(() => ""), 10);
  const command = pid > 0 ? await commandOf(pid) : null;
  // Another program may have got its number since.
  if (command === null || !command.includes(path)) return;
  log.warn("ending the ClickHouse engine that an earlier run left", { pid });
  await endProcess(pid, ["SIGTERM", "SIGKILL"], orphanMsMax);
}

const orphanMsMax = 10_000;

/** A free port can be taken before the engine has it. */
const launchTriesMax = 20;

async function launch(
  folder: ClickhouseFolder,
  library: string,
  options: ClickhouseStartOptions,
  password: string,
  lastPort: number,
): Promise<Server> {
  const { limits } = options;
  let said: string[] = [];
  let preferred: number | undefined = lastPort || undefined;
  for (let tries = 1; tries <= launchTriesMax; tries++) {
    const port = choosePort(options.port, preferred);
    const child = spawn(folder, port);
    await Deno.writeTextFile(folder.pidFile, `${child.pid}\n`);
    if (folder.owner) await giveTo(folder.owner, folder.pidFile);
    const settings: ProgramSettings = {
      library,
      data: folder.data,
      config: folder.config,
      port,
      user,
      password,
      owner: folder.owner,
      limits: {
        queriesMax: limits.clickhouseQueriesMax,
        queueMax: limits.clickhouseQueueMax,
        querySecondsMax: limits.clickhouseQuerySecondsMax,
        bodyBytesMax: limits.clickhouseBodyBytesMax,
        resultBytesMax: limits.clickhouseResultBytesMax,
      },
    };
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(settings))).catch(() => {}); // it ended
    await writer.close().catch(() => {}); // as above: what it said tells why
    const lines = linesOf(child.stderr);
    const end = () => child.kill("SIGKILL");
    options.signal?.addEventListener("abort", end, { once: true });
    said = await untilReady(lines, (line) => line === readyLine);
    options.signal?.removeEventListener("abort", end);
    if (said.length === 0) return { child, port, lines };

    await child.status;
    if (options.signal?.aborted) throw abortError(options.signal);
    if (!said.includes(portTakenLine) || options.port !== undefined) break;
    preferred = undefined;
  }
  throw new AppError("UNAVAILABLE", `the ClickHouse engine does not start: ${said.at(-1) ?? ""}`, {
    hint: `its data is in ${folder.path}; or set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server`,
    cause: new Error(said.join("\n")),
  });
}

/**
 * Native code answers to no permission, and loading it wants the whole one; the rest of the program
 * may listen on its port. The folder among its arguments tells the next start whose it is.
 */
function spawn(folder: ClickhouseFolder, port: number): Deno.ChildProcess {
  const program = fileURLToPath(new URL("./clickhouse_program.ts", import.meta.url));
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-lock", "--no-config", "--no-remote", "--no-npm"],
      // Without it a request's signal tells of good ends, too.
      "--unstable-no-legacy-abort",
      ...["--allow-ffi", `--allow-net=127.0.0.1:${port}`, program, folder.path],
    ],
    cwd: folder.path,
    clearEnv: true,
    env: environment(),
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
    // Ctrl-C in a terminal reaches us alone, so that what is in flight can end.
    detached: true,
  }).spawn();
}

/** Nothing of the user's but what Deno needs to find its cache; dates are UTC. */
function environment(): Record<string, string> {
  const kept = ["HOME", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(kept), TZ: "UTC", NO_COLOR: "1" };
}

/** Passes the engine's messages on until it ends, and ends it when asked. */
function watch(
  server: Server,
  folder: ClickhouseFolder,
  { log, stopMsMax = 10_000 }: ClickhouseStartOptions,
): Pick<EmbeddedClickhouse, "pid" | "exited" | "stop"> {
  const watchdog = startWatchdog(server.child.pid, folder.pidFile, null, log, "ClickHouse");
  return followServer(server, {
    tell: (line, wanted) =>
      wanted ? log.debug("ClickHouse", { line }) : log.warn("ClickHouse", { line }),
    release: async () => {
      await watchdog.release();
      folder.lock.close();
    },
    signals: ["SIGTERM", "SIGKILL"],
    stopMsMax,
  });
}
