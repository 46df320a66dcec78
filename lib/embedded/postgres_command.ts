import type { PostgresFolder } from "./postgres_folder.ts";

/** A command that runs PostgreSQL's programs as who owns the data, in English and in UTC. */
export function command(
  folder: PostgresFolder,
  program: string,
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Deno.Command {
  return new Deno.Command(program, {
    args: [...args],
    ...folder.runAs,
    clearEnv: true,
    env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin", ...windowsEnv() },
    cwd: folder.path,
    stdout: "null",
    stderr: "piped",
    ...options,
  });
}

/** Windows' programs do not start without these. */
function windowsEnv(): Record<string, string> {
  if (Deno.build.os !== "windows") return {};
  const names = ["PATH", "SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE"];
  return Object.fromEntries(names.map((name) => [name, Deno.env.get(name) ?? ""]));
}
