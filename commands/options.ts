/** Flags of every command, made from the table of configuration keys. */

import type { Command } from "commander";
import {
  type Config,
  CONFIG_FILE_ENV,
  CONFIG_KEYS,
  type ConfigFile,
  readConfig,
  snakeCase,
} from "../lib/config.ts";
import { clickhouseUrlFault } from "../lib/clickhouse/url.ts";
import { elasticsearchUrlFault } from "../lib/elasticsearch/url.ts";
import { LIMITS } from "../lib/limits.ts";
import { natsUrlFaults } from "../lib/events/nats_url.ts";
import { urlFaults } from "../lib/postgres/url.ts";

const dashed = (key: string) => key.replaceAll("_", "-");

/** Adds a flag for each key and each limit; limits are listed by `fraiseql limits`. */
export function addConfigFlags(command: Command): Command {
  command.option(
    "--config <path>",
    "configuration file (default: fraiseql.toml where there is one)",
  );
  for (const { key, help, default: value, later, env } of CONFIG_KEYS) {
    const option = command.createOption(
      `--${dashed(key)} <value>`,
      `${help}${value ? ` (default: ${value})` : ""} [${env}]`,
    );
    command.addOption(later ? option.hideHelp() : option);
  }
  for (const name of Object.keys(LIMITS)) {
    const option = command.createOption(`--limits-${dashed(snakeCase(name))} <number>`);
    command.addOption(option.hideHelp());
  }
  return command.addHelpText(
    "after",
    "\nEvery flag is also a variable of the environment, in brackets above, and a key of fraiseql.toml." +
      "\nLimits: --limits-<name> <number>; `fraiseql limits` lists them with their defaults and reasons.",
  );
}

/** Flags, environment and file as one checked configuration. */
export function configOf(flags: Readonly<Record<string, unknown>>): Config {
  const env = Deno.env.toObject();
  const named = typeof flags.config === "string" ? flags.config : env[CONFIG_FILE_ENV];
  return readConfig({
    flags: configFlags(flags),
    env,
    file: readFile(named ?? "fraiseql.toml", named === undefined),
    readSecret: (path) => Deno.readTextFileSync(path),
    checks: {
      database_url: urlFaults,
      nats_url: natsUrlFaults,
      clickhouse_url: (text) => [clickhouseUrlFault(text)].filter((fault) => fault !== null),
      elasticsearch_url: (text) => [elasticsearchUrlFault(text)].filter((fault) => fault !== null),
    },
  });
}

/** commander gives `limitsPoolWaitMsMax` for `--limits-pool-wait-ms-max`. */
function configFlags(flags: Readonly<Record<string, unknown>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(flags)) {
    const key = snakeCase(name);
    if (typeof value !== "string" || key === "config") continue;
    found[key.startsWith("limits_") ? key.replace("limits_", "limits.") : key] = value;
  }
  return found;
}

function readFile(path: string, mayBeAbsent: boolean): ConfigFile | null {
  try {
    return { path, text: Deno.readTextFileSync(path) };
  } catch (error) {
    if (mayBeAbsent && error instanceof Deno.errors.NotFound) return null;
    return { path, unreadable: error instanceof Error ? error.message : String(error) };
  }
}

/** A message about a command line, without what may be a secret in it: URLs, and flags' values. */
export function withoutValues(message: string): string {
  return message.replaceAll(/(--[\w-]+)=[^\s']*/g, "$1=...")
    .replaceAll(/\b(\w+):\/\/[^\s']*/g, "$1://...");
}

/** The services of events; what is not named is empty, which is not set. */
function eventServices(config: Config): Record<string, string> {
  const named = {
    NATS_URL: config.natsUrl,
    CLICKHOUSE_URL: config.clickhouseUrl,
    CLICKHOUSE_USER: config.clickhouseUser,
    CLICKHOUSE_PASSWORD: config.clickhousePassword,
    CLICKHOUSE_DATABASE: config.clickhouseDatabase,
    ELASTICSEARCH_URL: config.elasticsearchUrl,
    ELASTICSEARCH_API_KEY: config.elasticsearchApiKey,
    ELASTICSEARCH_USER: config.elasticsearchUser,
    ELASTICSEARCH_PASSWORD: config.elasticsearchPassword,
    ELASTICSEARCH_CA: config.elasticsearchCa,
  };
  const secret = new Set(CONFIG_KEYS.filter((row) => row.secret).map(({ env }) => env));
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => {
      const variable = `FRAISEQL_${name}`;
      // Read from its file already, and one of both is set.
      const file = secret.has(variable) ? [[`${variable}_FILE`, ""]] : [];
      return [[variable, value ?? ""], ...file];
    }),
  );
}

/** A configuration as environment, for a process that must see the same. */
export function configEnvironment(config: Config, databaseUrl: string): Record<string, string> {
  const { hostname, port } = config.flightBindAddr;
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    DATABASE_URL: databaseUrl,
    DATABASE_URL_FILE: "", // empty is not set: one of both
    FRAISEQL_SAMPLE: "none",
    FRAISEQL_TOPOLOGY: config.topology,
    FRAISEQL_FLIGHT_BIND_ADDR: `${host}:${port}`,
    FRAISEQL_DB_SCHEMAS: config.dbSchemas.join(","),
    ...config.schema !== null && { FRAISEQL_SCHEMA: config.schema },
    FRAISEQL_DATA_DIR: config.dataDir,
    FRAISEQL_UNREPRESENTABLE: config.unrepresentable,
    FRAISEQL_SINKS: config.sinks.join(",") || "none",
    FRAISEQL_SEARCH_COLUMNS: config.searchColumns.map(({ path }) => path.join(".")).join(","),
    FRAISEQL_EVENT_RETENTION_DAYS: String(config.eventRetentionDays),
    ...eventServices(config),
    FRAISEQL_FLIGHT_VIEWS: config.flightViews.join(","),
    FRAISEQL_LOG_LEVEL: config.logLevel,
    ...Object.fromEntries(
      Object.entries(config.limits).map(([name, value]) => [
        `FRAISEQL_LIMITS_${snakeCase(name).toUpperCase()}`,
        String(value),
      ]),
    ),
  };
}
