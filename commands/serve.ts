/**
 * `fraiseql serve`: configuration -> database -> transports -> events -> shutdown. Each part starts only
 * where the topology names it.
 */

import { type SupervisedFlight, superviseFlight } from "../flight/supervise.ts";
import type { Config } from "../lib/config.ts";
import { type EmbeddedPostgres, startPostgres } from "../lib/embedded/postgres.ts";
import { type HttpServer, serveHttp } from "../lib/http/server.ts";
import { createLog, type Log } from "../lib/log.ts";
import { createMetrics } from "../lib/metrics.ts";
import { openDatabase, type PostgresDatabase } from "../lib/postgres/database.ts";
import type { RootList } from "../lib/query/query_engine.ts";
import type { SearchProvider } from "../lib/query/search_read.ts";
import { engineOf, isFirstStart, loadSample } from "./database.ts";
import { searchProviderOf } from "./event_search.ts";
import { Events } from "./events.ts";
import { exampleQuery } from "./example_query.ts";
import { flightCommand } from "./flight_command.ts";
import { LateEngine } from "./late_engine.ts";
import { configEnvironment } from "./options.ts";
import { answer, say } from "./say.ts";
import { readSchemaFile } from "./schema_file.ts";
import { untilThere } from "./wait.ts";

/** Serves until the signal is aborted, then drains; gives the exit status. */
export async function serve(config: Config, signal: AbortSignal): Promise<number> {
  const log = createLog(config.logLevel);
  const parts = new Parts();
  // From the start, since a SIGHUP that nobody listens for ends a program.
  const unlisten = refreshOnHangup(log, parts);
  try {
    // Before a database is started or waited for: a path that is wrong is told at once.
    if (config.schema !== null) await readSchemaFile(config.schema, config);
    const url = await databaseUrl(config, log, parts, signal);
    await startTransports(config, url, log, parts, signal);
    await aborted(signal);
    log.info("stopping");
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    throw error;
  } finally {
    await parts.close(config.limits.drainSecondsMax);
    unlisten();
  }
}

/** What was started, as far as it is there. */
class Parts {
  readonly engine = new LateEngine();
  http: HttpServer | null = null;
  flight: SupervisedFlight | null = null;
  database: PostgresDatabase | null = null;
  events: Events | null = null;
  search: SearchProvider | null = null;
  /** What the database could be asked at the start. */
  lists: readonly RootList[] = [];
  stopPostgres: (() => Promise<void>) | null = null;

  async close(drainSeconds: number): Promise<void> {
    // Both at once, so that neither takes new work while the other drains; then what they stand on.
    await Promise.all([
      this.http?.stop(drainSeconds),
      this.flight?.stop(drainSeconds),
      this.events?.stop(drainSeconds),
    ]);
    await this.search?.store.close();
    await this.database?.close();
    await this.stopPostgres?.();
  }
}

async function databaseUrl(
  config: Config,
  log: Log,
  parts: Parts,
  signal: AbortSignal,
): Promise<string> {
  if (config.databaseUrl !== null) return config.databaseUrl;
  if (await isFirstStart(config)) {
    say(`first start: PostgreSQL and its data go to ${config.dataDir}`);
  }
  const options = { dataDir: config.dataDir, log, onProgress: say, signal };
  let postgres = await startPostgres(options);
  let restart = Promise.resolve();
  let closing = false;
  parts.stopPostgres = async () => {
    closing = true;
    await restart;
    await postgres.stop();
  };
  await loadSample(config, postgres.url, signal);

  const { url } = postgres;
  const watch = async (running: EmbeddedPostgres): Promise<void> => {
    const end = await running.exited;
    if (end.wanted || closing || signal.aborted) return;
    log.error("embedded postgres ended", { code: end.code, lastLines: end.lastLines });
    const again = startPostgres({ ...options, port: Number(new URL(url).port) });
    // Told below where it fails; who stops it waits for either.
    restart = again.then((started) => void (postgres = started), () => {});
    await again;
    log.info("embedded postgres is back");
    return await watch(postgres);
  };
  watch(postgres).catch((error) => {
    if (!signal.aborted) log.error("embedded postgres stays down", { error });
  });
  return url;
}

async function startTransports(
  config: Config,
  url: string,
  log: Log,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const metrics = createMetrics();
  const { limits } = config;
  const { engine } = parts;

  if (config.topology !== "arrow") {
    parts.http = await serveHttp({
      engine,
      address: config.bindAddr,
      limits,
      log,
      metrics,
      corsOrigins: config.corsOrigins,
      unrepresentable: config.unrepresentable,
      readiness: () => readiness(parts, config),
      metricsText: async () => {
        const others = await parts.flight?.metrics();
        return await metrics.text(others ? [others] : []);
      },
    });
    const database = await untilThere(
      url,
      log,
      signal,
      () =>
        openDatabase({
          url,
          limits,
          log,
          metrics,
          signal,
          onStarved: () => parts.flight?.giveBack(),
        }),
    );
    parts.database = database;
    const search = parts.search = searchProviderOf(config);
    const onChanged = () => void tellFlight(parts, log);
    engine.set(
      await untilThere(
        url,
        log,
        signal,
        () => engineOf(config, database, log, { metrics, search, onChanged }),
      ),
    );
    parts.lists = engine.rootLists();
  } else {
    // Flight does the same, but what is wrong with them is better told before it starts.
    const open = () => openDatabase({ url, limits, log, signal });
    const database = await untilThere(url, log, signal, open);
    try {
      const once = await untilThere(url, log, signal, () => engineOf(config, database, log));
      parts.lists = once.rootLists();
    } finally {
      await database.close();
    }
  }

  if (config.topology !== "http") {
    parts.flight = await superviseFlight({
      command: flightCommand(),
      env: configEnvironment(config, url),
      log,
      metrics,
      onRefreshed: () => engine.refresh(),
      onStarved: () => parts.database?.giveBack(),
      signal,
    });
  }
  if (signal.aborted) return;
  tellReady(config, url, parts);
  if (config.topology === "full") {
    parts.events = new Events({ config, databaseUrl: url, log, metrics });
  }
}

async function readiness(
  { engine, flight, events }: Parts,
  config: Config,
): Promise<{ ready: boolean; parts: Record<string, string> }> {
  const parts: Record<string, string> = { http: "ok" };
  try {
    await engine.ping(AbortSignal.timeout(pingMsMax));
    parts.postgres = "ok";
  } catch (error) {
    parts.postgres = error instanceof Error ? error.message : String(error);
  }
  if (config.topology !== "http") {
    parts.flight = flight?.ready() ? "ok" : "starting";
  }
  if (config.topology === "full") {
    Object.assign(parts, events?.readiness() ?? { events: "starting" });
  }
  // What nobody has asked for yet is no part that is missing.
  const isReady = (state: string) => state === "ok" || state.startsWith("off: ");
  return { ready: Object.values(parts).every(isReady), parts };
}

const pingMsMax = 2000;

/** Reads the catalog again at each SIGHUP; gives the end of that. */
function refreshOnHangup(log: Log, parts: Parts): () => void {
  if (Deno.build.os === "windows") return () => {};
  const refresh = async (): Promise<void> => {
    try {
      await Promise.all([parts.engine.refresh(), parts.flight?.refresh()]);
      log.info("schema refreshed");
    } catch (error) {
      log.error("schema not refreshed, the old one stays", { error });
    }
  };
  const listener = () => void refresh();
  Deno.addSignalListener("SIGHUP", listener);
  return () => Deno.removeSignalListener("SIGHUP", listener);
}

/** What HTTP found changed Flight would find too, but only by a failing query of its own. */
async function tellFlight({ flight }: Parts, log: Log): Promise<void> {
  try {
    await flight?.refresh();
  } catch (error) {
    log.warn("flight has not read the catalog again", { error });
  }
}

function tellReady(config: Config, url: string, { http, flight, lists }: Parts): void {
  const flightUrl = flight?.url() ?? null;
  say("");
  if (http) say(`GraphQL    ${http.url}/graphql  (in a browser: GraphiQL)`);
  if (flightUrl) say(`Flight     ${flightUrl}`);
  if (config.databaseUrl === null) {
    say(`PostgreSQL 127.0.0.1:${new URL(url).port}  (${urlCommand()} prints its URL)`);
  }
  if (flightUrl) {
    const query = exampleQuery(lists);
    const read = query === null
      ? "print(list(c.list_flights()))"
      : `print(c.do_get(fl.Ticket(b"${query}")).read_all())`;
    say(`Python     import pyarrow.flight as fl; c = fl.connect("${flightUrl}"); ${read}`);
  }
  const line = {
    event: "ready",
    http: http?.url ?? null,
    flight: flightUrl,
    topology: config.topology,
  };
  answer(JSON.stringify(line) + "\n");
}

/** As a person can type it: there is no `fraiseql` but the compiled one. */
function urlCommand(): string {
  const program = Deno.build.standalone ? "fraiseql" : `npx -y deno@${Deno.version.deno} task`;
  return `${program} url postgres`;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => signal.addEventListener("abort", () => done(), { once: true }));
}
