/** The whole line as in production: servers of its own, and each worker a process by its own task. */

import { type Clickhouse, connectClickhouse } from "../../lib/clickhouse/client.ts";
import { readClickhouseUrl } from "../../lib/clickhouse/url.ts";
import { keepClickhouse } from "../../lib/embedded/clickhouse_keep.ts";
import { keepNats } from "../../lib/embedded/nats_keep.ts";
import type { Nats } from "../../lib/events/connect.ts";
import { storeBytesMax } from "../../lib/events/streams.ts";
import { type Limits, limits } from "../../lib/limits.ts";
import { createLog } from "../../lib/log.ts";
import { connect, type Connection } from "../../lib/postgres/connection.ts";
import { KeptPostgres } from "../lib/observer/kept_postgres.ts";
import { command, type Environment, type Program, runTask } from "../serve/serve.ts";
import { connectTo, natsPrograms, testNats } from "../services/nats.ts";

/** By the worker's name: the task that runs it. */
const TASKS = { publisher: "observe", bridge: "bridge", clickhouse: "sink:clickhouse" } as const;

export type LineWorker = keyof typeof TASKS;
export const LINE_WORKERS = Object.keys(TASKS) as LineWorker[];

export interface LineOptions {
  /** Makes the tables that are captured. */
  readonly sql: string;
  readonly tables: readonly string[];
  readonly some: Partial<Limits>;
}

export class Line implements AsyncDisposable {
  private constructor(
    private readonly stack: AsyncDisposableStack,
    /** For all that is asked of the program. */
    private readonly env: Environment,
    readonly limits: Limits,
    readonly databaseUrl: string,
    /** For who watches. */
    readonly connection: Connection,
    readonly nats: Nats,
    readonly clickhouse: Clickhouse,
    readonly workers: Readonly<Record<LineWorker, Program>>,
    readonly folders: { readonly nats: string },
  ) {}

  /** Starts all of it; a database whose writers are refused where the change log is full. */
  static async start({ sql, tables, some }: LineOptions): Promise<Line> {
    await testNats(); // which fetches the program
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "fraiseql-soak-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    await Deno.chmod(dir, 0o755);
    const log = createLog("error", () => {});
    const all = limits(some);

    const postgres = await KeptPostgres.start(`${dir}/postgres`);
    stack.defer(() => postgres.stop());
    const nats = await keepNats({
      dataDir: `${dir}/nats`,
      log,
      programs: natsPrograms,
      storeBytesMax: storeBytesMax(all),
      messageBytesMax: all.natsMessageBytesMax,
    });
    stack.defer(() => nats.stop());
    const engine = await keepClickhouse({ dataDir: `${dir}/clickhouse`, log, limits: limits() });
    stack.defer(() => engine.stop());

    const env: Record<string, string> = {
      DATABASE_URL: postgres.url,
      FRAISEQL_NATS_URL: nats.url,
      FRAISEQL_CLICKHOUSE_URL: engine.url,
      FRAISEQL_CHANGE_LOG_FULL: "refuse-writes",
      FRAISEQL_LOG_LEVEL: "error",
    };
    for (const [name, value] of Object.entries(some)) env[variableOf(name)] = String(value);
    const connection = await connect({ url: postgres.url });
    stack.defer(() => connection.close());
    await connection.query(sql);
    await done(["migrate"], env);
    for (const table of tables) {
      const columns = ["--user-column", "buyer", "--org-column", "org"];
      await done(["capture", "add", table, ...columns], env);
    }
    const admin = await connectTo(nats.url);
    stack.defer(() => admin.close());

    const start = (worker: LineWorker) => {
      const program = runTask(TASKS[worker], { ...env, FRAISEQL_NATS_URL: nats.urls[worker] });
      stack.defer(async () => {
        program.signal("SIGKILL"); // it has ended already where the test came to its end
        await program.ended;
      });
      return program;
    };
    const workers = {
      publisher: start("publisher"),
      bridge: start("bridge"),
      clickhouse: start("clickhouse"),
    };
    for (const program of Object.values(workers)) await program.said(/at work/);
    return new Line(
      stack.move(),
      env,
      all,
      postgres.url,
      connection,
      admin,
      connectClickhouse(readClickhouseUrl(engine.url), all),
      workers,
      { nats: `${dir}/nats` },
    );
  }

  /** What `fraiseql verify` says; throws where something differs. */
  verify(): Promise<string> {
    return done(["verify"], this.env);
  }

  /** Throws what a worker complains of. */
  checkWorkers(): void {
    for (const [name, program] of Object.entries(this.workers)) {
      if (/hint:|fraiseql:/.test(program.stderr())) throw new Error(`${name} ${program.stderr()}`);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}

/** `eventBytesMax` is `FRAISEQL_LIMITS_EVENT_BYTES_MAX`. */
function variableOf(limit: string): string {
  return `FRAISEQL_LIMITS_${limit.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`;
}

/** Runs a command of the program to its end, and gives what it printed. */
async function done(args: readonly string[], env: Environment): Promise<string> {
  const { code, stdout, stderr } = await command(args, env);
  if (code !== 0) {
    throw new Error(`fraiseql ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  }
  return stdout;
}
