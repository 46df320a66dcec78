/** The files of the embedded database: made at the first start, checked at every other. */

import { join } from "node:path";
import { abortError, AppError } from "../errors.ts";
import { type PostgresBinaries, postgresMajor } from "./postgres_binaries.ts";
import { command } from "./postgres_command.ts";
import type { PostgresFolder } from "./postgres_folder.ts";

export const user = "postgres";
export const database = "fraiseql";

export interface PrepareOptions {
  /** The password of an earlier start, where it is known. */
  readonly password: string | null;
  /** False for data that may be lost with the machine: tests'. */
  readonly durable: boolean;
  readonly onProgress: (line: string) => void;
  /** Ends what is being made; the halves are removed by the next start. */
  readonly signal?: AbortSignal;
}

/** Makes the database where there is none, and gives the password that opens it. */
export async function prepareData(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  options: PrepareOptions,
): Promise<string> {
  const { signal } = options;
  await removeHalves(folder.path);
  const major = await majorOf(folder.data);
  if (major !== null && major !== postgresMajor) {
    throw new AppError("BAD_INPUT", `${folder.data} holds data of PostgreSQL ${major}`, {
      hint: `this is PostgreSQL ${postgresMajor}: name another folder with FRAISEQL_DATA_DIR, ` +
        `or dump the data with PostgreSQL ${major} and move the folder away`,
    });
  }
  if (major !== null && options.password !== null) return options.password;

  const password = newPassword();
  const setPassword = `alter role ${user} password '${password}'`;
  if (major !== null) {
    // The file with the password is gone; who owns the data's files can always set a new one.
    await runSingle(folder, binaries, folder.data, "postgres", setPassword, signal);
    return password;
  }
  options.onProgress("creating the database");
  // Renamed when whole, so that one cut short is never taken for a database.
  const half = `${folder.path}/${halfPrefix}${crypto.randomUUID()}`;
  await makeFolder(half, folder.runAs);
  await initialize(folder, binaries, half, options);
  const statements = [`create database ${database}`, setPassword];
  for (const sql of statements) await runSingle(folder, binaries, half, "postgres", sql, signal);
  await Deno.rename(half, folder.data);
  return password;
}

const halfPrefix = "data.part-";

async function removeHalves(path: string): Promise<void> {
  for await (const entry of Deno.readDir(path)) {
    if (entry.name.startsWith(halfPrefix)) {
      await Deno.remove(join(path, entry.name), { recursive: true });
    }
  }
}

/** The major version that made the data; null where there is no data. */
async function majorOf(data: string): Promise<string | null> {
  try {
    return (await Deno.readTextFile(join(data, "PG_VERSION"))).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && !await Deno.stat(data).catch(() => null)) {
      return null;
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new AppError("BAD_INPUT", `${data} cannot be opened as a database: ${reason}`, {
      hint: "start as the user who made it, or move the folder away",
      cause: error,
    });
  }
}

async function makeFolder(path: string, runAs: PostgresFolder["runAs"]): Promise<void> {
  await Deno.mkdir(path, { mode: 0o700 });
  if (runAs) await Deno.chown(path, runAs.uid, runAs.gid);
}

/** 192 bits, in letters that no URL and no SQL text has to escape. */
function newPassword(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return bytes.toBase64({ alphabet: "base64url" });
}

async function initialize(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  target: string,
  { durable, signal }: PrepareOptions,
): Promise<void> {
  // A password is asked for by every way in; the real one follows in single-user mode, so that
  // none lies in a file.
  const passwordFile = `${target}.password`;
  await Deno.writeTextFile(passwordFile, newPassword(), { mode: 0o600, createNew: true });
  try {
    if (folder.runAs) await Deno.chown(passwordFile, folder.runAs.uid, folder.runAs.gid);
    const { success, stderr } = await command(folder, binaries.initdb, [
      ...["-D", target, "-U", user, "-E", "UTF8"],
      ...["-A", "scram-sha-256", "--pwfile", passwordFile],
      // Upper and lower case of every script, the same on every platform, sorted by code point.
      ...["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
      ...["--no-instructions", ...(durable ? [] : ["--no-sync"])],
    ], signal && { signal }).output();
    if (signal?.aborted) throw abortError(signal);
    if (!success) throw initdbError(new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(passwordFile);
  }
}

function initdbError(text: string): AppError {
  const seen = text.trim().split("\n").at(-1) ?? "";
  if (text.includes("could not look up effective user ID")) {
    return new AppError(
      "UNSUPPORTED",
      `PostgreSQL does not run as user id ${Deno.uid()}: ${seen}`,
      {
        hint: "give the user id a line in /etc/passwd, or set DATABASE_URL to a PostgreSQL server",
      },
    );
  }
  return new AppError("UNAVAILABLE", `PostgreSQL cannot create a database: ${seen}`, {
    hint: "see the cause; or set DATABASE_URL to a PostgreSQL server",
    cause: new Error(text),
  });
}

/** One statement without a server running: nobody else can get in meanwhile. */
async function runSingle(
  folder: PostgresFolder,
  binaries: PostgresBinaries,
  data: string,
  inDatabase: string,
  sql: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const args = ["--single", "-D", data, "-c", "log_min_messages=error", inDatabase];
  const child = command(folder, binaries.postgres, args, {
    stdin: "piped",
    ...(signal && { signal }),
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(`${sql}\n`)).then(() => writer.close());
  // Where it ends before it has read all, what it says tells why.
  const [{ success, stderr }] = await Promise.all([child.output(), written.catch(() => {})]);
  if (signal?.aborted) throw abortError(signal);
  const text = new TextDecoder().decode(stderr);
  if (success && !/\b(ERROR|FATAL|PANIC):/.test(text)) return;
  // Not the statement: it may hold the password.
  throw new AppError("UNAVAILABLE", `PostgreSQL cannot prepare its data: ${text.trim()}`);
}
