// deno-lint-ignore-file camelcase -- the names are ClickHouse's

import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  ok,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connectClickhouse } from "../../../lib/clickhouse/client.ts";
import { migrateClickhouse } from "../../../lib/clickhouse/migrate.ts";
import { EVENTS_DATA } from "../../../lib/clickhouse/tables.ts";
import { readClickhouseUrl } from "../../../lib/clickhouse/url.ts";
import {
  type ClickhouseStartOptions,
  type EmbeddedClickhouse,
  startClickhouse,
} from "../../../lib/embedded/clickhouse.ts";
import { keepClickhouse } from "../../../lib/embedded/clickhouse_keep.ts";
import { commandOf } from "../../../lib/embedded/processes.ts";
import { readServices, runningUrl } from "../../../lib/embedded/services_file.ts";
import { type Limits, limits } from "../../../lib/limits.ts";
import { createLog } from "../../../lib/log.ts";
import { storedEvent, toArrowStream } from "../clickhouse/arrow_events.ts";

const silent = createLog("error", () => {});

function options(dataDir: string, some: Partial<Limits> = {}): ClickhouseStartOptions {
  return { dataDir, log: silent, inUseMsMax: 0, limits: limits(some) };
}

async function withEngine(
  work: (engine: EmbeddedClickhouse) => Promise<void>,
  some: Partial<Limits> = {},
  folder = dataDir,
): Promise<void> {
  const engine = await startClickhouse(options(folder, some));
  try {
    await work(engine);
  } finally {
    await engine.stop();
  }
}

const dataDir = await Deno.makeTempDir({ prefix: "fraiseql_clickhouse_" });
globalThis.addEventListener("unload", () => Deno.removeSync(dataDir, { recursive: true }));

const client = (url: string) => connectClickhouse(readClickhouseUrl(url), limits());
const pause = () => new Promise((done) => setTimeout(done, 20));
const retention = { retentionDays: 90 };

/** What any HTTP client sends and gets. */
async function post(
  url: string,
  body: BodyInit,
  parameters: Record<string, string> = {},
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const { host, username, password } = new URL(url);
  const target = new URL(`http://${host}/`);
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
  const headers = { Authorization: `Basic ${btoa(`${username}:${password}`)}` };
  const response = await fetch(target, { method: "POST", body, headers, ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function countEvents(url: string): Promise<number> {
  const [row] = await client(url).rows<{ n: string }>("SELECT count() AS n FROM fraiseql_events");
  return Number(row?.n);
}

Deno.test("startClickhouse() gives an engine whose data stay through a restart, at the same URL", async () => {
  let url = "";
  await withEngine(async (engine) => {
    url = engine.url;
    await migrateClickhouse(client(url), retention);
    await client(url).insertArrow(EVENTS_DATA, toArrowStream([storedEvent()]), { token: "a" });
    equal(await runningUrl(dataDir, "clickhouse"), url);
    equal((await readServices(dataDir)).clickhouse, url);
    equal((await Deno.stat(`${dataDir}/services.json`)).mode! & 0o777, 0o600);
  });
  equal(await runningUrl(dataDir, "clickhouse"), null);
  await withEngine(async (engine) => {
    equal(engine.url, url);
    equal(await countEvents(url), 1);
    // Tokens outlive the engine too.
    await client(url).insertArrow(EVENTS_DATA, toArrowStream([storedEvent()]), { token: "a" });
    equal(await countEvents(url), 1);
  });
});

Deno.test("startClickhouse() ends within the start when it is told to", async () => {
  await rejects(startClickhouse({ ...options(dataDir), signal: AbortSignal.abort() }), {
    code: "CANCELLED",
  });
  await withEngine(() => Promise.resolve());
});

Deno.test("startClickhouse() refuses a folder that a living program uses, and names it", async () => {
  await withEngine(async () => {
    await rejects(startClickhouse(options(dataDir)), {
      code: "UNAVAILABLE",
      message: `${dataDir} is in use by process ${Deno.pid}`,
    });
  });
});

Deno.test("startClickhouse() takes another port when another program has the last one", async () => {
  let port = "";
  await withEngine(({ url }) => Promise.resolve(void (port = new URL(url).port)));
  using _other = Deno.listen({ hostname: "127.0.0.1", port: Number(port) });
  await withEngine(async ({ url }) => {
    notEqual(new URL(url).port, port);
    await client(url).ping();
  });
});

Deno.test("startClickhouse() run by root leaves the folder of another user that user's", async () => {
  // Nobody else can give files away.
  if (Deno.uid() !== 0) return await withEngine(({ url }) => client(url).ping());
  const folder = await Deno.makeTempDir({ dir: "/tmp", prefix: "fraiseql_clickhouse_" });
  await Deno.chown(folder, 65_534, 65_534);
  await withEngine(
    async ({ url, pid }) => {
      await migrateClickhouse(client(url), retention);
      await client(url).insertArrow(EVENTS_DATA, toArrowStream([storedEvent()]), { token: "a" });
      equal((await Deno.stat(`/proc/${pid}`)).uid, 65_534, "it runs as that user");
    },
    {},
    folder,
  );
  for await (const path of everythingIn(folder)) {
    equal((await Deno.lstat(path)).uid, 65_534, path);
  }
  await Deno.remove(folder, { recursive: true });
});

async function* everythingIn(folder: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    yield `${folder}/${name}`;
    if (isDirectory) yield* everythingIn(`${folder}/${name}`);
  }
}

for (const [what, andTheWatchdog] of [["the watchdog", false], ["the next start", true]] as const) {
  Deno.test(`startClickhouse(): ${what} ends an engine whose program was killed`, async () => {
    const script = fileURLToPath(new URL("./hold_clickhouse.ts", import.meta.url));
    const holder = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", script, dataDir],
      stdout: "piped",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { pid } = JSON.parse(new TextDecoder().decode((await reader.read()).value));
    if (andTheWatchdog) await killWatchdog(pid);
    holder.kill("SIGKILL");
    await holder.status;
    await reader.cancel();
    if (andTheWatchdog) match(await commandOf(pid) ?? "", /clickhouse_program/, "it was left");
    else while (await commandOf(pid) !== null) await pause();
    await withEngine(({ url }) => client(url).ping());
    equal(await commandOf(pid), null);
  });
}

/** The shell whose arguments name the engine's process. */
async function killWatchdog(pid: number): Promise<void> {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await commandOf(Number(name)) ?? "";
    if (command.includes(`fraiseql-watchdog ${pid} `)) Deno.kill(Number(name), "SIGKILL");
  }
}

Deno.test("keepClickhouse() starts a killed engine again; what was acknowledged is there once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql_clickhouse_" });
  const kept = await keepClickhouse(options(folder));
  await migrateClickhouse(client(kept.url), retention);
  let stored = 0;
  for (let n = 0; n < 6; n++) {
    const bytes = toArrowStream(Array.from({ length: 2000 }, () => storedEvent()));
    const pid = kept.pid();
    // Before, during or after the insert, as it happens.
    const kill = async () => {
      for (let i = 0; i < n; i++) await new Promise((done) => setTimeout(done, 3));
      if (pid !== null) Deno.kill(pid, "SIGKILL");
    };
    const killed = kill();
    // Another token with each try: a token is kept before the rows, and a kill between the two would
    // have the next try dropped as a repeat.
    await untilStored(() =>
      client(kept.url).insertArrow(EVENTS_DATA, bytes, { token: crypto.randomUUID() })
    );
    await killed;
    stored += 2000;
    while (kept.pid() === pid || kept.pid() === null) await pause();
    equal(await countEvents(kept.url), stored);
    // Stored twice where the answer to the first try was lost, until they are merged.
    const [row] = await client(kept.url).rows<{ n: string }>(
      `SELECT count() AS n FROM ${EVENTS_DATA}`,
    );
    ok(Number(row?.n) >= stored);
  }
  await kept.stop();
  equal(await runningUrl(folder, "clickhouse"), null);
  await Deno.remove(folder, { recursive: true });
});

/** Tries as a sink does: as long as it may be tried again. */
async function untilStored(insert: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      return await insert();
    } catch (error) {
      equal((error as { code?: string }).code, "UNAVAILABLE", String(error));
      await pause();
    }
  }
  throw new Error("not stored");
}

Deno.test("keepClickhouse() stops for good, also while it starts the engine again", async () => {
  const kept = await keepClickhouse(options(dataDir));
  Deno.kill(kept.pid() ?? 0, "SIGKILL");
  while (kept.pid() !== null) await pause();
  await kept.stop();
  equal(await runningUrl(dataDir, "clickhouse"), null);
  await withEngine(() => Promise.resolve());
});

Deno.test("the engine lets in nobody without the password, and says so as ClickHouse does", async () => {
  await withEngine(async ({ url }) => {
    const { host, username, password } = new URL(url);
    const wrong: RequestInit[] = [
      { headers: {} },
      { headers: { Authorization: `Basic ${btoa(`${username}:wrong`)}` } },
      { headers: { Authorization: `Basic ${btoa(`default:${password}`)}` } },
      { headers: { Authorization: "Basic %%%" } },
      { headers: { "X-ClickHouse-User": username, "X-ClickHouse-Key": `${password}x` } },
    ];
    for (const init of wrong) {
      const { status, headers, text } = await post(url, "SELECT 1", {}, init);
      equal(status, 401);
      equal(headers.get("X-ClickHouse-Exception-Code"), "516");
      match(text, /^Code: 516\. DB::Exception: .* \(AUTHENTICATION_FAILED\)\n$/);
    }
    await rejects(client(`http://${username}:wrong@${host}/fraiseql`).version(), {
      code: "UNAUTHENTICATED",
    });
    const keys = { "X-ClickHouse-User": username, "X-ClickHouse-Key": password };
    equal((await post(url, "SELECT 1", {}, { headers: keys })).text, "1\n");
    const inUrl = { user: username, password };
    equal((await post(url, "SELECT 1", inUrl, { headers: {} })).text, "1\n");
  });
});

// What our own check of words lets through must be refused by the engine's rights, and the other way.
const refused: [name: string, sql: string, parameters?: Record<string, string>][] = [
  ["a file by a function", "SELECT file('/etc/hostname')"],
  ["a file by a name", "SELECT * FROM `/etc/hostname`", { database: "default" }],
  ["a table of another database", "CREATE TABLE default.t (a Int8) ENGINE = MergeTree ORDER BY a"],
  ["another database", "CREATE DATABASE other"],
  ["another database of files", "CREATE DATABASE fraiseql_x ENGINE = Filesystem('/etc')"],
  ["a file as a table", "CREATE TABLE t (a String) ENGINE = File(CSV, '/etc/hostname')"],
  ["a file as a source", "SELECT * FROM filesystem('/etc')"],
  ["a URL", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')"],
  ["another server", "SELECT * FROM remote('127.0.0.1', system.one)"],
  ["a result into a file", "SELECT 1 INTO OUTFILE '/tmp/fraiseql_outfile'"],
  ["a user", "CREATE USER other"],
  [
    "a dictionary",
    "CREATE DICTIONARY d (a Int8) PRIMARY KEY a SOURCE(FILE(path '/x' format 'CSV')) LAYOUT(FLAT())",
  ],
  ["a function of its own", "CREATE FUNCTION f AS (a) -> a"],
  ["a named collection", "CREATE NAMED COLLECTION c AS a = 1"],
  ["an end of the engine", "SYSTEM SHUTDOWN"],
  ["a look at the caches' end", "SYSTEM DROP MARK CACHE"],
  ["an expression in data", "INSERT INTO t VALUES (hostName())"],
  ["another language", "SELECT 1 SETTINGS dialect = 'kusto'"],
  ["another language by a parameter", "SELECT 1", { dialect: "prql" }],
  ["SQL in a setting", "SELECT 1 SETTINGS additional_result_filter = '1'"],
  ["SQL in a parameter", "SELECT 1", { additional_result_filter: "1" }],
  ["expressions in data by a parameter", "INSERT INTO t VALUES (hostName())", {
    input_format_values_interpret_expressions: "1",
  }],
  ["more time than it has", "SELECT 1", { max_execution_time: "100000" }],
  ["no limit of time", "SELECT 1", { max_execution_time: "0" }],
  ["more memory than it has", "SELECT 1", { max_memory_usage: "1000000000000" }],
  ["no limit of memory", "SELECT 1", { max_memory_usage: "0" }],
  ["a setting that is none", "SELECT 1", { no_such_setting: "1" }],
  ["a setting that is SQL", "SELECT 1", { "max_threads = 1, x": "1" }],
  ["a session", "SELECT 1", { session_id: "1" }],
];

Deno.test("the engine refuses what reaches files, other servers, users and its own limits", async (t) => {
  await withEngine(async ({ url }) => {
    await client(url).command("CREATE DATABASE IF NOT EXISTS fraiseql", { inDatabase: false });
    await client(url).command(
      "CREATE TABLE IF NOT EXISTS t (a String) ENGINE = MergeTree ORDER BY a",
    );
    for (const [name, sql, parameters] of refused) {
      await t.step(name, async () => {
        const answer = await post(url, sql, { database: "fraiseql", ...parameters });
        ok(answer.status >= 400, `${answer.status} ${answer.text}`);
        match(answer.text, /^Code: \d+\. DB::Exception: /);
      });
    }
    await rejects(Deno.stat("/tmp/fraiseql_outfile"));
    equal((await client(url).rows("SELECT * FROM t")).length, 0);
  });
});

Deno.test("the engine reads only by GET, and takes data behind the statement", async () => {
  await withEngine(async ({ url }) => {
    const ask = { database: "fraiseql" };
    await post(url, "CREATE DATABASE IF NOT EXISTS fraiseql");
    await post(url, "CREATE OR REPLACE TABLE u (a Int32) ENGINE = MergeTree ORDER BY a", ask);
    await post(url, "INSERT INTO u VALUES (1), (2)", ask);
    await post(url, "INSERT INTO u FORMAT CSV\n3\n4\n", ask);
    await post(url, "5\n6\n", { ...ask, query: "INSERT INTO u FORMAT CSV" });
    await post(url, "(7)", { ...ask, query: "INSERT INTO u VALUES" });
    const { host, username: user, password } = new URL(url);
    const get = async (query: string) => {
      const parameters = new URLSearchParams({ ...ask, user, password, query });
      const response = await fetch(`http://${host}/?${parameters}`);
      return [response.status, await response.text()];
    };
    deepEqual(await get("SELECT sum(a) FROM u"), [200, "28\n"]);
    equal((await get("INSERT INTO u VALUES (8)"))[0], 500);
    equal(
      (await post(url, "SELECT a FROM u WHERE a = {x:Int32} FORMAT JSONEachRow", {
        ...ask,
        param_x: "5",
      })).text,
      '{"a":5}\n',
    );
    equal((await post(url, "SELECT 1", { default_format: "JSONEachRow" })).text, '{"1":1}\n');
    equal((await fetch(`http://${host}/x`)).status, 404);
  });
});

Deno.test("settings of one request are gone with it", async () => {
  await withEngine(async ({ url }) => {
    const sql = "SELECT getSetting('max_block_size')";
    const usual = (await post(url, sql)).text;
    equal((await post(url, sql, { max_block_size: "1234" })).text, "1234\n");
    equal((await post(url, sql)).text, usual);
  });
});

Deno.test("an error in the middle of a streamed result is told, and read as one", async () => {
  await withEngine(async ({ url }) => {
    const sql = "SELECT throwIf(number = 900000) AS a FROM numbers(1000000)";
    const settings = { max_block_size: 10_000 };
    const { status, text, headers } = await post(url, `${sql} FORMAT CSV`, {
      max_block_size: "10000",
    });
    equal(status, 200);
    const tag = headers.get("X-ClickHouse-Exception-Tag") ?? "";
    match(tag, /^\w{16}$/);
    match(text, new RegExp(`__exception__\\r\\n${tag}\\r\\nCode: 395\\.`));
    const read = async () => {
      for await (const _ of client(url).arrow(sql, { settings, inDatabase: false }));
    };
    await rejects(read(), { name: "AppError", message: /Code: 395\./ });
  });
});

Deno.test("a large result comes in pieces and is whole", async () => {
  await withEngine(async ({ url }) => {
    const { tableFromIPC } = await import("apache-arrow");
    const sql = "SELECT number, toString(number) AS text FROM numbers(1000000)";
    const pieces: Uint8Array[] = [];
    for await (const piece of client(url).arrow(sql, { inDatabase: false })) pieces.push(piece);
    ok(pieces.length > 1);
    const table = tableFromIPC(pieces);
    equal(table.numRows, 1_000_000);
    equal(table.getChild("text")?.get(999_999), "999999");
    const empty: Uint8Array[] = [];
    const none = client(url).arrow("SELECT 1 AS a WHERE 0", { inDatabase: false });
    for await (const piece of none) empty.push(piece);
    deepEqual(tableFromIPC(empty).schema.fields.map(({ name }) => name), ["a"]);
  });
});

Deno.test("dictionaries of a streamed result are those of their batches", async () => {
  await withEngine(async ({ url }) => {
    const { RecordBatchReader } = await import("apache-arrow");
    const sql =
      "SELECT number, toLowCardinality(concat('w', toString(intDiv(number, 100000)))) AS w " +
      "FROM numbers(500000) ORDER BY number";
    const settings = {
      output_format_arrow_low_cardinality_as_dictionary: 1,
      output_format_arrow_use_signed_indexes_for_dictionary: 1,
    };
    const pieces: Uint8Array[] = [];
    for await (const piece of client(url).arrow(sql, { settings, inDatabase: false })) {
      pieces.push(piece);
    }
    let rows = 0;
    let batches = 0;
    for (const batch of RecordBatchReader.from(pieces)) {
      batches++;
      for (const i of [0, batch.numRows - 1]) {
        const { number, w } = batch.get(i)!;
        equal(w, `w${number / 100_000n}`);
      }
      rows += batch.numRows;
    }
    ok(batches > 1);
    equal(rows, 500_000);
  });
});

/** Statements that run, but for the one that asks. */
async function running(url: string): Promise<number> {
  const sql = "SELECT count() AS n FROM system.processes";
  const [row] = await client(url).rows<{ n: string }>(sql, { inDatabase: false });
  return Number(row?.n) - 1;
}

const endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))";

Deno.test("a statement ends in the engine when whoever asked is gone", async () => {
  await withEngine(async ({ url }) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    const asked = client(url).command(endless, { signal, inDatabase: false });
    const refusal = rejects(asked, { code: "CANCELLED" });
    while (await running(url) === 0) await pause();
    stopping.abort();
    await refusal;
    while (await running(url) > 0) await pause();

    for await (
      const _ of client(url).arrow("SELECT * FROM numbers(10000000000)", { inDatabase: false })
    ) {
      break; // after the first piece
    }
    while (await running(url) > 0) await pause();
  });
});

Deno.test("a statement ends after clickhouseQuerySecondsMax", async () => {
  await withEngine(async ({ url }) => {
    await rejects(client(url).command(endless, { inDatabase: false }), { code: "TIMEOUT" });
  }, { clickhouseQuerySecondsMax: 1 });
});

Deno.test("statements beyond clickhouseQueriesMax wait, those beyond clickhouseQueueMax are refused", async () => {
  await withEngine(async ({ url }) => {
    const stopping = new AbortController();
    const { signal } = stopping;
    const long = Array.from(
      { length: 2 },
      () => post(url, endless, {}, { signal, headers: headersOf(url) }).catch(() => null),
    );
    await new Promise((done) => setTimeout(done, 300));
    const waits = post(url, "SELECT 1");
    await new Promise((done) => setTimeout(done, 100));
    const beyond = await post(url, "SELECT 2");
    equal(beyond.status, 503);
    match(beyond.text, /^Code: 202\. DB::Exception: .*\(TOO_MANY_SIMULTANEOUS_QUERIES\)/);
    stopping.abort();
    equal((await waits).text, "1\n");
    await Promise.all(long);
  }, { clickhouseQueriesMax: 2, clickhouseQueueMax: 1 });
});

function headersOf(url: string): HeadersInit {
  const { username, password } = new URL(url);
  return { "X-ClickHouse-User": username, "X-ClickHouse-Key": password };
}

Deno.test("an insert of more than clickhouseBodyBytesMax is refused whole", async () => {
  await withEngine(async ({ url }) => {
    await post(url, "CREATE DATABASE IF NOT EXISTS fraiseql");
    const ask = { database: "fraiseql" };
    await post(url, "CREATE OR REPLACE TABLE v (a String) ENGINE = MergeTree ORDER BY a", ask);
    const insert = { ...ask, query: "INSERT INTO v FORMAT CSV" };
    const line = `${"x".repeat(1023)}\n`;
    equal((await post(url, line.repeat(1024), insert)).status, 200);
    equal((await post(url, line.repeat(1025), insert)).status, 413);
    equal((await post(url, "SELECT count() FROM v", ask)).text, "1024\n");
  }, { clickhouseBodyBytesMax: 1024 * 1024 });
});

Deno.test("a result above clickhouseResultBytesMax is refused", async () => {
  await withEngine(async ({ url }) => {
    const sql = "SELECT number FROM numbers(1000000) FORMAT JSON";
    match((await post(url, sql)).text, /^Code: 396\. /);
  }, { clickhouseResultBytesMax: 1024 * 1024 });
});

Deno.test("a statement that wants more memory than the engine has is refused, and it goes on", async () => {
  await withEngine(async ({ url }) => {
    const sql = "SELECT length(groupArray(toString(number))) FROM numbers(100000000)";
    await rejects(client(url).command(sql, { inDatabase: false }), {
      code: "UNAVAILABLE",
      message: /Code: 241\./,
    });
    equal((await post(url, "SELECT 1")).text, "1\n");
  }, { clickhouseMemoryBytesMax: 512 * 1024 * 1024 });
});

Deno.test("the engine's memory stays as it is in a loop of inserts", async () => {
  const folder = await Deno.makeTempDir({ prefix: "fraiseql_clickhouse_" });
  await withEngine(
    async ({ url, pid }) => {
      await migrateClickhouse(client(url), retention);
      const insert = async (from: number, to: number) => {
        for (let n = from; n < to; n++) {
          const bytes = toArrowStream(Array.from({ length: 1000 }, () => storedEvent()));
          await client(url).insertArrow(EVENTS_DATA, bytes, { token: `insert ${n}` });
        }
      };
      await insert(0, 50);
      const before = await anonymousMiB(pid);
      await insert(50, 150);
      equal(await countEvents(url), 150_000);
      const after = await anonymousMiB(pid);
      ok(after < before + 150, `${before} MiB, then ${after} MiB`);
    },
    {},
    folder,
  );
  await Deno.remove(folder, { recursive: true });
});

/** Of what is the process's own: the library's 250 MB are the file's. */
async function anonymousMiB(pid: number): Promise<number> {
  const text = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/RssAnon:\s+(\d+) kB/.exec(text)?.[1]) / 1024;
}
