/**
 * A NATS URL: `nats://user:password@host:port,host:port?creds=file&tls_ca=file`.
 *
 * Reading it reads the files it names, so that a worker that may use the network alone can be given
 * what came out: plain data.
 */

import { AppError } from "../errors.ts";

/** How to reach and enter a NATS server. */
export interface NatsSettings {
  /** `host:port` each. */
  readonly servers: readonly string[];
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** The text of a credentials file. */
  readonly creds?: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly inboxPrefix?: string;
}

/** Parameters that name a file, whose text is taken. */
const FILES = ["creds", "tls_ca", "tls_cert", "tls_key"] as const;
const PARAMETERS: readonly string[] = [...FILES, "inbox_prefix"];

/** What is wrong with a URL, in sentences that show no password; empty where nothing is. */
export function natsUrlFaults(url: string): string[] {
  const parts = take(url);
  if (typeof parts === "string") return [parts];
  const faults: string[] = [];
  for (const server of parts.servers) {
    if (!URL.canParse(`nats://${server}`) || new URL(`nats://${server}`).hostname === "") {
      faults.push(`${JSON.stringify(server)} is no host:port`);
    }
  }
  for (const name of parts.query.keys()) {
    if (!PARAMETERS.includes(name)) {
      faults.push(`no such parameter: ${name} (known: ${PARAMETERS.join(", ")})`);
    }
  }
  if (parts.query.has("creds") && parts.login !== null) {
    faults.push("creds and a user or token: only one can be meant");
  }
  if (parts.query.has("tls_cert") !== parts.query.has("tls_key")) {
    faults.push("tls_cert and tls_key belong together");
  }
  const prefix = parts.query.get("inbox_prefix");
  if (prefix !== null && !/^[\w-]+(\.[\w-]+)*$/.test(prefix)) {
    faults.push("inbox_prefix must be a subject without wildcards");
  }
  return faults;
}

/** Reads a URL and the files it names; throws `BAD_INPUT` with every fault. */
export function readNatsUrl(
  url: string,
  readFile: (path: string) => string = Deno.readTextFileSync,
): NatsSettings {
  const faults = natsUrlFaults(url);
  const parts = take(url);
  if (typeof parts === "string" || faults.length > 0) {
    throw new AppError("BAD_INPUT", `FRAISEQL_NATS_URL: ${faults.join("; ")}`, { hint: form });
  }
  const files: Partial<Record<string, string>> = {};
  for (const name of FILES) {
    const path = parts.query.get(name);
    if (path === null) continue;
    try {
      files[name] = readFile(path);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new AppError("BAD_INPUT", `FRAISEQL_NATS_URL: ${name} cannot be read: ${reason}`, {
        hint: `name a file of the user who runs fraiseql`,
        cause: error,
      });
    }
  }
  const { tls_ca: ca, tls_cert: cert, tls_key: key, creds } = files;
  const { login } = parts;
  const prefix = parts.query.get("inbox_prefix");
  return {
    servers: parts.servers,
    ...login?.kind === "user" && { user: login.user, password: login.password },
    ...login?.kind === "token" && { token: login.token },
    ...creds !== undefined && { creds },
    ...(parts.tls || ca !== undefined || cert !== undefined) && {
      tls: {
        ...ca !== undefined && { ca },
        ...cert !== undefined && { cert },
        ...key !== undefined && { key },
      },
    },
    ...prefix !== null && { inboxPrefix: prefix },
  };
}

/** Host and port of every server, for messages and permissions. */
export function natsPlace(settings: NatsSettings): string {
  return settings.servers.join(", ");
}

const form = "it must be nats://user:password@host:port or tls://..., see docs/nats.md";
const defaultPort = 4222;

interface Parts {
  readonly tls: boolean;
  readonly servers: readonly string[];
  readonly login:
    | { readonly kind: "user"; readonly user: string; readonly password: string }
    | { readonly kind: "token"; readonly token: string }
    | null;
  readonly query: URLSearchParams;
}

function take(url: string): Parts | string {
  const match = /^(nats|tls):\/\/(?:([^@/?#]*)@)?([^@/?#]+)\/?(?:\?([^#]*))?$/.exec(url);
  if (!match) return form;
  const [, scheme, login, hosts = "", query] = match;
  try {
    return {
      tls: scheme === "tls",
      servers: hosts.split(",").map(withPort),
      login: login ? loginOf(login) : null,
      query: new URLSearchParams(query ?? ""),
    };
  } catch {
    return "user, password or token has a broken %-escape";
  }
}

function withPort(host: string): string {
  return /:\d+$/.test(host) && !host.endsWith("]") ? host : `${host}:${defaultPort}`;
}

function loginOf(text: string): Parts["login"] {
  const colon = text.indexOf(":");
  if (colon < 0) return { kind: "token", token: decodeURIComponent(text) };
  return {
    kind: "user",
    user: decodeURIComponent(text.slice(0, colon)),
    password: decodeURIComponent(text.slice(colon + 1)),
  };
}
