/**
 * The embedded NATS: a real nats-server with JetStream on a port of this machine, for those who
 * name none of their own.
 *
 * It keeps its data in `<data folder>/nats` and lets in nobody without one of the generated
 * passwords that stand in `<data folder>/services.json`. It ends with this program: by `stop`, by
 * the watchdog where the program is killed, at the latest by the next start.
 */

import { join, resolve } from "node:path";
import { abortError, AppError } from "../errors.ts";
import { inboxPrefix, NATS_USERS, type NatsUser } from "../events/users.ts";
import type { Log } from "../log.ts";
import { holdLock, unusableFolder } from "./folder_lock.ts";
import { findNatsServer, type NatsBinary } from "./nats_binary.ts";
import { type NatsConfig, natsConfig, newPasswords } from "./nats_config.ts";
import { giveTo, otherOwner, type Owner } from "./owner.ts";
import { choosePort, linesOf } from "./ports_and_lines.ts";
import { commandOf, endProcess } from "./processes.ts";
import { followServer, type Server, type ServerEnd, untilReady } from "./server_process.ts";
import { readServices, type ServiceName, writeServices } from "./services_file.ts";
import { startWatchdog } from "./watchdog.ts";

export interface NatsStartOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** What all streams together may come to hold. */
  readonly storeBytesMax: number;
  readonly messageBytesMax: number;
  /** This port and no other; otherwise the last start's where it is free, else any. */
  readonly port?: number;
  /** False: data that may be lost with the machine, as tests' may. */
  readonly durable?: boolean;
  /** Where a fetched program is kept; default: with the data. */
  readonly programs?: string;
  /** A line for people about what takes a while: the first start. */
  readonly onProgress?: (line: string) => void;
  /** A server that takes longer to write everything down is ended harder. */
  readonly stopMsMax?: number;
  /** How long to wait for another program that uses the folder. */
  readonly inUseMsMax?: number;
  /** Ends the start within seconds; nothing is left running then. */
  readonly signal?: AbortSignal;
}

export interface EmbeddedNats {
  /** Of the administrator, with the password. */
  readonly url: string;
  readonly urls: Readonly<Record<NatsUser, string>>;
  readonly version: string;
  readonly pid: number;
  /** The server has ended, by `stop` or by itself. */
  readonly exited: Promise<ServerEnd>;
  stop(): Promise<void>;
}

/** Starts the server on its data, made at the first start; ready for connections when it returns. */
export async function startNats(options: NatsStartOptions): Promise<EmbeddedNats> {
  const { log, signal } = options;
  const goOn = () => {
    if (signal?.aborted) throw abortError(signal);
  };
  goOn();
  const folder = await openNatsFolder(options.dataDir, options.inUseMsMax);
  try {
    goOn();
    const binary = await findNatsServer({
      folder: options.programs ?? folder.path,
      onProgress: options.onProgress ?? (() => {}),
      ...signal && { signal },
    });
    goOn();
    await endOrphan(folder, log);
    goOn();
    const known = await readServices(options.dataDir);
    const passwords = passwordsOf(known);
    if (folder.owner) await giveTo(folder.owner, folder.path);
    log.info("starting nats-server", { version: binary.version, data: folder.path });
    const server = await launch(folder, binary, options, passwords, portOf(known.nats));
    const urls = urlsOf(passwords, server.port);
    const running = watch(server, folder, options);
    try {
      const byUser = NATS_USERS.map((user) => [serviceOf(user), urls[user]]);
      await writeServices(options.dataDir, Object.fromEntries(byUser));
    } catch (error) {
      await running.stop();
      throw error;
    }
    return { ...running, url: urls.admin, urls, version: binary.version };
  } catch (error) {
    folder.lock.close();
    throw error;
  }
}

function serviceOf(user: NatsUser): ServiceName {
  return user === "admin" ? "nats" : `nats.${user}`;
}

/** The URLs of every user, as `services.json` holds them. */
function urlsOf(passwords: NatsConfig["passwords"], port: number): Record<NatsUser, string> {
  const urlOf = (user: NatsUser) => {
    const prefix = inboxPrefix(user);
    const inbox = prefix === "_INBOX" ? "" : `?inbox_prefix=${prefix}`;
    return `nats://${user}:${passwords[user]}@127.0.0.1:${port}${inbox}`;
  };
  return Object.fromEntries(NATS_USERS.map((user) => [user, urlOf(user)])) as Record<
    NatsUser,
    string
  >;
}

/** Those of an earlier start, so that programs of others go on working; new where one is unknown. */
function passwordsOf(known: Readonly<Record<string, string>>): Record<NatsUser, string> {
  const passwords = newPasswords();
  for (const user of NATS_USERS) {
    const url = known[serviceOf(user)];
    const password = url && URL.canParse(url) ? new URL(url).password : "";
    if (password) passwords[user] = password;
  }
  return passwords;
}

function portOf(url: string | undefined): number | undefined {
  return url && URL.canParse(url) ? Number(new URL(url).port) || undefined : undefined;
}

interface NatsFolder {
  readonly path: string;
  readonly config: string;
  readonly pidFile: string;
  /** Who gets what root makes in the folder, and runs the server; null: who runs us. */
  readonly owner: Owner | null;
  readonly lock: Deno.FsFile;
}

async function openNatsFolder(dataDir: string, inUseMsMax?: number): Promise<NatsFolder> {
  const asked = resolve(dataDir);
  try {
    await Deno.mkdir(join(asked, "nats"), { recursive: true });
    const path = join(await Deno.realPath(asked), "nats");
    const owner = await otherOwner(asked);
    const lock = await holdLock(path, inUseMsMax);
    return { path, config: join(path, "server.conf"), pidFile: join(path, "pid"), owner, lock };
  } catch (error) {
    throw unusableFolder(asked, error);
  }
}

/**
 * Ends the server that a killed fraiseql left on this data. Called by the program that holds the
 * folder's lock, so no living fraiseql can be using it.
 */
async function endOrphan({ config, pidFile }: NatsFolder, log: Log): Promise<void> {
  const pid = Number.parseInt(await Deno.readTextFile(pidFile).catch(() => ""), 10);
  const command = pid > 0 ? await commandOf(pid) : null;
  // Another program may have got its number since.
  if (command === null || !command.includes(config)) return;
  log.warn("ending the nats-server that an earlier run left", { pid });
  await endProcess(pid, ["SIGINT", "SIGKILL"], orphanMsMax);
}

/** What writing everything down may take on a busy disk. */
const orphanMsMax = 10_000;

/** A free port can be taken before the server has it. */
const launchTriesMax = 20;

async function launch(
  folder: NatsFolder,
  binary: NatsBinary,
  options: NatsStartOptions,
  passwords: NatsConfig["passwords"],
  lastPort: number | undefined,
): Promise<Server> {
  let said: string[] = [];
  let preferred = lastPort;
  for (let tries = 1; tries <= launchTriesMax; tries++) {
    const port = choosePort(options.port, preferred);
    await writeConfig(folder, {
      port,
      store: folder.path,
      pidFile: folder.pidFile,
      passwords,
      storeBytesMax: options.storeBytesMax,
      messageBytesMax: options.messageBytesMax,
      durable: options.durable ?? true,
    });
    const child = new Deno.Command(binary.path, {
      args: ["--config", folder.config],
      ...folder.owner,
      cwd: folder.path,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      // Ctrl-C in a terminal reaches us alone, so that what is in flight can end.
      detached: true,
    }).spawn();
    const lines = linesOf(child.stderr);
    const end = () => child.kill("SIGINT");
    options.signal?.addEventListener("abort", end, { once: true });
    said = await untilReady(lines, (line) => line.endsWith("Server is ready"));
    options.signal?.removeEventListener("abort", end);
    if (said.length === 0) return { child, port, lines };

    await child.status;
    if (options.signal?.aborted) throw abortError(options.signal);
    if (!said.some((line) => line.includes("address already in use"))) break;
    if (options.port !== undefined) break;
    preferred = undefined;
  }
  const fatal = said.findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? said.at(-1) ?? "";
  throw new AppError("UNAVAILABLE", `nats-server does not start: ${withoutTime(fatal)}`, {
    hint: `its data is in ${folder.path}; or set FRAISEQL_NATS_URL to a NATS server`,
    cause: new Error(said.join("\n")),
  });
}

/** It holds the passwords, so nobody else can read it. */
async function writeConfig({ config, owner }: NatsFolder, values: NatsConfig): Promise<void> {
  const part = `${config}.part`;
  await Deno.remove(part).catch(() => {}); // most often there is none
  await Deno.writeTextFile(part, natsConfig(values), { mode: 0o600, createNew: true });
  if (owner) await giveTo(owner, part);
  await Deno.rename(part, config);
}

/** Passes the server's messages on until it ends, and ends it when asked. */
function watch(
  server: Server,
  folder: NatsFolder,
  { log, stopMsMax = 10_000 }: NatsStartOptions,
): Pick<EmbeddedNats, "pid" | "exited" | "stop"> {
  const watchdog = startWatchdog(
    server.child.pid,
    folder.pidFile,
    folder.owner,
    log,
    "nats-server",
  );
  return followServer(server, {
    tell: (said, wanted) => {
      const line = withoutTime(said);
      if (!wanted && /^\[(FTL|ERR|WRN)\]/.test(line)) log.warn("nats-server", { line });
      else log.debug("nats-server", { line });
    },
    release: async () => {
      await watchdog.release();
      folder.lock.close();
    },
    signals: ["SIGINT", "SIGKILL"],
    stopMsMax,
  });
}

/** `[123] 2026/01/01 00:00:00.000000 [INF] text` without what our own log says too. */
function withoutTime(line: string): string {
  return line.replace(/^\[\d+\] \S+ \S+ /, "");
}
