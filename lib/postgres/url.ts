/**
 * Connection URLs as libpq reads them, so that a URL that works with `psql` works here.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 *
 * No message quotes the part before the host: a password whose `/` or `?` is not percent-encoded
 * ends up in what looks like host, port, database or parameter.
 */

import { userInfo } from "node:os";
import { suggestion } from "../config.ts";
import { AppError } from "../errors.ts";

export const SSL_MODES = [
  "disable",
  "allow",
  "prefer",
  "require",
  "verify-ca",
  "verify-full",
] as const;
export type SslMode = (typeof SSL_MODES)[number];

export const SESSION_ATTRS = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;
export type SessionAttrs = (typeof SESSION_ATTRS)[number];

const CHANNEL_BINDINGS = ["disable", "prefer", "require"] as const;

/** One place to try. */
export interface Server {
  /** A name, an address, or the folder of a unix socket (begins with `/`). */
  readonly host: string;
  readonly port: number;
  /** What the name was found to be, once connected. */
  readonly address?: string;
}

/** What a URL says, complete. */
export interface ConnectTarget {
  /** Tried in order. */
  readonly servers: readonly Server[];
  readonly user: string;
  readonly password: string | null;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Path of the authorities' certificates; null or `system`: those that Deno trusts. */
  readonly sslRootCert: string | null;
  readonly sslCert: string | null;
  readonly sslKey: string | null;
  readonly channelBinding: (typeof CHANNEL_BINDINGS)[number];
  readonly applicationName: string | null;
  /** Null: `connectMsMax` alone. */
  readonly connectTimeoutMs: number | null;
  readonly targetSessionAttrs: SessionAttrs;
  /** Command-line options for the server, e.g. `-c search_path=shop`. */
  readonly options: string | null;
}

const PARAMETERS = [
  "application_name",
  "channel_binding",
  "connect_timeout",
  "dbname",
  "host",
  "options",
  "password",
  "port",
  "sslcert",
  "sslkey",
  "sslmode",
  "sslrootcert",
  "target_session_attrs",
  "user",
] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Reads a URL; throws `BAD_INPUT` that names every part at fault. */
export function parseUrl(text: string): ConnectTarget {
  const faults = new Faults();
  const target = readUrl(text, faults);
  if (!target || faults.found.length > 0) throw faults.error();
  return target;
}

/** Everything that is wrong with a URL, each a sentence; empty for one that `parseUrl` reads. */
export function urlFaults(text: string): string[] {
  const faults = new Faults();
  readUrl(text, faults);
  return faults.found.map(({ what, hint }) => hint ? `${what}: ${hint}` : what);
}

/** Null where it is no URL of PostgreSQL at all; otherwise good only where there are no faults. */
function readUrl(text: string, faults: Faults): ConnectTarget | null {
  const scheme = /^postgres(?:ql)?:\/\//.exec(text);
  if (!scheme) {
    faults.add("it must begin with postgres:// or postgresql://");
    return null;
  }
  const rest = text.slice(scheme[0].length);
  const queryAt = rest.indexOf("?");
  const beforeQuery = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const given = readParameters(queryAt < 0 ? "" : rest.slice(queryAt + 1), faults);

  const slashAt = beforeQuery.indexOf("/");
  const authority = slashAt < 0 ? beforeQuery : beforeQuery.slice(0, slashAt);
  const path = slashAt < 0 ? "" : beforeQuery.slice(slashAt + 1);
  // The end of a password, taken for the database's name, would be shown as one.
  if (path.includes("@")) faults.add("there is an @ after the first /", encodeHint);
  const at = authority.lastIndexOf("@");
  const login = at < 0 ? "" : authority.slice(0, at);
  const colon = login.indexOf(":");

  const user = given.user ||
    decode(colon < 0 ? login : login.slice(0, colon), "the user", faults) || systemUser();
  const password = given.password ??
    (colon < 0 ? null : decode(login.slice(colon + 1), "the password", faults));
  const sslRootCert = given.sslrootcert || null;
  const sslMode = oneOf("sslmode", given.sslmode, SSL_MODES, faults) ??
    // As libpq: who trusts the world's authorities must check the name too.
    (sslRootCert === "system" ? "verify-full" : "prefer");
  if (sslRootCert === "system" && sslMode !== "verify-full") {
    faults.add("sslrootcert=system needs sslmode=verify-full");
  }
  if (Boolean(given.sslcert) !== Boolean(given.sslkey)) {
    faults.add("sslcert and sslkey are given together");
  }
  return {
    servers: readServers(authority.slice(at + 1), given.host, given.port, faults),
    user,
    password,
    database: given.dbname || decode(path, "the database", faults) || user,
    sslMode,
    sslRootCert,
    sslCert: given.sslcert || null,
    sslKey: given.sslkey || null,
    channelBinding: oneOf("channel_binding", given.channel_binding, CHANNEL_BINDINGS, faults) ??
      "prefer",
    applicationName: given.application_name || null,
    connectTimeoutMs: readTimeout(given.connect_timeout, faults),
    targetSessionAttrs:
      oneOf("target_session_attrs", given.target_session_attrs, SESSION_ATTRS, faults) ?? "any",
    options: given.options || null,
  };
}

/** What is wrong, found so far; never with a part of the text that might be a password's. */
class Faults {
  readonly found: { what: string; hint?: string | undefined }[] = [];

  add(what: string, hint?: string): void {
    // One cause can show at several places, e.g. at each of two ports.
    if (!this.found.some((fault) => fault.what === what)) this.found.push({ what, hint });
  }

  error(): AppError {
    const what = this.found.map((fault) => fault.what).join("; ");
    const hints = this.found.flatMap(({ hint }) => hint ?? []);
    return new AppError("BAD_INPUT", `DATABASE_URL cannot be read: ${what}`, {
      hint: [...new Set(hints)].join("; ") || `${urlForm}; ${encodeHint}`,
    });
  }
}

const urlForm = "postgres://user:password@host:5432/database?sslmode=verify-full";
const encodeHint = "in user and password write : / ? # @ % percent-encoded";

/** Which database of which server, for messages: no user, no password. */
export function placeName({ servers, database }: ConnectTarget): string {
  return `database ${database} at ${servers.map(serverName).join(", ")}`;
}

/** Where a server is, for messages: no user, no password. */
export function serverName(server: Server): string {
  if (isSocket(server)) return socketPath(server);
  return server.host.includes(":")
    ? `[${server.host}]:${server.port}`
    : `${server.host}:${server.port}`;
}

export function isSocket(server: Server): boolean {
  return server.host.startsWith("/");
}

/** The file of a unix socket: the host itself where it names one, else PostgreSQL's name in it. */
export function socketPath(server: Server): string {
  return /\.s\.PGSQL\.\d+$/.test(server.host)
    ? server.host
    : `${server.host.replace(/\/$/, "")}/.s.PGSQL.${server.port}`;
}

function readParameters(query: string, faults: Faults): Partial<Record<Parameter, string>> {
  const given: Partial<Record<Parameter, string>> = {};
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decode(equals < 0 ? pair : pair.slice(0, equals), "a parameter's name", faults);
    if (isParameter(name)) {
      if (equals < 0) faults.add(`the parameter ${name} has no value`);
      else given[name] = decode(pair.slice(equals + 1), `the parameter ${name}`, faults);
    } else if (query.includes("@")) faults.add("there is an @ after the first ?", encodeHint);
    else {
      faults.add(
        `the parameter ${JSON.stringify(name)} is not supported${suggestion(name, PARAMETERS)}`,
        `supported are ${PARAMETERS.join(", ")}`,
      );
    }
  }
  return given;
}

function isParameter(name: string): name is Parameter {
  return (PARAMETERS as readonly string[]).includes(name);
}

function readServers(
  authority: string,
  hostParameter: string | undefined,
  portParameter: string | undefined,
  faults: Faults,
): Server[] {
  const places = authority.split(",").map((place) => splitPort(place, faults));
  const hosts = hostParameter ? hostParameter.split(",") : places.map((place) => place.host);
  const ports = portParameter ? portParameter.split(",") : places.map((place) => place.port);
  if (ports.length !== 1 && ports.length !== hosts.length) {
    faults.add(`it has ${hosts.length} hosts and ${ports.length} ports`);
  }
  return hosts.map((host, index) => ({
    host: host || "localhost",
    port: readPort(ports.length === 1 ? ports[0] : ports[index], faults),
  }));
}

function splitPort(place: string, faults: Faults): { host: string; port: string } {
  const match = /^(?:\[([^\]]*)\]|([^:\[\]]*))(?::(.*))?$/.exec(place);
  if (!match) faults.add("host and port cannot be told apart", encodeHint);
  return {
    host: decode(match?.[1] ?? match?.[2] ?? "", "the host", faults),
    port: decode(match?.[3] ?? "", "the port", faults),
  };
}

function readPort(text: string | undefined, faults: Faults): number {
  if (!text) return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) {
    faults.add("a port must be a number from 1 to 65535", encodeHint);
  }
  return port;
}

function readTimeout(text: string | undefined, faults: Faults): number | null {
  if (text === undefined || text === "") return null;
  if (!/^\d{1,6}$/.test(text)) faults.add("connect_timeout must be a whole number of seconds");
  const seconds = Number(text);
  // As libpq: 0 waits for ever, and 1 is too short to be meant.
  return seconds === 0 ? null : Math.max(2, seconds) * 1000;
}

function oneOf<Word extends string>(
  name: string,
  text: string | undefined,
  words: readonly Word[],
  faults: Faults,
): Word | null {
  if (text === undefined || text === "") return null;
  const word = words.find((word) => word === text);
  if (!word) faults.add(`${name} must be one of ${words.join(", ")}`);
  return word ?? null;
}

function decode(text: string, what: string, faults: Faults): string {
  try {
    const decoded = decodeURIComponent(text);
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // Told below.
  }
  faults.add(
    `${what} has a % that begins no percent-encoded character`,
    "write % itself as %25",
  );
  return "";
}

/** libpq's default; the fallback is for programs that may not ask the system. */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return "postgres";
  }
}
