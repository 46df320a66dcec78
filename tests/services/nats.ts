/**
 * A nats-server for tests.
 *
 * `deno task test` starts one for the whole run and names its data folder in `TEST_NATS_FOLDER`;
 * with `TEST_NATS_URL` tests use that server and account instead, whose FRAISEQL_ streams
 * they remove. A test file run alone starts one for itself, which ends with it.
 *
 * Call it at the top of a test file, outside of any test, since the server outlives the test.
 */

// deno-lint-ignore-file camelcase -- the names are the server's

import { fileURLToPath } from "node:url";
import { AppError } from "../../lib/errors.ts";
import { findNatsServer } from "../../lib/embedded/nats_binary.ts";
import { choosePort } from "../../lib/embedded/ports_and_lines.ts";
import { connectNats, type Nats } from "../../lib/events/connect.ts";
import { STREAM } from "../../lib/events/names.ts";
import { readNatsUrl } from "../../lib/events/nats_url.ts";
import { migrateNats } from "../../lib/events/streams.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { holdLock } from "../../lib/embedded/folder_lock.ts";

const cache = fileURLToPath(new URL("../../.cache/", import.meta.url));

/** Where tests keep the nats-server that they fetched. */
export const natsPrograms = `${cache}nats-programs`;

export interface TestNats {
  /** Of an account without any stream, which no other test has. */
  createAccount(): Promise<string>;
}

/** The server; started by the first call of a test file, and the same for every other. */
export function testNats(): Promise<TestNats> {
  started ??= start();
  return started;
}

let started: Promise<TestNats> | undefined;

async function start(): Promise<TestNats> {
  const url = Deno.env.get("TEST_NATS_URL");
  if (url) return { createAccount: () => emptied(url) };
  const folder = Deno.env.get("TEST_NATS_FOLDER") ?? (await startTestNats()).folder;
  return { createAccount: () => createAccount(folder) };
}

/** Small, so that a test can fill a stream. */
export const testLimits: Limits = limits({
  eventStreamBytesMax: 64 * 1024 * 1024,
  batchStreamBytesMax: 64 * 1024 * 1024,
  ingestStreamBytesMax: 16 * 1024 * 1024,
  deadStreamBytesMax: 16 * 1024 * 1024,
});

/** A connection to an account that nobody else has, its streams made. */
export async function natsWithStreams(some: Limits = testLimits): Promise<Nats> {
  const nats = await connectTo(await (await testNats()).createAccount());
  await migrateNats(nats, some);
  return nats;
}

/** Connects as a test does: without waiting, and silent. */
export function connectTo(url: string, level: "error" | "debug" = "error"): Promise<Nats> {
  const log = createLog(level);
  return connectNats({ settings: readNatsUrl(url), name: "test", log, wait: false });
}

export interface TestNatsServer {
  readonly folder: string;
  stop(): Promise<void>;
}

/** Starts a server in a folder that no other run uses just now; what was in it is gone. */
export async function startTestNats(
  onProgress: (line: string) => void = () => {},
): Promise<TestNatsServer> {
  const binary = await findNatsServer({ folder: natsPrograms, onProgress });
  await nameForPath(binary.path);
  const { folder, lock } = await freeFolder();
  const store = `${folder}/jetstream`;
  await Deno.remove(store, { recursive: true }).catch(() => {}); // most often there is none
  const port = choosePort(undefined, undefined);
  // One that nobody uses: a server without any would let everybody in until it knows the first.
  await writeState(folder, { port, accounts: ["nobody"] });
  const child = new Deno.Command(binary.path, {
    args: ["--config", `${folder}/server.conf`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  child.unref();
  await Deno.writeTextFile(`${folder}/pid`, String(child.pid));
  const end = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // it has ended already
    }
  };
  globalThis.addEventListener("unload", end);
  await untilAnswers(port);
  return {
    folder,
    async stop() {
      globalThis.removeEventListener("unload", end);
      end();
      child.ref();
      await child.status;
      lock.close();
    },
  };
}

/** Under the name by which a program looks for it on PATH, so that a test's own need not fetch it. */
async function nameForPath(path: string): Promise<void> {
  if (!path.startsWith(natsPrograms)) return;
  const name = `${natsPrograms}/nats-server`;
  await Deno.remove(name).catch(() => {}); // there is none, or one of an older version
  await Deno.symlink(path, name).catch((error) => { // another run was quicker
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  });
}

async function freeFolder(): Promise<{ folder: string; lock: Deno.FsFile }> {
  for (let n = 1;; n++) {
    const folder = `${cache}nats-${n}`;
    await Deno.mkdir(folder, { recursive: true });
    try {
      return { folder, lock: await holdLock(folder, 0) };
    } catch (error) {
      if (!(error instanceof AppError) || n === serversMax) throw error;
    }
  }
}

/** So many runs at once are a mistake. */
const serversMax = 8;

interface State {
  readonly port: number;
  readonly accounts: readonly string[];
}

/** Adds an account to the running server, and waits until it lets its user in. */
async function createAccount(folder: string): Promise<string> {
  // Test files may run at once, each a process that adds its own.
  using turn = await Deno.open(`${folder}/turn`, { write: true, create: true });
  await turn.lock(true);
  const { port, accounts }: State = JSON.parse(await Deno.readTextFile(`${folder}/state.json`));
  const name = `test${accounts.length + 1}`;
  await writeState(folder, { port, accounts: [...accounts, name] });
  Deno.kill(Number(await Deno.readTextFile(`${folder}/pid`)), "SIGHUP");
  const url = `nats://${name}:${password}@127.0.0.1:${port}`;
  const log = createLog("error");
  for (let tries = 1;; tries++) {
    try {
      // Who is refused while the server reloads may get no answer at all.
      const settings = readNatsUrl(url);
      await (await connectNats({ settings, name: "test", log, wait: false, answerMsMax: 300 }))
        .close();
      return url;
    } catch (error) {
      if (tries === triesMax) throw error;
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

const password = "test";
const triesMax = 500;

async function writeState(folder: string, state: State): Promise<void> {
  const account = (name: string) => ({ jetstream: "enabled", users: [{ user: name, password }] });
  const settings = {
    listen: `127.0.0.1:${state.port}`,
    max_payload: testLimits.natsMessageBytesMax,
    // Sparse files: what tests do not write takes no room.
    jetstream: { store_dir: folder, max_file_store: 1024 ** 4 },
    accounts: Object.fromEntries(state.accounts.map((name) => [name, account(name)])),
  };
  await Deno.writeTextFile(`${folder}/server.conf`, JSON.stringify(settings));
  await Deno.writeTextFile(`${folder}/state.json`, JSON.stringify(state));
}

async function untilAnswers(port: number): Promise<void> {
  for (let tries = 1;; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (tries === triesMax) throw error;
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

/** The given account, without our streams. */
async function emptied(url: string): Promise<string> {
  const nats = await connectTo(url);
  for (const name of Object.values(STREAM)) {
    await nats.manager.streams.delete(name).catch(() => {}); // it may not be there
  }
  await nats.close();
  return url;
}
