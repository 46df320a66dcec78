/** `FRAISEQL_CLICKHOUSE_URL` and what it names. */

import { AppError } from "../errors.ts";
import { loginFault } from "../percent_escapes.ts";

export interface ClickhouseSettings {
  /** Scheme, host and port. */
  readonly origin: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** Tables are made `ON CLUSTER`, replicated; null: on this server alone. */
  readonly cluster: string | null;
}

/** What stands in keys of their own; they beat the URL. */
export interface ClickhouseUrlExtras {
  readonly user?: string | null;
  readonly password?: string | null;
  readonly database?: string | null;
}

/** What is wrong with a URL; null where nothing is. */
export function clickhouseUrlFault(text: string): string | null {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    return "must be http://user:password@host:8123/database, or https://...";
  }
  const url = new URL(text);
  const odd = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (odd !== undefined) {
    return `has the parameter ${odd}, of which it takes only ${PARAMETERS.join(" and ")}`;
  }
  const [path, database] = [url.pathname.slice(1), url.searchParams.get("database")];
  if (!NAME.test(path || "x")) return "must have nothing but the database's name as its path";
  if (!NAME.test(database ?? "x")) return "has a database that is no name";
  if (path !== "" && database !== null && path !== database) {
    return `names the databases ${path} and ${database}`;
  }
  if (!NAME.test(url.searchParams.get("cluster") ?? "x")) return "has a cluster that is no name";
  return loginFault(url);
}

const PARAMETERS = ["cluster", "database"];

/** Names that need no quoting anywhere; they are quoted all the same. */
const NAME = /^[A-Za-z_]\w{0,99}$/;

/** Takes the URL apart; throws `BAD_INPUT` without showing its password. */
export function readClickhouseUrl(
  text: string,
  extras: ClickhouseUrlExtras = {},
): ClickhouseSettings {
  const database = extras.database ?? null;
  const fault = clickhouseUrlFault(text) ??
    (database !== null && !NAME.test(database) ? `names the database ${database}` : null);
  if (fault !== null) {
    throw new AppError("BAD_INPUT", `the ClickHouse URL ${fault}`, {
      hint: "for example http://user:password@127.0.0.1:8123/fraiseql",
    });
  }
  const url = new URL(text);
  return {
    origin: url.origin,
    user: extras.user ?? (decodeURIComponent(url.username) || "default"),
    password: extras.password ?? decodeURIComponent(url.password),
    database: database ?? (url.pathname.slice(1) || url.searchParams.get("database") ||
      defaultDatabase),
    cluster: url.searchParams.get("cluster"),
  };
}

/** The same URL as ClickHouse's HTTP interface itself takes it, for curl and the like. */
export function httpInterfaceUrl(text: string): string {
  const { database } = readClickhouseUrl(text);
  const url = new URL(text);
  url.pathname = "/";
  url.search = new URLSearchParams({ database }).toString();
  return url.href;
}

const defaultDatabase = "fraiseql";
