/**
 * `deno task test [files, folders and flags of deno test]`: gets the services that the tests need,
 * runs them, and says at last in one plain line how many passed.
 */

import { stripVTControlCharacters } from "node:util";
import { preparePython } from "./clients/python.ts";
import { startTestClickhouse } from "./services/clickhouse.ts";
import { startTestElasticsearch } from "./services/elasticsearch.ts";
import { startTestNats } from "./services/nats.ts";
import { dropLeftovers, startTestServer } from "./services/postgres.ts";

/** Counts of one run. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What `deno test` says at its end; null where it said nothing, because it ended in the middle. */
export function readSummary(output: string): Summary | null {
  const form =
    /^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed(?: \(\d+ steps?\))?(?: \| (\d+) ignored)?/;
  const lines = stripVTControlCharacters(output).split("\n");
  const found = lines.map((line) => form.exec(line)).findLast((match) => match !== null);
  if (!found) return null;
  const [passed = 0, failed = 0, skipped = 0] = found.slice(1).map((text) => Number(text ?? 0));
  return { passed, failed, skipped };
}

/** The plain line, and whether the run is good: nothing failed, and something ran. */
export function judge(summary: Summary | null, code: number): { line: string; good: boolean } {
  const { passed, skipped } = summary ?? { passed: 0, skipped: 0 };
  // A run that was cut, or failed outside of any test, has failed even where no test says so.
  const failed = Math.max(summary?.failed ?? 1, code === 0 ? 0 : 1);
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return { line, good: failed === 0 && passed > 0 };
}

/** The arguments of `deno test`; everything where no file or folder is named. */
export function testArguments(args: readonly string[], exists: (path: string) => boolean) {
  const named = args.filter((arg) => !arg.startsWith("-") && exists(arg));
  const flags = args.filter((arg) => !named.includes(arg));
  return { flags, places: named.length > 0 ? named : ["tests"] };
}

async function main(args: readonly string[]): Promise<number> {
  const { flags, places } = testArguments(args, (path) => isThere(path));
  const services = hasLiveTests(places) ? await startServices() : null;
  try {
    const { line, good } = await runTests([...flags, ...places], services?.env ?? {});
    say(line);
    return good ? 0 : 1;
  } finally {
    await services?.stop();
  }
}

async function runTests(args: string[], env: Record<string, string>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...args],
    env,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let tail = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    Deno.stdout.writeSync(bytes);
    tail = (tail + decoder.decode(bytes, { stream: true })).slice(-tailCharsMax);
  }
  const { code } = await child.status;
  return judge(readSummary(tail), code);
}

/** The summary comes last, after the list of what failed. */
const tailCharsMax = 10_000;

async function startServices() {
  const note = (line: string) => void Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
  // The tests that want it say the same, and the others can still run.
  await preparePython(note).catch((error) => note(`no Python: ${error.message}`));
  const nats = Deno.env.get("TEST_NATS_URL")
    ? null
    : await startTestNats(note).catch((error) => note(`no NATS: ${error.message}`) ?? null);
  const clickhouse = Deno.env.get("TEST_CLICKHOUSE_URL")
    ? null
    : await startTestClickhouse(note).catch((error) =>
      note(`no ClickHouse: ${error.message}`) ?? null
    );
  const elasticsearch = Deno.env.get("TEST_ELASTICSEARCH_URL")
    ? null
    : await startTestElasticsearch(note).catch((error) =>
      note(`no Elasticsearch: ${error.message}`) ?? null
    );
  const eventsEnv = {
    ...nats && { TEST_NATS_FOLDER: nats.folder },
    ...clickhouse && { TEST_CLICKHOUSE_URL: clickhouse.url },
    ...elasticsearch && { TEST_ELASTICSEARCH_URL: elasticsearch.url },
  };
  const stopEvents = () => Promise.all([nats?.stop(), clickhouse?.stop(), elasticsearch?.stop()]);
  const given = Deno.env.get("DATABASE_URL");
  if (given) {
    await dropLeftovers(given);
    return {
      env: eventsEnv,
      stop: async () => void await stopEvents(),
    };
  }
  const server = await startTestServer(note);
  return {
    env: { ...eventsEnv, TEST_POSTGRES_URL: server.url },
    stop: async () => void await Promise.all([stopEvents(), server.stop()]),
  };
}

function hasLiveTests(places: readonly string[]): boolean {
  return places.some((place) =>
    Deno.statSync(place).isDirectory
      ? hasLiveTests([...Deno.readDirSync(place)].map(({ name }) => `${place}/${name}`))
      : place.endsWith("_live_test.ts")
  );
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false; // a flag's value, or a mistake that deno test tells of
  }
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
