/** A program in Java for tests: archives that Maven fetches, and our files compiled beside them. */

import { fileURLToPath } from "node:url";
import { AppError } from "../../lib/errors.ts";
import { findJdk } from "./jdk.ts";

const here = fileURLToPath(new URL("./", import.meta.url));
const cache = fileURLToPath(new URL("../../.cache/", import.meta.url));

export interface JavaProgram {
  readonly java: string;
  readonly classPath: string;
}

/** Fetches and compiles the folder beside this file once; later runs find it in `.cache`. */
export async function javaProgram(
  name: string,
  onProgress: (line: string) => void = () => {},
): Promise<JavaProgram> {
  const sources = `${here}${name}/`;
  const jdk = await findJdk(releaseMin);
  const names = [...Deno.readDirSync(sources)].map(({ name }) => name).sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(sources + name)));
  const folder = `${cache}${name}-${await digestOf(texts)}`;
  await Deno.mkdir(folder, { recursive: true });
  // Test files may run at once, each in a process of its own.
  using turn = await Deno.open(`${folder}/turn`, { write: true, create: true });
  await turn.lock(true);
  if (!await isThere(`${folder}/lib`)) {
    onProgress(`fetching ${name} by Maven (some 70 MiB) ...`);
    await fetchArchives(`${sources}pom.xml`, `${folder}/fetched`);
    // Last, so that what was cut in the middle is fetched again.
    await Deno.rename(`${folder}/fetched`, `${folder}/lib`);
  }
  if (!await isThere(`${folder}/classes`)) {
    const files = names.filter((name) => name.endsWith(".java")).map((name) => sources + name);
    const flags = ["-nowarn", "--release", String(releaseMin), "-cp", `${folder}/lib/*`];
    await run(`${jdk}/bin/javac`, [...flags, "-d", `${folder}/compiled`, ...files]);
    await Deno.rename(`${folder}/compiled`, `${folder}/classes`);
  }
  return { java: `${jdk}/bin/java`, classPath: `${folder}/classes:${folder}/lib/*` };
}

/** What Elasticsearch 9 and OpenSearch 3 are compiled for. */
const releaseMin = 21;

async function fetchArchives(pom: string, folder: string): Promise<void> {
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
  const target = [`-DoutputDirectory=${folder}`, "-DincludeScope=runtime"];
  await run("mvn", ["--batch-mode", "--quiet", "-f", pom, goal, ...target]);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const command = new Deno.Command(program, { args: [...args], stdin: "null" });
  const output = await command.output().catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new AppError("UNAVAILABLE", `${program} is not installed`, {
      hint: "install Maven (apt-get install maven), or name a server in TEST_ELASTICSEARCH_URL",
      cause: error,
    });
  });
  if (output.success) return;
  const decoder = new TextDecoder();
  const said = decoder.decode(output.stdout) + decoder.decode(output.stderr);
  throw new Error(`${program} failed: ${said.slice(-4000)}`);
}

async function digestOf(texts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(texts));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.toHex().slice(0, 12);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
