/**
 * What can be said of `deno task compile` without Deno's base binary, which is a download: that the
 * program bundles and the bundle serves, and that it packs. Deno itself stands in for the base
 * binary then, so what is packed is not run.
 */

import { deepStrictEqual as deepEqual, match, ok, strictEqual as equal } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { lines } from "../flight/control.ts";
import { Observed } from "./lib/observer/observed.ts";
import { testPostgres } from "./services/postgres.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const postgres = await testPostgres();

/** The two commands of the task, their outputs in the folder. */
async function commands(folder: string): Promise<[bundle: string[], compile: string[]]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${root}deno.json`));
  const [bundle = [], compile = []] = (tasks.compile as string).split(" && ").map((command) =>
    command.split(" ").map((word) =>
      word === "fraiseql" || word.endsWith("/fraiseql.js")
        ? `${folder}/${word.split("/").at(-1)}`
        : word
    )
  );
  return [bundle, compile];
}

async function run([program, ...args]: string[], env: Record<string, string> = {}) {
  equal(program, "deno");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1", ...env },
    cwd: root,
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
}

Deno.test("deno task compile makes a bundle that serves and publishes, and packs it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [bundle, compile] = await commands(folder);
    await run(bundle);
    await serves(`${folder}/fraiseql.js`, folder);
    await publishes(`${folder}/fraiseql.js`, folder);
    await run(compile, { DENORT_BIN: Deno.execPath() });
    const packed = await Deno.readFile(`${folder}/fraiseql`);
    const query = new TextEncoder().encode("isolation level repeatable read read only");
    ok(packed.length > 0 && indexOf(packed, query) >= 0, "the program is not in what was packed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  const first = part[0] ?? 0;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (part.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

async function publishes(bundle: string, cwd: string): Promise<void> {
  const table = { sql: "create table t (id int primary key)", tables: ["t"] };
  await Observed.run(postgres, table, async (observed) => {
    await observed.query("insert into t values (1)");
    await using child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--no-prompt", "--allow-all", bundle, "observe"],
      env: { DATABASE_URL: observed.url, FRAISEQL_NATS_URL: observed.natsUrl },
      cwd,
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await lines(child.stdout).next();
    equal((await observed.stored()).length, 1);
  });
}

async function serves(bundle: string, cwd: string): Promise<void> {
  const args = ["run", "--no-config", "--no-prompt", "--allow-all", bundle];
  await using child = new Deno.Command(Deno.execPath(), {
    args: [...args, "serve", "--topology", "http", "--bind-addr", "127.0.0.1:0"],
    env: { DATABASE_URL: await postgres.shop() },
    cwd,
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const { value } = await lines(child.stdout).next();
  const { http } = JSON.parse(value || "{}");
  const answer = await fetch(`${http}/graphql?query={users(limit:1){__typename}}`);
  deepEqual(await answer.json(), { data: { users: [{ __typename: "User" }] } });
  const page = await fetch(`${http}/graphql`, { headers: { accept: "text/html" } });
  const [, script] = /src="([^"]+)"/.exec(await page.text()) ?? [];
  const asset = await fetch(http + script);
  equal(asset.status, 200);
  match(await asset.text(), /\S/);
}
