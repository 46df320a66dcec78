/**
 * `deno task layers`: who may import whom, as docs/ARCHITECTURE.md draws it, and no file without a
 * use. Tests and benches import what they like.
 */

import { posix } from "node:path";

/** A folder's place: everything it may import from, besides itself. */
interface Layer {
  /** A file or a folder; `lib` are the files directly in it. */
  readonly name: string;
  readonly imports: readonly string[];
  readonly why: string;
}

const ground = ["lib"];
const formats = [...ground, "lib/arrow", "lib/json"];
const transport = [...formats, "lib/query", "lib/events", "lib/auth"];
const root = [
  ...transport,
  "lib/clickhouse",
  "lib/elasticsearch",
  "lib/postgres",
  "lib/embedded",
  "lib/observer",
  "lib/http",
];

// deno-fmt-ignore: a table reads best as one
const LAYERS: readonly Layer[] = [
  { name: "main.ts", imports: [...root, "commands", "flight", "sinks"], why: "it is the composition root" },
  { name: "commands", imports: [...root, "flight", "sinks"], why: "commands are part of the composition root" },
  { name: "lib/http", imports: transport, why: "a transport knows neither the other one nor PostgreSQL" },
  { name: "flight", imports: transport, why: "a transport knows neither the other one nor PostgreSQL" },
  { name: "sinks", imports: [...formats, "lib/events", "lib/clickhouse", "lib/search", "lib/elasticsearch"], why: "a sink takes events and knows nobody else" },
  { name: "lib/observer", imports: [...formats, "lib/query", "lib/postgres", "lib/events"], why: "a worker knows no transport" },
  { name: "lib/search/sqlite", imports: [...ground, "lib/events", "lib/search", "lib/embedded/folder_lock.ts"], why: "a store knows events and words, and nobody above" },
  { name: "lib/search", imports: ground, why: "words and conditions know no store" },
  { name: "lib/query", imports: [...formats, "lib/search"], why: "the query stages are pure: no sockets, no database" },
  { name: "lib/postgres", imports: [...formats, "lib/query"], why: "it fulfils what lib/query asks for and knows nobody above" },
  { name: "lib/events", imports: formats, why: "events know their formats only" },
  { name: "lib/clickhouse", imports: [...formats, "lib/query"], why: "it fulfils what lib/query asks for and knows nobody above" },
  { name: "lib/elasticsearch", imports: [...ground, "lib/events", "lib/search"], why: "it fulfils what lib/search asks for and knows nobody above" },
  { name: "lib/auth", imports: ground, why: "rules know no transport" },
  { name: "lib/embedded", imports: [...ground, "lib/postgres", "lib/events"], why: "it starts services and knows no one who uses them" },
  { name: "lib/json", imports: [...ground, "lib/arrow"], why: "it shares the table of types, and knows no socket" },
  { name: "lib/arrow", imports: ground, why: "columns know no socket and no query" },
  { name: "lib", imports: [], why: "the ground that all stand on imports nobody" },
];

/** The only places that import a package; nobody but tests and benches where there is none. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  "@grpc/grpc-js": ["flight"],
  "@nats-io/jetstream": ["lib/events"],
  "@nats-io/transport-node": ["lib/events"],
  "apache-arrow": ["lib/arrow"],
  commander: ["main.ts", "commands"],
  graphql: ["lib/query"],
  pluralize: ["lib/query"],
  postgres: [],
  "prom-client": ["lib/metrics.ts"],
  "smol-toml": ["lib/config.ts"],
  zod: ["lib/http", "flight"],
};

/** Run by hand when a dependency changes, and by nobody else. */
const TOOLS: readonly string[] = ["lib/http/graphiql/vendor.ts"];

/** What is wrong, and where. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** Checks the files, by their paths from the repository's root. */
export function checkLayers(files: ReadonlyMap<string, string>): Violation[] {
  const violations: Violation[] = [];
  for (const [path, text] of files) {
    const layer = LAYERS.find(({ name }) => covers(name, path));
    if (!layer) {
      violations.push({ path, line: 1, text: "no layer: name its folder in tests/layers.ts" });
      continue;
    }
    for (const { line, specifier } of importsOf(text)) {
      const fault = checkImport(path, layer, specifier);
      if (fault) violations.push({ path, line, text: fault });
    }
  }
  return [...violations, ...deadFiles(files)];
}

function checkImport(path: string, layer: Layer, specifier: string): string | null {
  if (specifier.startsWith("node:")) return null;
  if (specifier.startsWith(".")) {
    const target = resolve(path, specifier);
    if ([layer.name, ...layer.imports].some((name) => covers(name, target))) return null;
    return `imports ${target}, but ${layer.why}`;
  }
  const name = packageOf(specifier);
  const doors = DOORS[name];
  if (!doors) return `imports ${specifier}, which has no door: name one in tests/layers.ts`;
  if (doors.some((door) => covers(door, path))) return null;
  return `imports ${name}, whose only door is ${doors.join(" or ") || "in tests and benches"}`;
}

/** Files that nothing reaches from `main.ts`, by import or as a Worker. */
function deadFiles(files: ReadonlyMap<string, string>): Violation[] {
  const start = "main.ts";
  if (!files.has(start)) return [];
  const reached = new Set([start]);
  for (const path of reached) { // a Set goes on with what is added meanwhile
    for (const { specifier } of importsOf(files.get(path) ?? "")) {
      if (specifier.startsWith(".")) reached.add(resolve(path, specifier));
    }
  }
  return [...files.keys()].filter((path) => !reached.has(path) && !TOOLS.includes(path)).map((
    path,
  ) => ({
    path,
    line: 1,
    text: "nothing reaches it from main.ts: use it or remove it",
  }));
}

/** A static import or export, a dynamic import, or a program's address beside the file. */
const forms = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)"([^"\n]+)"/g;

function importsOf(text: string): { line: number; specifier: string }[] {
  return text.split("\n").flatMap((content, index) => {
    if (/^\s*(\*|\/\/|\/\*)/.test(content)) return [];
    return [...content.matchAll(forms)].flatMap(([all, specifier = ""]) => {
      const isPage = all.startsWith("new URL") && !/^\..*\.ts$/.test(specifier);
      return isPage ? [] : [{ line: index + 1, specifier }];
    });
  });
}

function covers(name: string, path: string): boolean {
  if (name === "lib") return posix.dirname(path) === "lib";
  return path === name || path.startsWith(`${name}/`);
}

function resolve(path: string, specifier: string): string {
  return posix.join(posix.dirname(path), specifier);
}

function packageOf(specifier: string): string {
  const bare = specifier.replace(/^npm:\/?/, "");
  return /^(@[^/]+\/)?[^/@]+/.exec(bare)?.[0] ?? bare;
}

/** Every file of the program: neither tests nor benches, examples, documents, hidden folders. */
function readFiles(folder = "."): Map<string, string> {
  const others = /^(\..*|tests|bench|examples|docs|node_modules|coverage)$/;
  const files = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = posix.join(folder, name);
    if (isDirectory && !(folder === "." && others.test(name))) {
      for (const [inner, text] of readFiles(path)) files.set(inner, text);
    } else if (/(?<!\.d)\.ts$/.test(name)) files.set(path, Deno.readTextFileSync(path));
  }
  return files;
}

if (import.meta.main) {
  const violations = checkLayers(readFiles());
  const text = violations.map(({ path, line, text }) => `${path}:${line} ${text}\n`).join("");
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  if (violations.length > 0) Deno.exit(1);
}
