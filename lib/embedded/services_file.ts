/**
 * `<data folder>/services.json`: the URLs of embedded services, passwords included, so that
 * commands beside `serve` find what it started. Only its owner can read it.
 */

import { join } from "node:path";
import { AppError } from "../errors.ts";
import { giveTo, otherOwner } from "./owner.ts";

export type ServiceName = "postgres" | "nats" | "clickhouse" | "search";

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

/** Sets one service's URL and keeps the others. The file is replaced whole, never half written. */
export async function writeService(dataDir: string, name: ServiceName, url: string): Promise<void> {
  const services = { ...await readServices(dataDir), [name]: url };
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
  name: "postgres",
  signal: AbortSignal = AbortSignal.timeout(answerMsMax),
): Promise<string | null> {
  const url = (await readServices(dataDir))[name];
  return url !== undefined && URL.canParse(url) && await answersAsPostgres(new URL(url), signal)
    ? url
    : null;
}

/** A server on this machine answers within a millisecond; a stopped process never does. */
const answerMsMax = 2000;

/** PostgreSQL answers the question for TLS, before any password, with one letter. */
const sslRequest = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);

async function answersAsPostgres(url: URL, signal: AbortSignal): Promise<boolean> {
  let connection: Deno.TcpConn | undefined;
  const close = () => connection?.close();
  try {
    connection = await Deno.connect({ hostname: url.hostname, port: Number(url.port), signal });
    signal.addEventListener("abort", close, { once: true });
    const answer = new Uint8Array(1);
    await connection.write(sslRequest);
    const count = await connection.read(answer);
    return count === 1 && (answer[0] === 0x4e || answer[0] === 0x53); // N or S
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
