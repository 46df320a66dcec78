/**
 * `fraiseql serve`: configuration -> database -> transports -> shutdown. Each part starts only
 * where the topology names it.
 */

import { type SupervisedFlight, superviseFlight } from "../flight/supervise.ts";
import type { Config } from "../lib/config.ts";
import { type EmbeddedPostgres, startPostgres } from "../lib/embedded/postgres.ts";
import { type HttpServer, serveHttp } from "../lib/http/server.ts";
import { createLog, type Log } from "../lib/log.ts";
import { createMetrics } from "../lib/metrics.ts";
import { openDatabase } from "../lib/postgres/database.ts";
import { engineOf, isFirstStart, loadSample } from "./database.ts";
import { LateEngine } from "./late_engine.ts";
import { flightCommand } from "./flight_command.ts";
import { configEnvironment } from "./options.ts";
import { answer, say } from "./say.ts";
import { untilThere } from "./wait.ts";

/** Serves until the signal is aborted, then drains; gives the exit status. */
export async function serve(config: Config, signal: AbortSignal): Promise<number> {
  const log = createLog(config.logLevel);
  const parts = new Parts();
  try {
    const url = await databaseUrl(config, log, parts, signal);
    await startTransports(config, url, log, parts, signal);
    await aborted(signal);
    log.info("stopping");
    return 0;
  } catch (error) {
    if (signal.aborted) return 0;
    throw error;
  } finally {
    await parts.close();
  }
}

/** What was started, closed in the opposite order. */
class Parts {
  readonly #closers: (() => Promise<void>)[] = [];

  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
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
  let postgres = await startPostgres({ dataDir: config.dataDir, log, onProgress: say });
  let closing = false;
  parts.add(async () => {
    closing = true;
    await postgres.stop();
  });
  await loadSample(config, postgres.url);

  const { url } = postgres;
  const watch = async (running: EmbeddedPostgres): Promise<void> => {
    const end = await running.exited;
    if (end.wanted || closing || signal.aborted) return;
    log.error("embedded postgres ended", { code: end.code, lastLines: end.lastLines });
    postgres = await startPostgres({
      dataDir: config.dataDir,
      log,
      onProgress: say,
      port: Number(new URL(url).port),
    });
    log.info("embedded postgres is back");
    return await watch(postgres);
  };
  watch(postgres).catch((error) => log.error("embedded postgres stays down", { error }));
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
  const engine = new LateEngine();
  let flight: SupervisedFlight | null = null;
  let http: HttpServer | null = null;

  if (config.topology !== "arrow") {
    http = await serveHttp({
      engine,
      address: config.bindAddr,
      limits: config.limits,
      log,
      metrics,
      corsOrigins: config.corsOrigins,
      unrepresentable: config.unrepresentable,
      readiness: () => readiness(engine, config, flight),
      metricsText: async () => {
        const others = await flight?.metrics();
        return await metrics.text(others ? [others] : []);
      },
    });
    parts.add(() => http?.stop(config.limits.drainSecondsMax) ?? Promise.resolve());

    const database = await untilThere(
      url,
      log,
      signal,
      () => openDatabase({ url, limits: config.limits, log, metrics, signal }),
    );
    parts.add(() => database.close());
    engine.set(await untilThere(url, log, signal, () => engineOf(config, database, log)));
  } else {
    const database = await untilThere(
      url,
      log,
      signal,
      () => openDatabase({ url, limits: config.limits, log, signal }),
    );
    await database.close();
  }

  if (config.topology !== "http") {
    flight = await superviseFlight({
      command: flightCommand(),
      env: configEnvironment(config, url),
      log,
      metrics,
      onRefreshed: () => engine.refresh(),
    });
    parts.add(() => flight?.stop(config.limits.drainSecondsMax) ?? Promise.resolve());
  }
  refreshOnHangup(log, engine, () => flight, signal);
  tellReady(config, url, http, flight);
}

async function readiness(
  engine: LateEngine,
  config: Config,
  flight: SupervisedFlight | null,
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
  return { ready: Object.values(parts).every((state) => state === "ok"), parts };
}

const pingMsMax = 2000;

function refreshOnHangup(
  log: Log,
  engine: LateEngine,
  flight: () => SupervisedFlight | null,
  signal: AbortSignal,
): void {
  if (Deno.build.os === "windows") return;
  const refresh = async (): Promise<void> => {
    try {
      await Promise.all([engine.refresh(), flight()?.refresh()]);
      log.info("schema refreshed");
    } catch (error) {
      log.error("schema not refreshed", { error });
    }
  };
  const listener = () => void refresh();
  Deno.addSignalListener("SIGHUP", listener);
  signal.addEventListener("abort", () => Deno.removeSignalListener("SIGHUP", listener));
}

function tellReady(
  config: Config,
  url: string,
  http: HttpServer | null,
  flight: SupervisedFlight | null,
): void {
  const flightUrl = flight?.url() ?? null;
  const full = config.topology === "full";
  say("");
  if (full) say("topology full runs as dual: events come with a later release");
  if (http) say(`GraphQL    ${http.url}/graphql  (in a browser: GraphiQL)`);
  if (flightUrl) say(`Flight     ${flightUrl}`);
  if (config.databaseUrl === null) {
    say(`PostgreSQL 127.0.0.1:${new URL(url).port}  (fraiseql url postgres prints its URL)`);
  }
  if (flightUrl) {
    say(
      `Python     import pyarrow.flight as fl; print(fl.connect("${flightUrl}").do_get(` +
        `fl.Ticket(b"{ users { id name email } }")).read_all())`,
    );
  }
  const line = {
    event: "ready",
    http: http?.url ?? null,
    flight: flightUrl,
    topology: full ? "dual" : config.topology,
    ...full && { note: "full runs as dual until events are supported" },
  };
  answer(JSON.stringify(line) + "\n");
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => signal.addEventListener("abort", () => done(), { once: true }));
}
