/** Configuration: what beats what, and that every fault is told at once. */

import {
  deepStrictEqual as deepEqual,
  doesNotMatch,
  match,
  ok,
  strictEqual as equal,
  throws,
} from "node:assert/strict";
import {
  CONFIG_KEYS,
  type ConfigSources,
  readConfig,
  snakeCase,
  suggestion,
} from "../../lib/config.ts";
import { type LimitName, LIMITS } from "../../lib/limits.ts";

interface Given {
  readonly flags?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly file?: string;
  readonly secrets?: Record<string, string>;
}

function sources({ flags = {}, env = {}, file, secrets = {} }: Given): ConfigSources {
  return {
    flags,
    env,
    file: file === undefined ? null : { path: "fraiseql.toml", text: file },
    readSecret: (path) => {
      const secret = secrets[path];
      if (secret === undefined) throw new Error(`no file ${path}`);
      return secret;
    },
  };
}

const read = (given: Given) => readConfig(sources(given));

/** The faults, each a line. */
function faultsOf(given: Given): string[] {
  let lines: string[] = [];
  throws(() => read(given), (error: Error & { code?: string }) => {
    equal(error.code, "BAD_INPUT");
    const [head = "", ...rest] = error.message.split("\n  ");
    match(head, new RegExp(`^configuration has ${rest.length} faults?:`));
    lines = rest;
    return true;
  });
  return lines;
}

Deno.test("readConfig() has a default for everything", () => {
  const config = read({});
  deepEqual({ ...config, limits: null }, {
    databaseUrl: null,
    natsUrl: null,
    clickhouseUrl: null,
    clickhouseUser: null,
    clickhousePassword: null,
    clickhouseDatabase: null,
    elasticsearchUrl: null,
    elasticsearchApiKey: null,
    elasticsearchUser: null,
    elasticsearchPassword: null,
    elasticsearchCa: null,
    topology: "full",
    bindAddr: { hostname: "127.0.0.1", port: 8080 },
    flightBindAddr: { hostname: "127.0.0.1", port: 50051 },
    dbSchemas: ["public"],
    schema: null,
    dataDir: ".fraiseql",
    unrepresentable: "error",
    sample: null,
    changeLogFull: "stop-capturing",
    sinks: ["clickhouse", "elasticsearch"],
    eventRetentionDays: 90,
    searchColumns: [],
    corsOrigins: [],
    flightViews: [],
    resultCacheSeconds: 0,
    resultCache: [],
    logLevel: "info",
    limits: null,
  });
  for (const [name, row] of Object.entries(LIMITS)) {
    equal(config.limits[name as LimitName], row.value);
  }
});

Deno.test("readConfig() stores events where a URL is given, and with the embedded database everywhere", () => {
  const database = { DATABASE_URL: "postgres://h/d" };
  const sinksOf = (env: Record<string, string>) => read({ env }).sinks;
  deepEqual(sinksOf({}), ["clickhouse", "elasticsearch"]);
  deepEqual(sinksOf(database), []);
  const clickhouse = { ...database, FRAISEQL_CLICKHOUSE_URL: "http://h:8123" };
  const both = { ...clickhouse, FRAISEQL_ELASTICSEARCH_URL: "http://h:9200" };
  deepEqual(sinksOf(clickhouse), ["clickhouse"]);
  deepEqual(sinksOf(both), ["clickhouse", "elasticsearch"]);
  deepEqual(sinksOf({ ...database, FRAISEQL_SINKS: "clickhouse" }), ["clickhouse"]);
  deepEqual(sinksOf({ FRAISEQL_SINKS: "elasticsearch, clickhouse" }), [
    "clickhouse",
    "elasticsearch",
  ]);
  deepEqual(sinksOf({ ...both, FRAISEQL_SINKS: "none" }), []);
  for (const odd of ["kafka", "none,clickhouse", ","]) {
    deepEqual(faultsOf({ env: { FRAISEQL_SINKS: odd } }), [
      `FRAISEQL_SINKS: must be some of clickhouse, elasticsearch, or none (is "${odd}")`,
    ]);
  }
});

Deno.test("readConfig() takes ClickHouse's keys, and none of them without the URL", () => {
  const env = {
    FRAISEQL_CLICKHOUSE_URL: "https://ch:8443/events",
    FRAISEQL_CLICKHOUSE_USER: "me",
    FRAISEQL_CLICKHOUSE_PASSWORD: "p",
    FRAISEQL_CLICKHOUSE_DATABASE: "mine",
  };
  const { clickhouseUrl, clickhouseUser, clickhousePassword, clickhouseDatabase } = read({ env });
  deepEqual([clickhouseUrl, clickhouseUser, clickhousePassword, clickhouseDatabase], [
    "https://ch:8443/events",
    "me",
    "p",
    "mine",
  ]);
  deepEqual(faultsOf({ env: { ...env, FRAISEQL_CLICKHOUSE_URL: "ch:9000" } }), [
    "FRAISEQL_CLICKHOUSE_URL: must begin with http:// or https://",
  ]);
  deepEqual(faultsOf({ env: { FRAISEQL_CLICKHOUSE_DATABASE: "a-b" } }), [
    'FRAISEQL_CLICKHOUSE_DATABASE: must be letters, digits and underscores, up to 100 (is "a-b")',
  ]);
  deepEqual(faultsOf({ env: { FRAISEQL_CLICKHOUSE_USER: "me" } }), [
    "clickhouse_user: has no effect without clickhouse_url; set both or none",
  ]);
});

Deno.test("readConfig() takes Elasticsearch's URL, how to prove who one is, and its authorities", () => {
  const env = {
    FRAISEQL_ELASTICSEARCH_URL: "https://es:9200",
    FRAISEQL_ELASTICSEARCH_API_KEY_FILE: "/key",
    FRAISEQL_ELASTICSEARCH_CA: "-----BEGIN CERTIFICATE-----\n",
  };
  const config = readConfig({ ...sources({ env }), readSecret: () => "id:key\n" });
  equal(config.elasticsearchUrl, "https://es:9200");
  equal(config.elasticsearchApiKey, "id:key");
  equal(config.elasticsearchCa, "-----BEGIN CERTIFICATE-----\n");
});

Deno.test("readConfig() refuses an Elasticsearch URL of another scheme, authorities that are none, and keys without a URL", () => {
  const odd = {
    FRAISEQL_ELASTICSEARCH_URL: "elastic://secret",
    FRAISEQL_ELASTICSEARCH_CA: "/etc/ca.crt",
  };
  deepEqual(faultsOf({ env: odd }), [
    "FRAISEQL_ELASTICSEARCH_URL: must begin with http:// or https://",
    "FRAISEQL_ELASTICSEARCH_CA: must be certificates in PEM, which begin with -----BEGIN CERTIFICATE-----",
  ]);
  deepEqual(faultsOf({ env: { FRAISEQL_ELASTICSEARCH_API_KEY: "key" } }), [
    "elasticsearch_api_key: has no effect without elasticsearch_url; set both or none",
  ]);
});

Deno.test("readConfig() takes a flag before the environment, that before the file", () => {
  const file = 'log_level = "debug"\n[limits]\nquery_depth_max = 3';
  const env = { FRAISEQL_LOG_LEVEL: "warn", FRAISEQL_LIMITS_QUERY_DEPTH_MAX: "4" };
  const flags = { "log_level": "error", "limits.query_depth_max": "5" };
  const found = (given: Given) => {
    const { logLevel, limits } = read(given);
    return [logLevel, limits.queryDepthMax];
  };
  deepEqual(found({ file }), ["debug", 3]);
  deepEqual(found({ file, env }), ["warn", 4]);
  deepEqual(found({ file, env, flags }), ["error", 5]);
  deepEqual(found({ file, env: { FRAISEQL_LOG_LEVEL: "" } }), ["debug", 3], "empty is not set");
});

Deno.test("readConfig() serves HTTP and Flight where a database is named, all where none is", () => {
  equal(read({ env: { DATABASE_URL: "postgres://h/d" } }).topology, "dual");
  const both = { DATABASE_URL: "postgres://h/d", FRAISEQL_NATS_URL: "nats://h" };
  equal(read({ env: both }).topology, "full");
  equal(read({}).topology, "full");
  equal(
    read({ env: { DATABASE_URL: "postgres://h/d", FRAISEQL_TOPOLOGY: "http" } }).topology,
    "http",
  );
});

const values: [key: string, text: string, wanted: unknown][] = [
  ["bind_addr", "localhost:0", { bindAddr: { hostname: "localhost", port: 0 } }],
  ["bind_addr", "[::1]:65535", { bindAddr: { hostname: "::1", port: 65535 } }],
  ["bind_addr", ":80", { bindAddr: { hostname: "0.0.0.0", port: 80 } }],
  ["db_schemas", " a , b,", { dbSchemas: ["a", "b"] }],
  ["cors_origins", "https://a, *", { corsOrigins: ["https://a", "*"] }],
  ["sample", "none", { sample: "none" }],
  ["database_url", "postgresql:///x", { databaseUrl: "postgresql:///x" }],
];

for (const [key, text, wanted] of values) {
  Deno.test(`readConfig() reads ${key} ${JSON.stringify(text)} from each source`, () => {
    const env = CONFIG_KEYS.find((row) => row.key === key)?.env ?? "";
    const sources: Given[] = [
      { flags: { [key]: text } },
      { env: { [env]: text } },
      { file: `${key} = ${JSON.stringify(text)}` },
    ];
    for (const given of sources) {
      const config = read(given);
      deepEqual({ ...config, ...wanted as object }, config);
    }
  });
}

const cached = { "result_cache": "orders, sales.users", "result_cache_seconds": "60" };

Deno.test("readConfig() takes seconds as a text and, in the file, as a number", () => {
  for (
    const given of [
      { flags: cached },
      { file: 'result_cache = ["orders", "sales.users"]\nresult_cache_seconds = 60' },
    ]
  ) {
    const { resultCache, resultCacheSeconds } = read(given);
    deepEqual([resultCache, resultCacheSeconds], [["orders", "sales.users"], 60]);
  }
});

const halfCaches: [name: string, flags: Record<string, string>, wanted: RegExp][] = [
  ["relations without seconds", { "result_cache": "*" }, /^result_cache: has no effect/],
  ["seconds without relations", { "result_cache_seconds": "1" }, /^result_cache_seconds: has no/],
  [
    "more than a day",
    { ...cached, "result_cache_seconds": "86401" },
    /must be whole seconds from 0/,
  ],
  [
    "parts of seconds",
    { ...cached, "result_cache_seconds": "1.5" },
    /must be whole seconds from 0/,
  ],
];

for (const [name, flags, wanted] of halfCaches) {
  Deno.test(`readConfig() refuses a result cache with ${name}`, () => {
    const [fault = "", ...more] = faultsOf({ flags });
    match(fault, wanted);
    deepEqual(more, []);
  });
}

Deno.test("readConfig() takes a list in the file", () => {
  deepEqual(read({ file: 'db_schemas = ["a", "b"]' }).dbSchemas, ["a", "b"]);
});

const faults: [name: string, given: Given, wanted: RegExp][] = [
  [
    "an address without a port",
    { flags: { bind_addr: "localhost" } },
    /^--bind-addr: must be host:port.*\(is "localhost"\)$/,
  ],
  [
    "a port beyond ports",
    { env: { FRAISEQL_BIND_ADDR: "h:65536" } },
    /^FRAISEQL_BIND_ADDR: must be host:port/,
  ],
  [
    "a word that is none of them",
    { file: 'topology = "both"' },
    /^topology in fraiseql\.toml: must be one of http, dual, arrow, full \(is "both"\)$/,
  ],
  [
    "an origin that is only a name",
    { env: { FRAISEQL_CORS_ORIGINS: "https://a.example, b.example" } },
    /^FRAISEQL_CORS_ORIGINS: must be \* or origins like https:/,
  ],
  [
    "no schema",
    { env: { FRAISEQL_DB_SCHEMAS: " , " } },
    /^FRAISEQL_DB_SCHEMAS: must name at least one/,
  ],
  ["no folder", { flags: { data_dir: "" } }, /^--data-dir: must not be empty/],
  [
    "a number for a text",
    { file: "bind_addr = 8080" },
    /^bind_addr in fraiseql\.toml: must be a text$/,
  ],
  [
    "a list of numbers",
    { file: "db_schemas = [1]" },
    /^db_schemas in fraiseql\.toml: must be a text$/,
  ],
  [
    "an unknown key",
    { file: 'bind_adr = "x"' },
    /^bind_adr in fraiseql\.toml: no such key, did you mean bind_addr\?$/,
  ],
  ["an unknown table", { file: "[servers]\na = 1" }, /^servers in fraiseql\.toml: no such key$/],
  [
    "an unknown variable",
    { env: { FRAISEQL_BIND_ADR: "x" } },
    /^FRAISEQL_BIND_ADR in the environment: no such variable, did you mean FRAISEQL_BIND_ADDR\?$/,
  ],
  [
    "a file of what is no secret",
    { env: { FRAISEQL_BIND_ADDR_FILE: "x" } },
    /^FRAISEQL_BIND_ADDR_FILE in the environment: no such variable/,
  ],
  [
    "an unknown limit",
    { file: "[limits]\nquery_dept_max = 1" },
    /^limits\.query_dept_max in fraiseql\.toml: no such limit, did you mean query_depth_max\?$/,
  ],
  [
    "an unknown limit's variable",
    { env: { FRAISEQL_LIMITS_QUERY_DEPT_MAX: "1" } },
    /did you mean FRAISEQL_LIMITS_QUERY_DEPTH_MAX\?$/,
  ],
  [
    "limits that are no table",
    { file: "limits = 3" },
    /^limits in fraiseql\.toml: must be a table$/,
  ],
  [
    "a limit that is no number",
    { flags: { "limits.query_depth_max": "1e1" } },
    /^--limits-query-depth-max: must be a whole number from 1 to 100 \(is "1e1"\)$/,
  ],
  [
    "half of a limit",
    { file: "[limits]\nquery_depth_max = 1.5" },
    /^limits\.query_depth_max in fraiseql\.toml: must be a whole number from 1 to 100 \(is "1\.5"\)$/,
  ],
  [
    "a limit below nothing",
    { env: { FRAISEQL_LIMITS_QUERY_DEPTH_MAX: "-1" } },
    /^FRAISEQL_LIMITS_QUERY_DEPTH_MAX: must be/,
  ],
  ["a limit that is true", { file: "[limits]\nquery_depth_max = true" }, /\(is true\)$/],
  [
    "a file that is no TOML, with its line and column",
    { file: 'sample = "none"\n  database_url = "s3cret' },
    /^fraiseql\.toml:2:18: Invalid TOML[^\n]*$/,
  ],
  [
    "a secret both by variable and by file",
    { env: { DATABASE_URL: "postgres://h/d", DATABASE_URL_FILE: "/f" } },
    /^DATABASE_URL: DATABASE_URL_FILE is set too/,
  ],
  [
    "the sample shop for a database that is named",
    { env: { DATABASE_URL: "postgres://h/d", FRAISEQL_SAMPLE: "shop" } },
    /^sample: shop is for the embedded database.*fraiseql sample shop/,
  ],
  [
    "a secret's file that is not there",
    { env: { DATABASE_URL_FILE: "/none" } },
    /^DATABASE_URL_FILE: cannot be read: no file \/none$/,
  ],
];

for (const [name, given, wanted] of faults) {
  Deno.test(`readConfig() refuses ${name}`, () => {
    const [fault = "", ...more] = faultsOf(given);
    match(fault, wanted);
    deepEqual(more, []);
  });
}

Deno.test("readConfig() says why its file cannot be read", () => {
  throws(
    () => readConfig({ ...sources({}), file: { path: "a.toml", unreadable: "permission denied" } }),
    { code: "BAD_INPUT", message: /\n {2}a\.toml: cannot be read: permission denied$/ },
  );
});

Deno.test("readConfig() lists what else is found wrong with a value among the faults", () => {
  const checks = { "database_url": (url: string) => url.endsWith("/bad") ? ["one", "two"] : [] };
  const env = { DATABASE_URL: "postgres://h/bad", FRAISEQL_LOG_LEVEL: "loud" };
  throws(() => readConfig({ ...sources({ env }), checks }), {
    message: /3 faults:\n {2}DATABASE_URL: one\n {2}DATABASE_URL: two\n {2}FRAISEQL_LOG_LEVEL/,
  });
  readConfig({ ...sources({ env: { DATABASE_URL: "postgres://h/good" } }), checks });
});

Deno.test("readConfig() lists all faults at once", () => {
  const found = faultsOf({
    flags: { bind_addr: "x" },
    env: { FRAISEQL_LOG_LEVEL: "loud", FRAISEQL_NOPE: "1", FRAISEQL_LIMITS_POOL_WAIT_MS_MAX: "0" },
    file: 'topology = "x"\nnope = 1\n[limits]\nbatch_rows_max = 10001',
  });
  equal(found.length, 7, found.join("\n"));
});

Deno.test("readConfig() takes whole days of retention, up to a hundred years", () => {
  const days = (text: string) => read({ env: { FRAISEQL_EVENT_RETENTION_DAYS: text } });
  equal(days("1").eventRetentionDays, 1);
  equal(days("36500").eventRetentionDays, 36_500);
  for (const text of ["0", "36501", "1.5", "-1", "forever"]) {
    throws(() => days(text), /FRAISEQL_EVENT_RETENTION_DAYS: must be whole days from 1 to 36500/);
  }
});

Deno.test("readConfig() takes search columns as paths, from the file as a list too", () => {
  const columns = [
    { name: "total", path: ["total"] },
    { name: "items_price", path: ["items", "price"] },
  ];
  const env = { FRAISEQL_SEARCH_COLUMNS: "total, items.price" };
  deepEqual(read({ env }).searchColumns, columns);
  deepEqual(read({ file: 'search_columns = ["total", "items.price"]' }).searchColumns, columns);
});

Deno.test("readConfig() refuses search columns that would have one name, and says which", () => {
  const [fault = ""] = faultsOf({ env: { FRAISEQL_SEARCH_COLUMNS: "a.b,a_b" } });
  match(fault, /^FRAISEQL_SEARCH_COLUMNS: a\.b and a_b are both named a_b/);
});

for (const row of CONFIG_KEYS.filter((row) => row.later)) {
  Deno.test(`readConfig() refuses ${row.key}, which comes later, and says with what`, () => {
    const wanted = new RegExp(`not supported yet, it comes with ${row.later}; remove it$`);
    for (
      const given of [
        { flags: { [row.key]: "s3cret" } },
        { env: { [row.env]: "s3cret" } },
        { file: `${row.key} = "s3cret"` },
      ]
    ) {
      const [fault = ""] = faultsOf(given);
      match(fault, wanted);
      doesNotMatch(fault, /s3cret/);
    }
  });
}

Deno.test("readConfig() takes a secret from a file, and a flag before it", () => {
  const secrets = { "/run/url": "postgres://u:p@h/d\n" };
  const env = { DATABASE_URL_FILE: "/run/url" };
  equal(read({ env, secrets }).databaseUrl, "postgres://u:p@h/d");
  equal(
    read({ env, flags: { "database_url": "postgres://other/d" }, secrets }).databaseUrl,
    "postgres://other/d",
  );
});

Deno.test("readConfig() never repeats a secret", () => {
  const url = "mysql://user:s3cret@h/d";
  const given: Given[] = [
    { flags: { database_url: url } },
    { env: { DATABASE_URL: url } },
    { file: `database_url = ${JSON.stringify(url)}` },
    { file: `database_url = "${url}` },
    { env: { DATABASE_URL_FILE: "/f" }, secrets: { "/f": url } },
  ];
  for (const one of given) doesNotMatch(faultsOf(one).join("\n"), /s3cret/);
});

for (const [name, row] of Object.entries(LIMITS)) {
  const limit = name as LimitName;
  Deno.test(`readConfig() takes ${name} from ${row.min} to ${row.max}, and nothing beyond`, () => {
    const env = `FRAISEQL_LIMITS_${snakeCase(name).toUpperCase()}`;
    ok(row.min <= row.value && row.value <= row.max);
    // Others know these by their names.
    if (
      ![
        "partitionSnapshotSeconds",
        "changeLogKeepHours",
        "eventStreamKeepHours",
        "ingestDedupHours",
      ].includes(name)
    ) {
      match(name, /(Bytes|Rows|Seconds|Ms|[a-z])Max$/);
    }
    for (const number of [row.min, row.max]) {
      equal(read({ env: { [env]: String(number) } }).limits[limit], number);
      equal(read({ file: `[limits]\n${snakeCase(name)} = ${number}` }).limits[limit], number);
    }
    for (const number of [row.min - 1, row.max + 1]) {
      equal(faultsOf({ env: { [env]: String(number) } }).length, 1);
      equal(faultsOf({ flags: { [`limits.${snakeCase(name)}`]: String(number) } }).length, 1);
    }
  });
}

Deno.test("readConfig() lets digits of limits be grouped", () => {
  equal(read({ file: "[limits]\nbody_bytes_max = 2_000_000" }).limits.bodyBytesMax, 2_000_000);
  equal(
    read({ env: { FRAISEQL_LIMITS_BODY_BYTES_MAX: "2_000_000" } }).limits.bodyBytesMax,
    2_000_000,
  );
});

Deno.test("readConfig() leaves other programs' variables alone", () => {
  read({ env: { PATH: "/bin", FRAISE: "x", DATABASE_URLS: "x", FRAISEQL_CONFIG: "other.toml" } });
});

Deno.test("suggestion() names what is near, and nothing else", () => {
  const words = ["orders", "orderItems", "users"];
  equal(suggestion("ordrs", words), ", did you mean orders?");
  equal(suggestion("zzz", words), "");
  equal(suggestion("nope", ["type", "note"]), ", did you mean note?");
  equal(suggestion("nope", ["type", "none", "open"]), ", did you mean none?");
  equal(suggestion("nope", ["type"]), "");
  equal(suggestion("ab", ["ad"]), ", did you mean ad?");
  equal(suggestion("", words), "");
  equal(suggestion("x".repeat(1_000_000), words), "");
});
