/** Finds a JDK that is new enough; the one on PATH often is not. */

import { AppError } from "../../lib/errors.ts";

/** The folder of the first JDK (with its compiler) of that release or a newer one. */
export async function findJdk(releaseMin: number): Promise<string> {
  const seen: string[] = [];
  for await (const folder of candidates()) {
    const release = releaseOf(folder);
    if (release === null) continue;
    if (release >= releaseMin) return folder;
    seen.push(`${release} in ${folder}`);
  }
  const found = seen.length > 0 ? `, only ${[...new Set(seen)].join(", ")}` : "";
  throw new AppError("UNAVAILABLE", `there is no JDK of release ${releaseMin} or newer${found}`, {
    hint: "install one (apt-get install openjdk-21-jdk-headless, or temurin-25-jdk) and name its " +
      "folder in JAVA_HOME if it is not found",
  });
}

async function* candidates(): AsyncGenerator<string> {
  const home = Deno.env.get("JAVA_HOME");
  if (home) yield home;
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const compiler = await Deno.realPath(`${folder}/javac`).catch(() => null); // none here
    if (compiler !== null) yield compiler.replace(/\/bin\/javac$/, "");
  }
  for (const folder of jvmFolders()) {
    for (const name of namesIn(folder)) {
      yield `${folder}/${name}`;
      yield `${folder}/${name}/Contents/Home`; // on macOS
    }
  }
}

/** Where packages of the systems put them, and the usual tools. */
function jvmFolders(): string[] {
  const user = Deno.env.get("HOME") ?? "";
  return [
    "/usr/lib/jvm",
    "/usr/java",
    "/opt/java",
    "/opt",
    "/Library/Java/JavaVirtualMachines",
    `${user}/.sdkman/candidates/java`,
    `${user}/.jdks`,
  ];
}

function namesIn(folder: string): string[] {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return []; // no such folder
  }
}

/** Of a JDK that can compile, else null. */
function releaseOf(folder: string): number | null {
  try {
    Deno.statSync(`${folder}/bin/javac`);
    const text = Deno.readTextFileSync(`${folder}/release`);
    const [, release] = /^JAVA_VERSION="(?:1\.)?(\d+)/m.exec(text) ?? [];
    return release === undefined ? null : Number(release);
  } catch {
    return null; // no JDK
  }
}
