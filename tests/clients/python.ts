/**
 * Runs Python programs with the packages of `requirements.txt`, in an environment of their own
 * below `.cache` that is made once and again when the list changes.
 */

import { fileURLToPath } from "node:url";

/** What a program printed on standard output; throws with its errors when it failed. */
export async function python(
  script: string | URL,
  args: readonly string[] = [],
  input: string | Uint8Array = "",
): Promise<string> {
  const child = new Deno.Command(await preparePython(), {
    args: [script instanceof URL ? fileURLToPath(script) : script, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { PYTHONDONTWRITEBYTECODE: "1", PYTHONUTF8: "1" },
  }).spawn();
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const [output] = await Promise.all([child.output(), write(child.stdin, bytes)]);
  const text = new TextDecoder().decode(output.stdout);
  if (output.success) return text;
  throw new Error(`${script} failed: ${new TextDecoder().decode(output.stderr)}${text}`);
}

/** A program that ended without reading its input says why itself. */
async function write(stdin: WritableStream<Uint8Array>, bytes: Uint8Array): Promise<void> {
  const writer = stdin.getWriter();
  await writer.write(bytes).then(() => writer.close()).catch(() => {});
}

/** Makes the environment where it is not there, and gives its interpreter. */
export async function preparePython(
  onProgress: (line: string) => void = () => {},
): Promise<string> {
  const cache = fileURLToPath(new URL("../../.cache", import.meta.url));
  await Deno.mkdir(cache, { recursive: true });
  // Held while one program makes it; the kernel lets go of it, however that ends.
  using lock = await Deno.open(`${cache}/python.lock`, { write: true, create: true });
  await lock.lock(true);
  const folder = `${cache}/python`;
  const list = new URL("./requirements.txt", import.meta.url);
  const interpreter = Deno.build.os === "windows"
    ? `${folder}\\Scripts\\python.exe`
    : `${folder}/bin/python`;
  const mark = `${folder}/fraiseql-requirements.txt`;
  const wanted = await Deno.readTextFile(list);
  if (await Deno.readTextFile(mark).catch(() => "") === wanted) return interpreter;

  onProgress("installing the Python packages that tests read with");
  await Deno.remove(folder, { recursive: true }).catch(() => {}); // most often there is none
  await run("python3", ["-m", "venv", folder], "install python3 with venv (python3-venv)");
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await run(interpreter, [...pip, "-r", fileURLToPath(list)], "is the package index reachable?");
  await Deno.writeTextFile(mark, wanted);
  return interpreter;
}

async function run(program: string, args: string[], hint: string): Promise<void> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
    if (success) return;
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    throw new Error(`${program} ${args.join(" ")} failed: ${said.trim()}; ${hint}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Error(`tests need ${program}, which is not there: ${hint}`, { cause: error });
    }
    throw error;
  }
}
