/** A pgbouncer of one test's own in front of a server. */

import { join } from "node:path";
import { deadPort, type TestServer } from "./server.ts";

export type PoolMode = "session" | "transaction" | "statement";

export interface PgBouncer {
  /** Where it listens: the user `pooled` with its password, of the database `postgres`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts it with two connections to the server for however many come. */
export async function startPgBouncer(server: TestServer, mode: PoolMode): Promise<PgBouncer> {
  await server.sql(`drop role if exists pooled; create role pooled login password 'pooled'`);
  const folder = await Deno.makeTempDir({ prefix: "pgbouncer" });
  const port = deadPort();
  const settings = `
    [databases]
    postgres = host=127.0.0.1 port=${server.port}
    [pgbouncer]
    listen_addr = 127.0.0.1
    listen_port = ${port}
    unix_socket_dir =
    auth_type = scram-sha-256
    auth_file = ${join(folder, "users.txt")}
    pool_mode = ${mode}
    default_pool_size = 3
  `;
  await Deno.writeTextFile(join(folder, "users.txt"), `"pooled" "pooled"\n`);
  await Deno.writeTextFile(join(folder, "pgbouncer.ini"), settings.replace(/^ +/gm, ""));
  await Deno.chmod(folder, 0o755);
  // As root it asks for a user to become; that of the server's files is as good as any.
  const [[path]] = await server.sql("show data_directory") as [[string]];
  const { uid } = await Deno.stat(path);
  const asUser = Deno.uid() === 0 ? ["-u", await nameOf(uid)] : [];
  const command = new Deno.Command("pgbouncer", {
    args: [...asUser, join(folder, "pgbouncer.ini")],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const child = spawn(command);
  const lines = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let said = ""; !said.includes("process up");) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`pgbouncer ended: ${said}`);
    said += value;
  }
  const reading = (async () => {
    while (!(await lines.read()).done);
  })();
  return {
    url: `postgres://pooled:pooled@127.0.0.1:${port}/postgres`,
    async stop() {
      child.kill("SIGTERM");
      await child.status;
      await reading;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

function spawn(command: Deno.Command): Deno.ChildProcess {
  try {
    return command.spawn();
  } catch (cause) {
    throw new Error("these tests need pgbouncer on PATH (apt-get install pgbouncer)", { cause });
  }
}

async function nameOf(uid: number | null): Promise<string> {
  const lines = (await Deno.readTextFile("/etc/passwd")).split("\n").map((line) => line.split(":"));
  return lines.find((fields) => Number(fields[2]) === uid)?.[0] ?? "nobody";
}
