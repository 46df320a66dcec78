/**
 * Configuration: a flag beats the environment, the environment beats `fraiseql.toml`, and that
 * beats the default. One table says everything about a key; all faults are listed at once, since a
 * person would rather mend four keys than start four times.
 */

import { parse as parseToml, TomlError } from "smol-toml";
import { AppError } from "./errors.ts";
import { type LimitName, LIMITS, type Limits } from "./limits.ts";
import { parseSearchColumns, type SearchColumn } from "./search_columns.ts";

export type Topology = "http" | "dual" | "arrow" | "full";
export type Unrepresentable = "error" | "null";
/** Where events are stored. */
export const SINKS = ["clickhouse", "elasticsearch"] as const;
export type SinkName = typeof SINKS[number];
export type ChangeLogFull = "stop-capturing" | "refuse-writes";

/** What the program was told, complete and checked. */
export interface Config {
  /** Null: the embedded PostgreSQL. */
  readonly databaseUrl: string | null;
  /** Null: the embedded NATS. */
  readonly natsUrl: string | null;
  /** Null: the embedded ClickHouse. */
  readonly clickhouseUrl: string | null;
  /** These beat what the URL names; null: they are not given. */
  readonly clickhouseUser: string | null;
  readonly clickhousePassword: string | null;
  readonly clickhouseDatabase: string | null;
  /** Null: the embedded search store. */
  readonly elasticsearchUrl: string | null;
  /** These beat what the URL names; null: they are not given. */
  readonly elasticsearchApiKey: string | null;
  readonly elasticsearchUser: string | null;
  readonly elasticsearchPassword: string | null;
  /** In PEM; null: the authorities that the system knows. */
  readonly elasticsearchCa: string | null;
  readonly topology: Topology;
  readonly bindAddr: Address;
  readonly flightBindAddr: Address;
  readonly dbSchemas: readonly string[];
  /** Path of the schema file; null: the schema is made from the catalog alone. */
  readonly schema: string | null;
  readonly dataDir: string;
  readonly unrepresentable: Unrepresentable;
  /** Null: not said, so `shop` when the database is embedded and empty. */
  readonly sample: "shop" | "none" | null;
  readonly corsOrigins: readonly string[];
  /** Views that `OptimizedView` offers beside those whose name begins with `va_`. */
  readonly flightViews: readonly string[];
  /** How long results may be given again; 0: not at all. */
  readonly resultCacheSeconds: number;
  /** Relations whose results may be kept, or `*`. */
  readonly resultCache: readonly string[];
  /** What writers do while the change log is at its limit. */
  readonly changeLogFull: ChangeLogFull;
  /** Which of them `serve` runs. */
  readonly sinks: readonly SinkName[];
  /** How old an event may be. */
  readonly eventRetentionDays: number;
  /** Numbers of events that a search can compare. */
  readonly searchColumns: readonly SearchColumn[];
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly limits: Limits;
}

export interface Address {
  readonly hostname: string;
  readonly port: number;
}

export interface ConfigKey {
  /** As in `fraiseql.toml`. */
  readonly key: string;
  readonly env: string;
  readonly help: string;
  readonly default: string;
  /** Secrets can also come from a file (`<env>_FILE`) and are never printed. */
  readonly secret?: true;
  /** What brings it: until then the key is refused. */
  readonly later?: string;
  /** Gives the value, or a sentence that says what is wrong with it. */
  readonly read?: (text: string) => unknown | Fault;
}

/** A value that cannot be taken, and why. */
export class Fault {
  constructor(readonly text: string) {}
}

const oneOf = (...words: string[]) => (text: string) =>
  words.includes(text) ? text : new Fault(`must be one of ${words.join(", ")}`);

function address(text: string): Address | Fault {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    return new Fault("must be host:port, for example 127.0.0.1:8080 or [::1]:8080");
  }
  return { hostname: match[1] ?? (match[2] || "0.0.0.0"), port };
}

const list = (text: string) => text.split(",").map((part) => part.trim()).filter((part) => part);

function someNames(text: string): string[] | Fault {
  const names = list(text);
  return names.length > 0 ? names : new Fault("must name at least one, comma separated");
}

function notEmpty(text: string): string | Fault {
  return text === "" ? new Fault("must not be empty") : text;
}

function origins(text: string): string[] | Fault {
  const odd = list(text).find((word) =>
    word !== "*" && !(URL.canParse(word) && new URL(word).origin === word)
  );
  if (odd === undefined) return list(text);
  return new Fault("must be * or origins like https://app.example, comma separated");
}

/** Whole seconds up to a day. */
function seconds(text: string): number | Fault {
  const secondsMax = 86_400;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return value <= secondsMax ? value : new Fault(`must be whole seconds from 0 to ${secondsMax}`);
}

/** Whole days up to a hundred years. */
function days(text: string): number | Fault {
  const daysMax = 36_500;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  return value >= 1 && value <= daysMax
    ? value
    : new Fault(`must be whole days from 1 to ${daysMax}`);
}

function databaseUrl(text: string): string | Fault {
  return /^postgres(ql)?:\/\//.test(text)
    ? text
    : new Fault("must begin with postgres:// or postgresql://");
}

function natsUrl(text: string): string | Fault {
  return /^(nats|tls):\/\//.test(text) ? text : new Fault("must begin with nats:// or tls://");
}

function clickhouseUrl(text: string): string | Fault {
  return /^https?:\/\//.test(text) && URL.canParse(text)
    ? text
    : new Fault("must begin with http:// or https://");
}

function clickhouseDatabase(text: string): string | Fault {
  return /^[A-Za-z_]\w{0,99}$/.test(text)
    ? text
    : new Fault("must be letters, digits and underscores, up to 100");
}

function elasticsearchUrl(text: string): string | Fault {
  return /^https?:\/\//.test(text) && URL.canParse(text)
    ? text
    : new Fault("must begin with http:// or https://");
}

function certificates(text: string): string | Fault {
  return /-----BEGIN CERTIFICATE-----/.test(text)
    ? text
    : new Fault("must be certificates in PEM, which begin with -----BEGIN CERTIFICATE-----");
}

function sinkNames(text: string): SinkName[] | Fault {
  const names = list(text);
  if (names.join() === "none") return [];
  const isKnown = names.length > 0 && names.every((name) => SINKS.some((sink) => sink === name));
  return isKnown
    ? SINKS.filter((sink) => names.includes(sink))
    : new Fault("must be some of clickhouse, elasticsearch, or none");
}

function searchColumns(text: string): readonly SearchColumn[] | Fault {
  const columns = parseSearchColumns(text);
  return typeof columns === "string" ? new Fault(columns) : columns;
}

const auth = "authentication";

// deno-fmt-ignore: a table reads best as one
export const CONFIG_KEYS: readonly ConfigKey[] = [
  { key: "database_url", env: "DATABASE_URL", default: "", secret: true, read: databaseUrl, help: "the PostgreSQL database to serve (default: an embedded one)" },
  { key: "topology", env: "FRAISEQL_TOPOLOGY", default: "", read: oneOf("http", "dual", "arrow", "full"), help: "http, dual (HTTP and Flight), arrow (Flight) or full" },
  { key: "bind_addr", env: "FRAISEQL_BIND_ADDR", default: "127.0.0.1:8080", read: address, help: "address of HTTP; port 0 takes a free one" },
  { key: "flight_bind_addr", env: "FRAISEQL_FLIGHT_BIND_ADDR", default: "127.0.0.1:50051", read: address, help: "address of Flight; port 0 takes a free one" },
  { key: "db_schemas", env: "FRAISEQL_DB_SCHEMAS", default: "public", read: someNames, help: "PostgreSQL schemas to expose, comma separated" },
  { key: "schema", env: "FRAISEQL_SCHEMA", default: "", help: "GraphQL SDL file with directives, served as it is (default: all that db_schemas hold)" },
  { key: "data_dir", env: "FRAISEQL_DATA_DIR", default: ".fraiseql", read: notEmpty, help: "where embedded services keep their data" },
  { key: "unrepresentable", env: "FRAISEQL_UNREPRESENTABLE", default: "error", read: oneOf("error", "null"), help: "what to do with a value that the format cannot hold: error, or null" },
  { key: "sample", env: "FRAISEQL_SAMPLE", default: "", read: oneOf("shop", "none"), help: "sample data for an empty embedded database: shop or none (default: shop)" },
  { key: "cors_origins", env: "FRAISEQL_CORS_ORIGINS", default: "", read: origins, help: "origins whose pages may ask, comma separated; * for all (default: none)" },
  { key: "flight_views", env: "FRAISEQL_FLIGHT_VIEWS", default: "", read: list, help: "views for OptimizedView tickets beside those named va_..., comma separated" },
  { key: "result_cache", env: "FRAISEQL_RESULT_CACHE", default: "", read: list, help: "relations whose results may be kept, comma separated; * for all (default: none)" },
  { key: "result_cache_seconds", env: "FRAISEQL_RESULT_CACHE_SECONDS", default: "0", read: seconds, help: "how old an answer from the result cache may be; 0: none is kept" },
  { key: "log_level", env: "FRAISEQL_LOG_LEVEL", default: "info", read: oneOf("debug", "info", "warn", "error"), help: "debug, info, warn or error" },
  { key: "nats_url", env: "FRAISEQL_NATS_URL", default: "", secret: true, read: natsUrl, help: "the NATS server of events, nats://user:password@host:port (default: the embedded one)" },
  { key: "clickhouse_url", env: "FRAISEQL_CLICKHOUSE_URL", default: "", secret: true, read: clickhouseUrl, help: "the ClickHouse server of events, http://user:password@host:8123/database (default: the embedded one)" },
  { key: "clickhouse_user", env: "FRAISEQL_CLICKHOUSE_USER", default: "", read: notEmpty, help: "ClickHouse user (default: the URL's)" },
  { key: "clickhouse_password", env: "FRAISEQL_CLICKHOUSE_PASSWORD", default: "", secret: true, help: "ClickHouse password (default: the URL's)" },
  { key: "clickhouse_database", env: "FRAISEQL_CLICKHOUSE_DATABASE", default: "", read: clickhouseDatabase, help: "ClickHouse database (default: the URL's, else fraiseql)" },
  { key: "elasticsearch_url", env: "FRAISEQL_ELASTICSEARCH_URL", default: "", secret: true, read: elasticsearchUrl, help: "the Elasticsearch or OpenSearch of events, https://user:password@host:9200 (default: the embedded search)" },
  { key: "elasticsearch_api_key", env: "FRAISEQL_ELASTICSEARCH_API_KEY", default: "", secret: true, read: notEmpty, help: "Elasticsearch API key, encoded or as id:key" },
  { key: "elasticsearch_user", env: "FRAISEQL_ELASTICSEARCH_USER", default: "", read: notEmpty, help: "Elasticsearch user (default: the URL's)" },
  { key: "elasticsearch_password", env: "FRAISEQL_ELASTICSEARCH_PASSWORD", default: "", secret: true, read: notEmpty, help: "Elasticsearch password (default: the URL's)" },
  { key: "elasticsearch_ca", env: "FRAISEQL_ELASTICSEARCH_CA", default: "", secret: true, read: certificates, help: "authorities that sign Elasticsearch's certificate, in PEM; most often FRAISEQL_ELASTICSEARCH_CA_FILE=http_ca.crt (default: the system's)" },
  { key: "sinks", env: "FRAISEQL_SINKS", default: "", read: sinkNames, help: "where serve stores events: clickhouse, elasticsearch, comma separated, or none (default: those whose URL is given, and with the embedded database both)" },
  { key: "change_log_full", env: "FRAISEQL_CHANGE_LOG_FULL", default: "stop-capturing", read: oneOf("stop-capturing", "refuse-writes"), help: "what writers do when the change log is full: stop-capturing or refuse-writes" },
  { key: "event_retention_days", env: "FRAISEQL_EVENT_RETENTION_DAYS", default: "90", read: days, help: "days that events are kept, in ClickHouse too: rows of an older time are left out of a back-fill" },
  { key: "search_columns", env: "FRAISEQL_SEARCH_COLUMNS", default: "", read: searchColumns, help: "numbers of events' data that a search can compare, paths with points, comma separated: total,items.price (default: none)" },
  { key: "jwt_secret", env: "FRAISEQL_JWT_SECRET", default: "", secret: true, later: auth, help: "secret of HS256 tokens" },
  { key: "jwks_url", env: "FRAISEQL_JWKS_URL", default: "", later: auth, help: "keys of tokens" },
  { key: "issuer", env: "FRAISEQL_ISSUER", default: "", later: auth, help: "issuer of tokens" },
  { key: "audience", env: "FRAISEQL_AUDIENCE", default: "", later: auth, help: "audience of tokens" },
  { key: "algorithms", env: "FRAISEQL_ALGORITHMS", default: "", later: auth, help: "algorithms of tokens" },
  { key: "tls_cert", env: "FRAISEQL_TLS_CERT", default: "", later: "TLS", help: "certificate of both transports" },
  { key: "tls_key", env: "FRAISEQL_TLS_KEY", default: "", later: "TLS", help: "private key of both transports" },
  { key: "tls_client_ca", env: "FRAISEQL_TLS_CLIENT_CA", default: "", later: "TLS", help: "authority of client certificates" },
  { key: "flight_tls_cert", env: "FRAISEQL_FLIGHT_TLS_CERT", default: "", later: "TLS", help: "certificate of Flight" },
  { key: "flight_tls_key", env: "FRAISEQL_FLIGHT_TLS_KEY", default: "", later: "TLS", help: "private key of Flight" },
  { key: "flight_tls_client_ca", env: "FRAISEQL_FLIGHT_TLS_CLIENT_CA", default: "", later: "TLS", help: "authority of client certificates of Flight" },
  { key: "mode", env: "FRAISEQL_MODE", default: "", later: "production mode", help: "development or production" },
];

/** Where configuration comes from; tests give their own. */
export interface ConfigSources {
  /** Flags by the key's name in the file; limits as `limits.<name>`. */
  readonly flags: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  /** Text of `fraiseql.toml`, or why it cannot be read; null where there is none. */
  readonly file: ConfigFile | null;
  readonly readSecret: (path: string) => string;
  /** What is wrong with a value, by its key: for what this file cannot know. */
  readonly checks?: Readonly<Record<string, (value: string) => readonly string[]>>;
}

export type ConfigFile =
  & { readonly path: string }
  & ({ readonly text: string } | { readonly unreadable: string });

export const CONFIG_FILE_ENV = "FRAISEQL_CONFIG";
const limitEnvPrefix = "FRAISEQL_LIMITS_";

/** `statementSecondsMax` as in the file: `statement_seconds_max`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());
}

/** Reads and checks everything; throws one `AppError` that lists every fault. */
export function readConfig(sources: ConfigSources): Config {
  const faults: string[] = [];
  const file = sources.file ? readFile(sources.file, faults) : {};
  refuseUnknown(sources, file, faults);

  const values: Record<string, unknown> = {};
  for (const row of CONFIG_KEYS) {
    const found = find(row, sources, file, faults);
    if (found === undefined) {
      values[row.key] = row.default && row.read ? row.read(row.default) : row.default;
      continue;
    }
    if (row.later) {
      faults.push(`${found.from}: not supported yet, it comes with ${row.later}; remove it`);
      continue;
    }
    const value = row.read ? row.read(found.text) : found.text;
    if (value instanceof Fault) {
      const seen = row.secret ? "" : ` (is ${JSON.stringify(found.text)})`;
      faults.push(`${found.from}: ${value.text}${seen}`);
      continue;
    }
    const odd = sources.checks?.[row.key]?.(found.text) ?? [];
    faults.push(...odd.map((fault) => `${found.from}: ${fault}`));
    values[row.key] = value;
  }
  if (values.sample === "shop" && values.database_url) {
    faults.push(
      "sample: shop is for the embedded database, and a database is named: remove it, " +
        "or run fraiseql sample shop once to make the shop there",
    );
  }
  for (const [url, ...keys] of KEYS_OF_URLS) {
    for (const key of keys.filter((key) => values[key] && values[url] === "")) {
      faults.push(`${key}: has no effect without ${url}; set both or none`);
    }
  }
  const limits = readLimits(sources, file, faults);
  refuseHalfCache(values, faults);

  if (faults.length > 0) {
    const head = faults.length === 1 ? "1 fault" : `${faults.length} faults`;
    throw new AppError("BAD_INPUT", `configuration has ${head}:\n  ${faults.join("\n  ")}`, {
      hint: "fraiseql serve --help lists every key",
    });
  }
  const given = (key: string) => values[key] === "" ? null : values[key];
  return {
    databaseUrl: given("database_url") as string | null,
    natsUrl: given("nats_url") as string | null,
    clickhouseUrl: given("clickhouse_url") as string | null,
    clickhouseUser: given("clickhouse_user") as string | null,
    clickhousePassword: given("clickhouse_password") as string | null,
    clickhouseDatabase: given("clickhouse_database") as string | null,
    elasticsearchUrl: given("elasticsearch_url") as string | null,
    elasticsearchApiKey: given("elasticsearch_api_key") as string | null,
    elasticsearchUser: given("elasticsearch_user") as string | null,
    elasticsearchPassword: given("elasticsearch_password") as string | null,
    elasticsearchCa: given("elasticsearch_ca") as string | null,
    topology: (given("topology") ??
      (values.database_url && !values.nats_url ? "dual" : "full")) as Topology,
    bindAddr: values.bind_addr as Address,
    flightBindAddr: values.flight_bind_addr as Address,
    dbSchemas: values.db_schemas as string[],
    schema: given("schema") as string | null,
    dataDir: values.data_dir as string,
    unrepresentable: values.unrepresentable as Unrepresentable,
    sample: given("sample") as Config["sample"],
    corsOrigins: (given("cors_origins") ?? []) as string[],
    flightViews: (given("flight_views") ?? []) as string[],
    resultCacheSeconds: values.result_cache_seconds as number,
    resultCache: (given("result_cache") ?? []) as string[],
    changeLogFull: values.change_log_full as ChangeLogFull,
    sinks: (given("sinks") ??
      SINKS.filter((sink) => !values.database_url || values[`${sink}_url`])) as SinkName[],
    eventRetentionDays: values.event_retention_days as number,
    searchColumns: (given("search_columns") ?? []) as readonly SearchColumn[],
    logLevel: values.log_level as Config["logLevel"],
    limits,
  };
}

/** A URL, and the keys that go with it alone. */
const KEYS_OF_URLS: readonly [url: string, ...keys: string[]][] = [
  ["clickhouse_url", "clickhouse_user", "clickhouse_password", "clickhouse_database"],
  [
    "elasticsearch_url",
    "elasticsearch_api_key",
    "elasticsearch_user",
    "elasticsearch_password",
    "elasticsearch_ca",
  ],
];

/** One without the other would be accepted and do nothing. */
function refuseHalfCache(values: Readonly<Record<string, unknown>>, faults: string[]): void {
  const [relations, seconds] = [values.result_cache, values.result_cache_seconds];
  const names = Array.isArray(relations) ? relations.length : 0;
  if (names > 0 && seconds === 0) {
    faults.push("result_cache: has no effect while result_cache_seconds is 0; set both or none");
  }
  if (names === 0 && typeof seconds === "number" && seconds > 0) {
    faults.push("result_cache_seconds: has no effect while result_cache names no relation");
  }
}

type FileKeys = Readonly<Record<string, unknown>>;

function readFile(file: ConfigFile, faults: string[]): FileKeys {
  if ("unreadable" in file) {
    faults.push(`${file.path}: cannot be read: ${file.unreadable}`);
    return {};
  }
  try {
    return parseToml(file.text);
  } catch (error) {
    // Not the line itself, which the message goes on to show: it may hold a secret.
    const message = error instanceof Error ? error.message.split("\n")[0] : String(error);
    const place = error instanceof TomlError ? `:${error.line}:${error.column}` : "";
    faults.push(`${file.path}${place}: ${message}`);
    return {};
  }
}

function refuseUnknown(sources: ConfigSources, file: FileKeys, faults: string[]): void {
  const keys = CONFIG_KEYS.map((row) => row.key);
  for (const key of Object.keys(file)) {
    if (key !== "limits" && !keys.includes(key)) {
      faults.push(`${key} in ${sources.file?.path}: no such key${suggestion(key, keys)}`);
    }
  }
  const limitKeys = Object.keys(LIMITS).map(snakeCase);
  const limits = file.limits;
  if (limits !== undefined && !isTable(limits)) {
    faults.push(`limits in ${sources.file?.path}: must be a table`);
  }
  for (const key of Object.keys(isTable(limits) ? limits : {})) {
    if (!limitKeys.includes(key)) {
      faults.push(
        `limits.${key} in ${sources.file?.path}: no such limit${suggestion(key, limitKeys)}`,
      );
    }
  }
  const envs = [
    CONFIG_FILE_ENV,
    ...CONFIG_KEYS.flatMap((row) => row.secret ? [row.env, `${row.env}_FILE`] : [row.env]),
    ...limitKeys.map((key) => limitEnvPrefix + key.toUpperCase()),
  ];
  for (const env of Object.keys(sources.env)) {
    if (env.startsWith("FRAISEQL_") && !envs.includes(env)) {
      faults.push(`${env} in the environment: no such variable${suggestion(env, envs)}`);
    }
  }
}

function find(
  row: ConfigKey,
  sources: ConfigSources,
  file: FileKeys,
  faults: string[],
): { text: string; from: string } | undefined {
  const flag = sources.flags[row.key];
  if (flag !== undefined) return { text: flag, from: `--${row.key.replaceAll("_", "-")}` };
  const env = sources.env[row.env];
  const secretPath = row.secret ? sources.env[`${row.env}_FILE`] : undefined;
  if (env && secretPath) {
    faults.push(`${row.env}: ${row.env}_FILE is set too, and only one can be meant: remove one`);
    return undefined;
  }
  if (env) return { text: env, from: row.env };
  if (secretPath) {
    try {
      return { text: sources.readSecret(secretPath).trim(), from: `${row.env}_FILE` };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      faults.push(`${row.env}_FILE: cannot be read: ${reason}`);
      return undefined;
    }
  }
  const value = file[row.key];
  if (value === undefined) return undefined;
  const from = `${row.key} in ${sources.file?.path}`;
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
    return { text: value.join(","), from };
  }
  if (typeof value === "string") return { text: value, from };
  if (typeof value === "number" && row.read === seconds) return { text: String(value), from };
  faults.push(`${from}: must be a text`);
  return undefined;
}

function readLimits(sources: ConfigSources, file: FileKeys, faults: string[]): Limits {
  const values: Partial<Record<LimitName, number>> = {};
  const inFile = isTable(file.limits) ? file.limits : {};
  for (const [name, row] of Object.entries(LIMITS) as [LimitName, typeof LIMITS[LimitName]][]) {
    const key = snakeCase(name);
    const env = limitEnvPrefix + key.toUpperCase();
    const flag = sources.flags[`limits.${key}`];
    const [found, from] = flag !== undefined
      ? [flag, `--limits-${key.replaceAll("_", "-")}`]
      : sources.env[env]
      ? [sources.env[env], env]
      : [inFile[key], `limits.${key} in ${sources.file?.path}`];
    if (found === undefined) {
      values[name] = row.value;
      continue;
    }
    const text = typeof found === "bigint" || typeof found === "number" ? String(found) : found;
    const number = typeof text === "string" && /^\d[\d_]*$/.test(text)
      ? Number(text.replaceAll("_", ""))
      : NaN;
    if (number >= row.min && number <= row.max) values[name] = number;
    else {
      faults.push(
        `${from}: must be a whole number from ${row.min} to ${row.max} (is ${
          JSON.stringify(text)
        })`,
      );
    }
  }
  return values as Limits;
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `, did you mean x?` where one of the words is near, else nothing. */
export function suggestion(word: string, words: readonly string[]): string {
  const question = didYouMean(word, words);
  return question && `, ${question}`;
}

/** `did you mean x?` where one of the words is near, else nothing. */
export function didYouMean(word: string, words: readonly string[]): string {
  let nearest = "";
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const other of words) {
    // Also spares the comparing of what is as long as a whole request.
    if (Math.abs(word.length - other.length) >= least) continue;
    const distance = editDistance(word, other);
    if (distance < least) [nearest, least] = [other, distance];
  }
  return nearest ? `did you mean ${nearest}?` : "";
}

/** Letters to add, drop or replace, and neighbours to swap, until one word is the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
