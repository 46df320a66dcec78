/** From a command's flags to the configuration, and from that to another process. */

import {
  deepStrictEqual as deepEqual,
  match,
  ok,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import { Command } from "commander";
import {
  addConfigFlags,
  configEnvironment,
  configOf,
  withoutValues,
} from "../../commands/options.ts";
import { CONFIG_KEYS, readConfig } from "../../lib/config.ts";
import { LIMITS } from "../../lib/limits.ts";

/** What a command line of `serve` gives, without the environment of this machine. */
function configFrom(...args: string[]) {
  const command = addConfigFlags(new Command("serve")).exitOverride().configureOutput({
    writeErr: () => {},
  });
  command.parse(args, { from: "user" });
  return withoutVariables(() => configOf(command.opts()));
}

function withoutVariables<Result>(work: () => Result): Result {
  const kept = Object.entries(Deno.env.toObject()).filter(([name]) =>
    /^FRAISEQL_|^DATABASE_URL/.test(name)
  );
  for (const [name] of kept) Deno.env.delete(name);
  try {
    return work();
  } finally {
    for (const [name, value] of kept) Deno.env.set(name, value);
  }
}

Deno.test("addConfigFlags() makes a flag of each key and each limit", () => {
  const command = addConfigFlags(new Command());
  const flags = command.options.map((option) => option.long);
  equal(flags.length, 1 + CONFIG_KEYS.length + Object.keys(LIMITS).length);
  ok(flags.includes("--flight-bind-addr") && flags.includes("--limits-flight-row-bytes-max"));
  const help = command.helpInformation();
  match(
    help,
    /--bind-addr <value>\s+address of HTTP[^[]*\(default:\s+127\.0\.0\.1:8080\)\s+\[FRAISEQL_BIND_ADDR\]/,
  );
  ok(!help.includes("--jwt-secret"), "what comes later is not offered");
});

Deno.test("configOf() reads flags of keys and limits", () => {
  const config = configFrom(
    "--bind-addr",
    ":1",
    "--limits-pool-wait-ms-max=7",
    "--db-schemas",
    "a,b",
  );
  deepEqual(
    [config.bindAddr.port, config.limits.poolWaitMsMax, config.dbSchemas],
    [1, 7, ["a", "b"]],
  );
});

Deno.test("configOf() reads the file that is named", () => {
  const path = Deno.makeTempFileSync();
  Deno.writeTextFileSync(path, 'log_level = "debug"');
  equal(configFrom("--config", path).logLevel, "debug");
  Deno.env.set("FRAISEQL_CONFIG", path);
  equal(configOf({}).logLevel, "debug");
  Deno.env.delete("FRAISEQL_CONFIG");
  Deno.removeSync(path);
});

Deno.test("configOf() refuses a named file that is not there, and says so", () => {
  throws(() => configFrom("--config", "/none/f.toml", "--log-level", "loud"), {
    code: "BAD_INPUT",
    message:
      /2 faults:\n {2}\/none\/f\.toml: cannot be read: .*[Nn]o such file[^]*--log-level: must be one of/,
  });
});

Deno.test("addConfigFlags() leaves unknown flags to the command, which refuses them", () => {
  throws(() => configFrom("--bind-adr", "x"), { code: "commander.unknownOption" });
});

Deno.test("configOf() lists the faults of a database URL beside the others", () => {
  throws(
    () =>
      configFrom(
        "--database-url",
        "postgres://u:secret@h/d?sslmode=on&connect_timeout=x&ssl=1",
        "--log-level",
        "loud",
      ),
    ({ message }: Error) => {
      match(message, /4 faults:.*"ssl" is not.*sslmode.*connect_timeout.*--log-level/s);
      return !message.includes("secret");
    },
  );
});

const messages: [message: string, shown: string][] = [
  ["unknown option '--url=postgres://u:secret@h/d'", "unknown option '--url=...'"],
  [
    "unknown option '--passwort=secret'\n(Did you mean --x?)",
    "unknown option '--passwort=...'\n(Did you mean --x?)",
  ],
  ["unknown command 'postgres://u:secret@h/d'", "unknown command 'postgres://...'"],
  ["got 1: mysql://u:secret@h/d.", "got 1: mysql://..."],
  ["missing required argument 'service'", "missing required argument 'service'"],
];

for (const [message, shown] of messages) {
  Deno.test(`withoutValues() makes ${JSON.stringify(shown)}`, () => {
    equal(withoutValues(message), shown);
  });
}

const pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----";

Deno.test("configEnvironment() gives another process the same configuration", () => {
  const config = configFrom(
    ...["--topology", "arrow", "--flight-bind-addr", "[::1]:0", "--db-schemas", "a,b"],
    ...[
      "--data-dir",
      "/d",
      "--unrepresentable",
      "null",
      "--flight-views",
      "v,w",
      "--schema",
      "s.graphql",
    ],
    ...["--log-level", "warn", "--limits-query-depth-max", "3", "--limits-drain-seconds-max", "0"],
    ...["--sinks", "clickhouse,elasticsearch", "--event-retention-days", "7"],
    ...["--search-columns", "total,items.price", "--nats-url", "nats://n:1"],
    ...["--clickhouse-url", "http://c:1", "--clickhouse-user", "u", "--clickhouse-password", "p"],
    ...["--clickhouse-database", "d", "--elasticsearch-url", "https://e:1"],
    ...["--elasticsearch-user", "u", "--elasticsearch-password", "p", "--elasticsearch-ca", pem],
  );
  const env = configEnvironment(config, "postgres://u:p@h/d");
  const again = readConfig({ flags: {}, env, file: null, readSecret: () => "" });
  deepEqual(again, { ...config, databaseUrl: "postgres://u:p@h/d", sample: "none" });
});

Deno.test("configEnvironment() names what another process may be told, and nothing else", () => {
  const env = configEnvironment(configFrom(), "postgres://h/d");
  equal(env.FRAISEQL_TOPOLOGY, "full", "both processes have the same fields of events");
  equal(env.FRAISEQL_FLIGHT_VIEWS, "", "empty is not set");
  equal(readConfig({ flags: {}, env, file: null, readSecret: () => "" }).flightViews.length, 0);
  // Of the environment and the file that both processes have.
  const both = {
    DATABASE_URL_FILE: "/f",
    FRAISEQL_CLICKHOUSE_URL_FILE: "/f",
    FRAISEQL_SAMPLE: "shop",
    ...env,
  };
  const file = { path: "fraiseql.toml", text: 'sample = "shop"' };
  equal(
    readConfig({ flags: {}, env: both, file, readSecret: () => "" }).databaseUrl,
    "postgres://h/d",
  );
});
