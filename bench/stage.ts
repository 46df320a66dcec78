/** What every part of the bench stands on: a real PostgreSQL with the table, and our server. */

import { fileURLToPath } from "node:url";
import { startPostgres } from "../lib/embedded/postgres.ts";
import { loadSampleShop } from "../lib/embedded/sample_shop.ts";
import { createLog } from "../lib/log.ts";
import { connect } from "../lib/postgres/connection.ts";
import { childrenOf, commandOf, type Running, startProgram } from "./processes.ts";

/** How much is measured. */
export interface Size {
  /** Rows of the table. */
  readonly rows: number;
  readonly rounds: number;
  /** Small and short, to see that the bench itself works. */
  readonly quick: boolean;
}

/** The database, and how much is measured. */
export interface Stage extends Size {
  readonly url: string;
  /** Another database of the same server, with the sample shop. */
  readonly shopUrl: string;
  readonly postgresPid: number;
  stop(): Promise<void>;
}

/** Says what takes a while. */
export function note(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Starts PostgreSQL as it is shipped, in a folder that goes with it, and makes the tables. */
export async function openStage(size: Size): Promise<Stage> {
  const dataDir = await Deno.makeTempDir({ prefix: "fraiseql-bench-" });
  const postgres = await startPostgres({ dataDir, log: createLog("warn"), onProgress: note });
  const stop = async () => {
    await postgres.stop();
    await Deno.remove(dataDir, { recursive: true });
  };
  try {
    note(`making a table of ${size.rows.toLocaleString("en")} rows`);
    const text = await Deno.readTextFile(new URL("bench_table.sql", import.meta.url));
    await runAll(postgres.url, text.replace("{rows}", String(size.rows)));
    await runAll(postgres.url, "create database shop;");
    const shopUrl = new URL("/shop", postgres.url).href;
    const connection = await connect({ url: shopUrl });
    await loadSampleShop((sql, parameters) => connection.query(sql, parameters ?? []));
    await connection.close();
    return { ...size, url: postgres.url, shopUrl, postgresPid: postgres.pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function runAll(url: string, text: string): Promise<void> {
  const connection = await connect({ url });
  try {
    for (const sql of text.split(/;\s*$/m).map((part) => part.trim()).filter((part) => part)) {
      await connection.query(sql);
    }
  } finally {
    await connection.close();
  }
}

/** Our server, as `deno task serve` runs it. */
export interface Server extends Running {
  readonly http: string;
  readonly flight: string;
  readonly flightPid: number;
}

/** Starts HTTP and Flight on a database. */
export async function startServer(
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const server = await startProgram(Deno.execPath(), {
    args: taskArguments("serve"),
    env: {
      DATABASE_URL: url,
      FRAISEQL_TOPOLOGY: "dual",
      FRAISEQL_BIND_ADDR: "127.0.0.1:0",
      FRAISEQL_FLIGHT_BIND_ADDR: "127.0.0.1:0",
      ...env,
    },
    find: readReady,
  });
  const flightPid = childrenOf(server.pid).find((pid) => / flight( |$)/.test(commandOf(pid)));
  if (flightPid === undefined) throw new Error("the Flight process was not found");
  return { pid: server.pid, stop: server.stop, ...server.found, flightPid };
}

/** A task's own command, so that its permissions are measured too. */
export function taskArguments(
  task: "serve" | "observe" | "bridge" | "sink:clickhouse" | "sink:elasticsearch",
): string[] {
  const config = fileURLToPath(new URL("../deno.json", import.meta.url));
  const tasks: Record<string, string> = JSON.parse(Deno.readTextFileSync(config)).tasks;
  const [, ...args] = (tasks[task] ?? "").split(" ");
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  return [args[0] ?? "run", "--config", config, ...args.slice(1)]
    .map((arg) => arg === "main.ts" ? main : arg);
}

function readReady(line: string): { http: string; flight: string } | null {
  if (!line.startsWith('{"event":"ready"')) return null;
  const { http, flight } = JSON.parse(line);
  return { http: `${http}/graphql`, flight };
}
