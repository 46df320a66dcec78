/** The ClickHouse engine's library, from the npm package of this platform. */

import { fileURLToPath } from "node:url";
import { abortError, AppError } from "../errors.ts";

/** The version of the npm packages. */
export const enginePackageVersion = "26.7.3-stable.1";

/** Deno's names of platforms, and the package's. */
const PLATFORMS: Readonly<Record<string, string>> = {
  "linux x86_64": "linux-x64-gnu",
  "linux aarch64": "linux-arm64-gnu",
  "darwin x86_64": "darwin-x64",
  "darwin aarch64": "darwin-arm64",
};

const orServer = "set FRAISEQL_CLICKHOUSE_URL to a ClickHouse server";

/** The package for a platform; throws `UNSUPPORTED` where there is none. */
export function enginePackage(os: string = Deno.build.os, arch: string = Deno.build.arch): string {
  const platform = PLATFORMS[`${os} ${arch}`];
  if (platform !== undefined) return `@chdb/lib-${platform}@${enginePackageVersion}`;
  throw new AppError("UNSUPPORTED", `there is no embedded ClickHouse for ${os} ${arch}`, {
    hint: `${orServer}; embedded it runs on ${Object.keys(PLATFORMS).join(", ")}`,
  });
}

export interface FindEngineOptions {
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Tests give their own. */
  readonly name?: string;
}

/** The library's path in Deno's cache; downloads it where it is not there. */
export async function findEngine(options: FindEngineOptions): Promise<string> {
  const name = options.name ?? enginePackage();
  const kept = await ask(name, ["--cached-only"], options.signal);
  if (kept.path !== null) return kept.path;

  const startedAt = performance.now();
  options.onProgress(`getting the ClickHouse engine, about 190 MB that become 540 MB`);
  // How far it is cannot be seen: Deno shows that to terminals only.
  const timer = setInterval(() => {
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    options.onProgress(`still getting the ClickHouse engine, for ${seconds} s`);
  }, progressMs);
  try {
    const { path, said } = await ask(name, [], options.signal);
    if (path !== null) return path;
    throw new AppError("UNAVAILABLE", `cannot get the npm package ${name}`, {
      hint: `the first start needs \`deno\` and the npm registry; or ${orServer}`,
      cause: new Error(said),
    });
  } finally {
    clearInterval(timer);
  }
}

const progressMs = 10_000;

/**
 * A process of its own imports the package, so that it enters nobody's lock file nor any graph of
 * imports: whoever has a server of their own never gets its 540 MB. The version is pinned all the
 * same. Its description is imported and not its code, which would load the library.
 */
async function ask(
  name: string,
  flags: string[],
  signal: AbortSignal | undefined,
): Promise<{ path: string | null; said: string }> {
  const code = "const [name] = Deno.args;" +
    "await import(`${name}/package.json`, { with: { type: 'json' } });" +
    "console.log(import.meta.resolve(`${name}/libchdb.so`))";
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["eval", "--quiet", "--no-lock", "--no-config", "--node-modules-dir=none"],
      ...[...flags, code, `npm:${name}`],
    ],
    env: { DENO_NO_PACKAGE_JSON: "1", NO_COLOR: "1" },
    ...signal && { signal },
  }).output();
  if (signal?.aborted) throw abortError(signal);
  const found = new TextDecoder().decode(stdout).trim();
  const path = success && found.startsWith("file:") ? fileURLToPath(found) : null;
  return { path, said: new TextDecoder().decode(stderr) };
}
