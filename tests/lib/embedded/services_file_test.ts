import { deepStrictEqual as deepEqual, rejects, strictEqual as equal } from "node:assert/strict";
import { join } from "node:path";
import { readServices, runningUrl, writeService } from "../../../lib/embedded/services_file.ts";

/** A folder for one test. */
async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const file = (folder: string) => join(folder, "services.json");

Deno.test("readServices() gives nothing where there is no file", () =>
  withFolder(async (folder) => deepEqual(await readServices(folder), {})));

Deno.test("writeService() sets one URL, keeps the others, and leaves one file", () =>
  withFolder(async (folder) => {
    await writeService(folder, "postgres", "postgres://a");
    await writeService(folder, "nats", "nats://b");
    await writeService(folder, "postgres", "postgres://c");
    deepEqual(await readServices(folder), { postgres: "postgres://c", nats: "nats://b" });
    deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["services.json"]);
  }));

Deno.test("writeService() lets nobody else read it", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(file(folder), "{}", { mode: 0o644 });
    await writeService(folder, "postgres", "postgres://a");
    const { mode } = await Deno.stat(file(folder));
    if (Deno.build.os !== "windows") equal((mode ?? 0) & 0o777, 0o600);
  }));

const broken: [name: string, text: string][] = [
  ["an empty file", ""],
  ["half a file", `{"postgres":"postgres://`],
  ["an array", `["postgres://a"]`],
  ["null", "null"],
  ["a value that is no text", `{"postgres":1}`],
];

for (const [name, text] of broken) {
  Deno.test(`readServices() refuses ${name} and says that it can be removed`, () =>
    withFolder(async (folder) => {
      await Deno.writeTextFile(file(folder), text);
      await rejects(readServices(folder), {
        code: "BAD_INPUT",
        hint: "remove the file: it is written anew at the next start, and the data stays",
      });
      await rejects(writeService(folder, "nats", "nats://a"), { code: "BAD_INPUT" });
      equal(await Deno.readTextFile(file(folder)), text);
    }));
}

Deno.test("writeService() says which folder cannot be written", () =>
  withFolder(async (folder) => {
    const missing = join(folder, "missing");
    await rejects(writeService(missing, "nats", "nats://a"), {
      code: "BAD_INPUT",
      hint: "free some space, or name another folder with FRAISEQL_DATA_DIR",
    });
  }));

Deno.test("readServices() refuses a folder in the file's place", () =>
  withFolder(async (folder) => {
    await Deno.mkdir(file(folder));
    await rejects(readServices(folder), { code: "BAD_INPUT" });
  }));

/** What runningUrl() finds at a listener that answers so. */
async function found(answer: Uint8Array | null, signal?: AbortSignal): Promise<string | null> {
  const folder = await Deno.makeTempDir();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  await writeService(folder, "postgres", `postgres://a:b@127.0.0.1:${listener.addr.port}/c`);
  const asked = runningUrl(folder, "postgres", signal);
  const connection = await accepted;
  if (answer) await connection.write(answer);
  const url = await asked;
  connection.close();
  await Deno.remove(folder, { recursive: true });
  return url && new URL(url).password;
}

Deno.test("runningUrl() knows PostgreSQL by its answer, with TLS or without", async () => {
  equal(await found(new TextEncoder().encode("N")), "b");
  equal(await found(new TextEncoder().encode("S")), "b");
});

Deno.test("runningUrl() finds no PostgreSQL where another program answers", async () => {
  equal(await found(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")), null);
});

Deno.test("runningUrl() finds none where nothing answers in time", async () => {
  equal(await found(null, AbortSignal.timeout(20)), null);
});

Deno.test("runningUrl() finds none where nobody listens", () =>
  withFolder(async (folder) => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.close();
    await writeService(folder, "postgres", `postgres://a:b@127.0.0.1:${listener.addr.port}/c`);
    equal(await runningUrl(folder, "postgres"), null);
  }));

Deno.test("runningUrl() finds none before the first start", () =>
  withFolder(async (folder) => equal(await runningUrl(folder, "postgres"), null)));
