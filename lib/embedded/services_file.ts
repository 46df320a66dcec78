/**
 * `<data folder>/services.json`: the URLs of embedded services, passwords included, so that
 * commands beside `serve` find what it started. Only its owner can read it.
 */

import { join } from "node:path";
import { AppError } from "../errors.ts";
import { giveTo, otherOwner } from "./owner.ts";

/** `nats` is the administrator's, `nats.<user>` of the users with fewer rights. */
export type ServiceName = "postgres" | "nats" | `nats.${string}` | "clickhouse" | "search";

/** The URLs that the file holds; empty where there is no file. */
export async function readServices(dataDir: string): Promise<Record<string, string>> {
  const path = servicesPath(dataDir);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw new AppError("BAD_INPUT", `cannot read ${path}: ${reason(error)}`, {
      hint: "it must be a file of the user who runs fraiseql",
      cause: error,
    });
  }
  const services = parse(text);
  if (services) return services;
  throw new AppError("BAD_INPUT", `${path} is not what fraiseql wrote: no object of texts`, {
    hint: "remove the file: it is written anew at the next start, and the data stays",
  });
}

/** Sets one service's URL and keeps the others. */
export function writeService(dataDir: string, name: ServiceName, url: string): Promise<void> {
  return writeServices(dataDir, { [name]: url });
}

/** Sets the URLs of some services and keeps the others. */
export function writeServices(
  dataDir: string,
  urls: Readonly<Record<string, string>>,
): Promise<void> {
  // In turn, since services that start at once would each write the file without the others.
  const written = lastWrite.then(() => replaceFile(dataDir, urls));
  lastWrite = written.catch(() => {}); // whoever asked for it is told
  return written;
}

let lastWrite: Promise<void> = Promise.resolve();

/** The file is replaced whole, never half written. */
async function replaceFile(dataDir: string, urls: Readonly<Record<string, string>>): Promise<void> {
  const services = { ...await readServices(dataDir), ...urls };
  const path = servicesPath(dataDir);
  const written = `${path}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(written, JSON.stringify(services, null, 2) + "\n", {
      mode: 0o600,
      createNew: true,
    });
    // Written by root it stays the file of whose folder it is in.
    const owner = await otherOwner(dataDir) ?? await otherOwner(path);
    if (owner) await giveTo(owner, written);
    await Deno.rename(written, path);
  } catch (error) {
    await Deno.remove(written).catch(() => {}); // it may never have been made
    throw new AppError("BAD_INPUT", `cannot write ${path}: ${reason(error)}`, {
      hint: "free some space, or name another folder with FRAISEQL_DATA_DIR",
      cause: error,
    });
  }
}

/** The URL of an embedded service that answers right now, else null. */
export async function runningUrl(
  dataDir: string,
  name: keyof typeof GREETINGS,
  signal: AbortSignal = AbortSignal.timeout(answerMsMax),
): Promise<string | null> {
  const url = (await readServices(dataDir))[name];
  if (url === undefined || !URL.canParse(url)) return null;
  return await answers(new URL(url), GREETINGS[name], signal) ? url : null;
}

/** A server on this machine answers within a millisecond; a stopped process never does. */
const answerMsMax = 2000;

interface Greeting {
  /** Sent first; nothing where the server speaks first. */
  readonly hello: Uint8Array<ArrayBuffer>;
  /** What the answer may begin with. */
  readonly answers: readonly string[];
}

/** What a server says before it asks for any password. */
const GREETINGS = {
  // The question for TLS, which is answered with one letter.
  postgres: { hello: Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47), answers: ["N", "S"] },
  nats: { hello: new Uint8Array(), answers: ["I"] }, // INFO {...}
  clickhouse: {
    hello: new TextEncoder().encode("GET /ping HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"),
    answers: ["H"], // HTTP/1.x 200
  },
} as const satisfies Readonly<Record<string, Greeting>>;

async function answers(url: URL, greeting: Greeting, signal: AbortSignal): Promise<boolean> {
  let connection: Deno.TcpConn | undefined;
  const close = () => connection?.close();
  try {
    connection = await Deno.connect({ hostname: url.hostname, port: Number(url.port), signal });
    signal.addEventListener("abort", close, { once: true });
    const answer = new Uint8Array(1);
    if (greeting.hello.length > 0) await connection.write(greeting.hello);
    const count = await connection.read(answer);
    return count === 1 && greeting.answers.includes(String.fromCharCode(answer[0] ?? 0));
  } catch {
    return false; // refused, cut or too slow: it does not answer, whatever the reason
  } finally {
    signal.removeEventListener("abort", close);
    if (!signal.aborted) close();
  }
}

function servicesPath(dataDir: string): string {
  return join(dataDir, "services.json");
}

function parse(text: string): Record<string, string> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // the caller says what to do
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || !Object.values(value as object).every((url) => typeof url === "string")) {
    return undefined;
  }
  return value as Record<string, string>;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
